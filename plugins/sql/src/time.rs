//! Times as databases write them.

use rolog_core::value::Timestamp;

/// Writes times, and keeps the part down to the second, which most records have in common with the
/// one before.
#[derive(Debug)]
pub(crate) struct Writer {
    second: i64,
    /// `2026-11-22T11:15:00.123456789Z`, with a gap in place of the `T`.
    text: [u8; 30],
}

impl Writer {
    pub(crate) fn new(gap: char) -> Self {
        let mut text = *b"1970-01-01T00:00:00.000000000Z";
        text[10] = gap as u8;
        Writer { second: 0, text }
    }

    /// A time with as many digits of the second as are asked for, and with the `Z` or without.
    pub(crate) fn text(&mut self, time: Timestamp, digits: usize, zone: bool) -> &str {
        let second = time.nanos().div_euclid(1_000_000_000);
        if second != self.second {
            self.set(second);
        }
        let mut nanos = time.nanos().rem_euclid(1_000_000_000) as u32;
        self.text[19] = b'.';
        for place in self.text[20..29].iter_mut().rev() {
            *place = b'0' + (nanos % 10) as u8;
            nanos /= 10;
        }
        let mut end = if digits == 0 { 19 } else { 20 + digits.min(9) };
        if zone {
            self.text[end] = b'Z';
            end += 1;
        }
        std::str::from_utf8(&self.text[..end]).expect("digits and marks are ASCII")
    }

    #[cold]
    fn set(&mut self, second: i64) {
        self.second = second;
        let (days, second) = (second.div_euclid(86_400), second.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        for (at, number) in [
            (0, year / 100),
            (2, year % 100),
            (5, month),
            (8, day),
            (11, second / 3600),
            (14, second / 60 % 60),
            (17, second % 60),
        ] {
            self.text[at] = digit(number / 10 % 10);
            self.text[at + 1] = digit(number % 10);
        }
    }
}

fn digit(number: i64) -> u8 {
    b'0' + number.unsigned_abs() as u8 % 10
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar, counted in eras of
/// 400 years that begin in March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_time_is_written_as_its_display_has_it(nanos: Vec<i64>, near in 0..3_000_000_000_i64) {
            let mut writer = Writer::new('T');
            for nanos in nanos.into_iter().chain([near, near / 2]) {
                let time = Timestamp::from_nanos(nanos);
                let whole = time.to_string();
                for (digits, end) in [(0, 19), (6, 26), (9, 29)] {
                    prop_assert_eq!(writer.text(time, digits, false), &whole[..end]);
                }
                prop_assert_eq!(writer.text(time, 0, true), format!("{}Z", &whole[..19]));
                prop_assert_eq!(writer.text(time, 9, true), whole);
            }
        }
    }
}
