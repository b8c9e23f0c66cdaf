//! What the status of an answer means for the records of its request.

use std::time::{Duration, SystemTime};

use rolog_plugin::prelude::*;

use crate::config::Statuses;

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Everything is there.
    Delivered,
    /// A later attempt may do better.
    Retry(Class),
    /// The records are refused.
    Reject(Class),
    /// Nothing will be accepted until someone acts.
    Hold(Class),
    /// The request is too large.
    Split,
}

/// The meaning of each status: what the settings say, else the usual.
#[derive(Clone, Debug)]
pub(crate) struct Meanings(Statuses);

impl Meanings {
    pub(crate) fn new(statuses: Statuses) -> Self {
        Meanings(statuses)
    }

    pub(crate) fn of(&self, status: u16) -> Meaning {
        let Meanings(said) = self;
        let usual = usual(status);
        if said.delivered.contains(&status) {
            Meaning::Delivered
        } else if said.retry.contains(&status) {
            Meaning::Retry(usual.class())
        } else if said.reject.contains(&status) {
            Meaning::Reject(usual.class())
        } else if said.hold.contains(&status) {
            Meaning::Hold(usual.class())
        } else if said.split.contains(&status) {
            Meaning::Split
        } else {
            usual
        }
    }
}

impl Meaning {
    fn class(self) -> Class {
        match self {
            Meaning::Delivered => Class::Other,
            Meaning::Retry(class) | Meaning::Reject(class) | Meaning::Hold(class) => class,
            Meaning::Split => Class::TooLarge,
        }
    }
}

fn usual(status: u16) -> Meaning {
    match status {
        200..=299 => Meaning::Delivered,
        // Not followed: a POST would become a GET, or credentials would go elsewhere.
        300..=399 | 404 => Meaning::Hold(Class::NotFound),
        401 | 403 | 407 => Meaning::Hold(Class::Auth),
        413 => Meaning::Split,
        429 => Meaning::Retry(Class::Throttled),
        507 => Meaning::Retry(Class::Full),
        408 | 504 => Meaning::Retry(Class::Timeout),
        425 | 500.. => Meaning::Retry(Class::Unavailable),
        _ => Meaning::Reject(Class::Invalid),
    }
}

/// Whether a service that answers so may have kept records all the same: one that broke while it
/// worked, or that waited in vain for another one behind it.
pub(crate) fn maybe_written(status: u16) -> bool {
    matches!(status, 500 | 502 | 504)
}

/// Reads a `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    // A date that has passed asks for nothing.
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_usual_meaning() {
        let meanings = Meanings::new(Statuses::default());
        for (status, meaning) in [
            (200, Meaning::Delivered),
            (204, Meaning::Delivered),
            (301, Meaning::Hold(Class::NotFound)),
            (400, Meaning::Reject(Class::Invalid)),
            (401, Meaning::Hold(Class::Auth)),
            (403, Meaning::Hold(Class::Auth)),
            (404, Meaning::Hold(Class::NotFound)),
            (408, Meaning::Retry(Class::Timeout)),
            (409, Meaning::Reject(Class::Invalid)),
            (413, Meaning::Split),
            (422, Meaning::Reject(Class::Invalid)),
            (425, Meaning::Retry(Class::Unavailable)),
            (429, Meaning::Retry(Class::Throttled)),
            (500, Meaning::Retry(Class::Unavailable)),
            (502, Meaning::Retry(Class::Unavailable)),
            (503, Meaning::Retry(Class::Unavailable)),
            (504, Meaning::Retry(Class::Timeout)),
            (507, Meaning::Retry(Class::Full)),
        ] {
            assert_eq!(meanings.of(status), meaning, "{status}");
        }
    }

    #[test]
    fn what_the_settings_say_goes_before() {
        let meanings = Meanings::new(Statuses {
            delivered: vec![409],
            retry: vec![404],
            reject: vec![500],
            hold: vec![400],
            split: vec![422],
        });
        assert_eq!(meanings.of(409), Meaning::Delivered);
        assert_eq!(meanings.of(404), Meaning::Retry(Class::NotFound));
        assert_eq!(meanings.of(500), Meaning::Reject(Class::Unavailable));
        assert_eq!(meanings.of(400), Meaning::Hold(Class::Invalid));
        assert_eq!(meanings.of(422), Meaning::Split);
        assert_eq!(meanings.of(413), Meaning::Split);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 22 Nov 2026 11:15:00 GMT").unwrap();
        let after = |text| retry_after(text, now);
        assert_eq!(after(" 120 "), Some(Duration::from_mins(2)));
        assert_eq!(
            after("Sun, 22 Nov 2026 11:15:30 GMT"),
            Some(Duration::from_secs(30))
        );
        assert_eq!(after("Sat, 21 Nov 2026 11:15:30 GMT"), Some(Duration::ZERO));
        assert_eq!(after("soon"), None);
        assert_eq!(after("-5"), None);
    }
}
