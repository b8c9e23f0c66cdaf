//! Times as databases write them.

use rolog_core::value::Timestamp;

/// `2026-11-22T11:15:00.123456789Z`, with `gap` in place of the `T`, without the `Z` where it is
/// left out, and with as many digits of the second as are asked for.
pub(crate) fn put(time: Timestamp, gap: char, digits: usize, zone: bool, out: &mut String) {
    let nanos = time.nanos();
    let (seconds, nanos) = (
        nanos.div_euclid(1_000_000_000),
        nanos.rem_euclid(1_000_000_000),
    );
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    two(year / 100, out);
    two(year % 100, out);
    for (mark, number) in [
        ('-', month),
        ('-', day),
        (gap, second / 3600),
        (':', second / 60 % 60),
        (':', second % 60),
    ] {
        out.push(mark);
        two(number, out);
    }
    if digits > 0 {
        out.push('.');
        let mut unit = 100_000_000;
        for _ in 0..digits.min(9) {
            out.push(digit(nanos / unit % 10));
            unit /= 10;
        }
    }
    if zone {
        out.push('Z');
    }
}

fn two(number: i64, out: &mut String) {
    out.push(digit(number / 10 % 10));
    out.push(digit(number % 10));
}

fn digit(number: i64) -> char {
    char::from(b'0' + number.unsigned_abs() as u8 % 10)
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
        fn a_time_is_written_as_its_display_has_it(nanos: i64) {
            let time = Timestamp::from_nanos(nanos);
            let mut text = String::new();
            put(time, 'T', 9, true, &mut text);
            prop_assert_eq!(text, time.to_string());
        }
    }
}
