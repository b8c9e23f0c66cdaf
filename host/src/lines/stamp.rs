//! Times as they stand at the head of a line, or fill a value.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use jiff::{Timestamp, Zoned};

use super::options::Zone;

/// A time as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    civil: DateTime,
    offset: Option<Offset>,
    /// The year was not written; the one that stands there is a leap year.
    no_year: bool,
}

impl Stamp {
    /// Whether the time says its own offset.
    pub(super) fn is_certain(self) -> bool {
        self.offset.is_some()
    }

    /// Nanoseconds since 1970, in `zone` where the time does not say its own. One without a year is
    /// of the last twelve months, up to a day ahead of `now`.
    pub(super) fn nanos(self, zone: Option<&Zone>, now: Timestamp) -> Option<i64> {
        let nanos = |time: Timestamp| i64::try_from(time.as_nanosecond()).ok();
        if let Some(offset) = self.offset {
            return nanos(offset.to_timestamp(self.civil).ok()?);
        }
        let zone = &zone?.0;
        let of = |civil: DateTime| civil.to_zoned(zone.clone()).ok();
        let time = if self.no_year {
            let latest = Zoned::new(now, zone.clone()).tomorrow().ok()?;
            let in_year = |year| {
                let date = Date::new(year, self.civil.month(), self.civil.day()).ok()?;
                of(date.to_datetime(self.civil.time())).filter(|time| *time <= latest)
            };
            let year = latest.year();
            // Eight years back there has been a 29th of February.
            (0..=8).find_map(|back| in_year(year - back))?
        } else {
            of(self.civil)?
        };
        nanos(time.timestamp())
    }
}

/// The time that `text` begins with, and how many bytes it takes.
///
/// Read are RFC 3339 and its variants (blank for `T`, comma before the fraction, `/` in the date,
/// a blank before the offset), with or without an offset; `22/Nov/2026:12:00:00 +0000` of access
/// logs; `Nov 22 12:00:00` of syslog; `Sun Nov 22 12:00:00.5 2026` of Apache's error log; and
/// `Sun, 22 Nov 2026 12:00:00 +0000` of mail.
pub(super) fn at_start(text: &[u8]) -> Option<(Stamp, usize)> {
    let mut at = Cursor { text, at: 0 };
    let stamp = match text.get(..3)? {
        [a, b, _] if a.is_ascii_digit() && b.is_ascii_digit() => match text.get(2)? {
            b'/' => at.access()?,
            _ => at.iso()?,
        },
        _ => at.words()?,
    };
    // Digits that go on, or a word, were no time.
    let ends = at.peek().is_none_or(|next| !next.is_ascii_alphanumeric());
    ends.then_some((stamp, at.at))
}

/// Reads `0200`, `02:00` or `02`: seconds, and how many bytes it took.
pub(super) fn offset_seconds(text: &[u8]) -> Option<(i32, usize)> {
    let mut at = Cursor { text, at: 0 };
    let hours = at.digits(2)?;
    let colon = at.eat(b":");
    let minutes = match at.digits(2) {
        Some(minutes) => minutes,
        None if colon => return None,
        None => 0,
    };
    (hours < 26 && minutes < 60).then_some((hours * 3600 + minutes * 60, at.at))
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, any_of: &[u8]) -> bool {
        let eaten = self.peek().is_some_and(|byte| any_of.contains(&byte));
        self.at += usize::from(eaten);
        eaten
    }

    fn want(&mut self, any_of: &[u8]) -> Option<()> {
        self.eat(any_of).then_some(())
    }

    fn digits(&mut self, count: usize) -> Option<i32> {
        let digits = self.text.get(self.at..self.at + count)?;
        let mut number = 0;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            number = number * 10 + i32::from(digit - b'0');
        }
        self.at += count;
        Some(number)
    }

    /// `2026-11-22T12:00:00.5+01:00`
    fn iso(&mut self) -> Option<Stamp> {
        let year = self.digits(4)?;
        let between = self.peek()?;
        self.want(b"-/")?;
        let month = self.digits(2)?;
        self.want(&[between])?;
        let day = self.digits(2)?;
        self.want(b"Tt ")?;
        let time = self.time()?;
        Some(Stamp {
            civil: date(year, month, day)?.to_datetime(time),
            offset: self.offset(),
            no_year: false,
        })
    }

    /// `22/Nov/2026:12:00:00 +0000`
    fn access(&mut self) -> Option<Stamp> {
        let day = self.digits(2)?;
        self.want(b"/")?;
        let month = self.month()?;
        self.want(b"/")?;
        let year = self.digits(4)?;
        self.want(b":")?;
        let time = self.time()?;
        Some(Stamp {
            civil: date(year, month, day)?.to_datetime(time),
            offset: self.offset(),
            no_year: false,
        })
    }

    /// Those that begin with the name of a month or of a day of the week.
    fn words(&mut self) -> Option<Stamp> {
        if self.weekday() {
            if self.eat(b",") {
                return self.mail();
            }
            self.want(b" ")?;
            let (month, day, time) = self.month_day_time()?;
            self.want(b" ")?;
            let year = self.digits(4)?;
            return Some(Stamp {
                civil: date(year, month, day)?.to_datetime(time),
                offset: None,
                no_year: false,
            });
        }
        let (month, day, time) = self.month_day_time()?;
        Some(Stamp {
            civil: date(LEAP_YEAR, month, day)?.to_datetime(time),
            offset: None,
            no_year: true,
        })
    }

    /// ` 22 Nov 2026 12:00:00 +0000`
    fn mail(&mut self) -> Option<Stamp> {
        self.want(b" ")?;
        let day = self.digits(2).or_else(|| self.digits(1))?;
        self.want(b" ")?;
        let month = self.month()?;
        self.want(b" ")?;
        let year = self.digits(4)?;
        self.want(b" ")?;
        let time = self.time()?;
        Some(Stamp {
            civil: date(year, month, day)?.to_datetime(time),
            offset: self.offset(),
            no_year: false,
        })
    }

    /// `Nov 22 12:00:00`, the day with a blank or a zero before it when it is one digit.
    fn month_day_time(&mut self) -> Option<(i32, i32, Time)> {
        let month = self.month()?;
        self.want(b" ")?;
        let day = if self.eat(b" ") {
            self.digits(1)?
        } else {
            self.digits(2).or_else(|| self.digits(1))?
        };
        self.want(b" ")?;
        Some((month, day, self.time()?))
    }

    fn weekday(&mut self) -> bool {
        const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
        let is_one = self.text.get(..3).is_some_and(|word| DAYS.contains(&word));
        self.at += if is_one { 3 } else { 0 };
        is_one
    }

    fn month(&mut self) -> Option<i32> {
        const MONTHS: [&[u8]; 12] = [
            b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
            b"Dec",
        ];
        let word = self.text.get(self.at..self.at + 3)?;
        let index = MONTHS.iter().position(|month| *month == word)?;
        self.at += 3;
        Some(index as i32 + 1)
    }

    /// `12:00:00`, `12:00:00.123456789`, `12:00:00,123`; of more than nine digits the first nine.
    fn time(&mut self) -> Option<Time> {
        let hour = self.digits(2)?;
        self.want(b":")?;
        let minute = self.digits(2)?;
        self.want(b":")?;
        let second = self.digits(2)?;
        let mut nanos = 0;
        let follows = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        if matches!(self.peek(), Some(b'.' | b',')) && follows(self.text.get(self.at + 1)) {
            self.at += 1;
            let mut worth = 100_000_000;
            while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
                nanos += i32::from(digit - b'0') * worth;
                worth /= 10;
                self.at += 1;
            }
        }
        // A leap second is the last one of its minute, as clocks show it.
        let second = if second == 60 { 59 } else { second };
        Time::new(small(hour)?, small(minute)?, small(second)?, nanos).ok()
    }

    /// `Z`, `+01:00`, `+0100`, ` UTC`, ` GMT`, ` +0100`; what is none is left where it stands.
    fn offset(&mut self) -> Option<Offset> {
        let start = self.at;
        let blank = self.eat(b" ");
        let rest = &self.text[self.at..];
        for name in [&b"UTC"[..], b"GMT"] {
            if rest.starts_with(name) {
                self.at += name.len();
                return Some(Offset::UTC);
            }
        }
        if !blank && self.eat(b"Zz") {
            return Some(Offset::UTC);
        }
        let sign = match self.peek() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => 0,
        };
        let seconds = rest.get(1..).filter(|_| sign != 0).and_then(offset_seconds);
        // After a blank, `-1` may be anything.
        let read = seconds.filter(|(_, length)| !blank || *length >= 4);
        let offset = read.and_then(|(seconds, length)| {
            self.at += 1 + length;
            Offset::from_seconds(sign * seconds).ok()
        });
        if offset.is_none() {
            self.at = start;
        }
        offset
    }
}

/// Stands where no year was written, so that a 29th of February is a date.
const LEAP_YEAR: i32 = 2000;

fn date(year: i32, month: i32, day: i32) -> Option<Date> {
    Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()
}

fn small(number: i32) -> Option<i8> {
    i8::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_795_348_800_000_000_000; // 2026-11-22T12:00:00Z

    fn now() -> Timestamp {
        Timestamp::from_nanosecond(i128::from(NOON)).unwrap()
    }

    fn read(text: &str, zone: Option<&str>) -> Option<(i64, usize)> {
        let zone = zone.map(|zone| zone.parse().unwrap());
        let (stamp, length) = at_start(text.as_bytes())?;
        Some((stamp.nanos(zone.as_ref(), now())?, length))
    }

    #[test]
    fn times_that_say_their_offset_are_certain() {
        for text in [
            "2026-11-22T12:00:00Z",
            "2026-11-22 13:00:00.000000+01:00",
            "2026/11/22 12:00:00 UTC",
            "2026-11-22 12:00:00,000 +0000",
            "22/Nov/2026:14:00:00 +0200",
            "Sun, 22 Nov 2026 12:00:00 GMT",
            "Sun, 22 Nov 2026 04:00:00 -0800",
        ] {
            assert_eq!(read(text, None), Some((NOON, text.len())), "{text}");
            let line = format!("{text} more");
            let zone = Some("+09:00");
            assert_eq!(read(&line, zone), Some((NOON, text.len())), "{text}");
        }
    }

    #[test]
    fn a_zone_makes_the_others_certain() {
        for text in [
            "2026-11-22 12:00:00",
            "2026/11/22 12:00:00",
            "2026-11-22T12:00:00.000",
            "Nov 22 12:00:00",
            "Sun Nov 22 12:00:00.000 2026",
            "Sun Nov 22 12:00:00 2026",
        ] {
            assert_eq!(read(text, None), None, "{text}");
            assert_eq!(read(text, Some("UTC")), Some((NOON, text.len())), "{text}");
            let east = NOON - 3_600_000_000_000;
            assert_eq!(read(text, Some("+01:00")), Some((east, text.len())));
        }
        let (_, length) = at_start(b"2026-11-22 12:00:00,123 - name - INFO - text").unwrap();
        assert_eq!(length, "2026-11-22 12:00:00,123".len());
        let (_, length) = at_start(b"2026-11-22 12:00:00 -1 below").unwrap();
        assert_eq!(length, "2026-11-22 12:00:00".len());
    }

    #[test]
    fn a_time_without_a_year_is_of_the_last_twelve_months() {
        let day = 86_400_000_000_000;
        assert_eq!(
            read("Nov 23 11:00:00", Some("UTC")).unwrap().0,
            NOON + 23 * day / 24
        );
        let last_year = read("Nov 24 12:00:00", Some("UTC")).unwrap().0;
        assert_eq!(last_year, NOON - 363 * day);
        let (single, _) = read("Nov  2 12:00:00", Some("UTC")).unwrap();
        assert_eq!(single, NOON - 20 * day);
        // 2024-02-29 is the last one that there was.
        assert!(read("Feb 29 00:00:00", Some("UTC")).is_some());
    }

    #[test]
    fn what_only_looks_like_a_time_is_none() {
        for text in [
            "",
            "2026",
            "2026-11-22",
            "2026-11/22 12:00:00",
            "2026-13-22 12:00:00Z",
            "2026-11-22 25:00:00Z",
            "2026-11-22 12:00:000Z",
            "2026-11-22 12:00:00Zulu",
            "22/Nov/2026 12:00:00",
            "Nov 31 12:00:00",
            "Now 22 12:00:00",
            "Sunday",
            "12345",
        ] {
            assert_eq!(at_start(text.as_bytes()), None, "{text}");
        }
    }
}
