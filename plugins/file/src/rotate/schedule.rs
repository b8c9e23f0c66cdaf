//! When the next file begins, by the calendar of a zone.

use jiff::civil::Weekday;
use jiff::{SignedDuration, Timestamp, Zoned};

use crate::config::Every;
use crate::zone::Zone;

/// The turns of a period.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    every: Every,
    zone: Zone,
}

impl Schedule {
    pub(crate) fn new(every: Every, zone: Zone) -> Self {
        Schedule { every, zone }
    }

    /// The first turn behind `time`. `None` at the end of all calendars.
    pub(crate) fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let now = time.to_zoned(self.zone.rules().clone());
        let turn = match self.every {
            Every::Minutes(minutes) => within_day(&now, i64::from(minutes) * 60),
            Every::Day => now.tomorrow().and_then(|day| day.start_of_day()),
            Every::Week => midnight(&now, now.date().nth_weekday(1, Weekday::Monday)),
            Every::Month => midnight(&now, now.date().last_of_month().tomorrow()),
        };
        turn.ok()
            .map(|turn| turn.timestamp())
            .filter(|turn| *turn > time)
    }
}

fn midnight(
    now: &Zoned,
    date: Result<jiff::civil::Date, jiff::Error>,
) -> Result<Zoned, jiff::Error> {
    date?.to_zoned(now.time_zone().clone())?.start_of_day()
}

/// Counted from the day's beginning in time that passes, so that an hour which the clock repeats has
/// turns of its own; the day's end is a turn in any case.
fn within_day(now: &Zoned, seconds: i64) -> Result<Zoned, jiff::Error> {
    let start = now.start_of_day()?;
    let passed = now.timestamp().duration_since(start.timestamp()).as_secs();
    let next = SignedDuration::from_secs((passed / seconds + 1) * seconds);
    let turn = start.checked_add(next)?;
    let end = now.tomorrow()?.start_of_day()?;
    Ok(turn.min(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(every: Every, zone: &str, time: &str) -> String {
        let zone = Zone::named(zone).unwrap();
        let schedule = Schedule::new(every, zone);
        schedule.after(time.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn turns_are_those_of_the_zones_calendar() {
        for (every, zone, time, turn) in [
            (
                Every::Day,
                "UTC",
                "2026-11-22T14:00:00Z",
                "2026-11-23T00:00:00Z",
            ),
            (
                Every::Day,
                "UTC",
                "2026-11-22T00:00:00Z",
                "2026-11-23T00:00:00Z",
            ),
            (
                Every::Day,
                "+02:00",
                "2026-11-22T22:30:00Z",
                "2026-11-23T22:00:00Z",
            ),
            (
                Every::Week,
                "UTC",
                "2026-11-22T14:00:00Z",
                "2026-11-23T00:00:00Z",
            ),
            (
                Every::Week,
                "UTC",
                "2026-11-23T00:00:00Z",
                "2026-11-30T00:00:00Z",
            ),
            (
                Every::Month,
                "UTC",
                "2026-12-31T23:59:59Z",
                "2027-01-01T00:00:00Z",
            ),
            (
                Every::Minutes(60),
                "UTC",
                "2026-11-22T14:00:00Z",
                "2026-11-22T15:00:00Z",
            ),
            (
                Every::Minutes(15),
                "UTC",
                "2026-11-22T14:16:01.5Z",
                "2026-11-22T14:30:00Z",
            ),
            (
                Every::Minutes(360),
                "-03:30",
                "2026-11-22T14:16:00Z",
                "2026-11-22T15:30:00Z",
            ),
        ] {
            assert_eq!(after(every, zone, time), turn, "{every:?} {zone} {time}");
        }
    }

    #[test]
    fn a_day_of_twenty_three_or_twenty_five_hours_is_one_day() {
        let berlin = Zone::by_rules("CET-1CEST,M3.5.0,M10.5.0/3");
        for (every, time, turn) in [
            // The clock goes forward at 01:00Z on 29 March 2026, and back at 01:00Z on 25 October.
            (Every::Day, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            (Every::Day, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            (
                Every::Minutes(60),
                "2026-10-25T00:10:00Z",
                "2026-10-25T01:00:00Z",
            ),
            (
                Every::Minutes(60),
                "2026-10-25T01:10:00Z",
                "2026-10-25T02:00:00Z",
            ),
            (
                Every::Minutes(720),
                "2026-03-29T12:00:00Z",
                "2026-03-29T22:00:00Z",
            ),
        ] {
            let next = Schedule::new(every, berlin.clone()).after(time.parse().unwrap());
            assert_eq!(next.unwrap().to_string(), turn, "{every:?} {time}");
        }
    }
}
