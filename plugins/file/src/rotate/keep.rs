//! Which rotated files stay.

use std::time::Duration;

use super::name::{Member, Stamp};
use crate::config::{Keep, Size};

/// Those of `members` that are kept, and those that are beyond that, the oldest first as `members` are.
pub(super) fn divided(keep: &Keep, members: Vec<Member>, now: Stamp) -> (Vec<Member>, Vec<Member>) {
    let age = keep.age.map(|age| micros(age.duration()));
    let bytes = keep.bytes.map_or(u64::MAX, Size::bytes);
    let files = keep.files.unwrap_or(usize::MAX);
    let mut kept = 0;
    let mut total = 0_u64;
    let mut last = None;
    let (mut stay, mut surplus) = (Vec::new(), Vec::new());
    for member in members.into_iter().rev() {
        // A plain file and its packed copy, between two steps, are one file.
        if last != Some(member.stamp) {
            kept += 1;
            last = Some(member.stamp);
        }
        total = total.saturating_add(member.len);
        let old = age.is_some_and(|age| now.micros() - member.moment(now) > age);
        if kept > files || total > bytes || old {
            surplus.push(member);
        } else {
            stay.push(member);
        }
    }
    stay.reverse();
    surplus.reverse();
    (stay, surplus)
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Span;
    use crate::rotate::name::{Family, Form};

    /// Files of these sizes, one an hour, the oldest first; and now, as the last is rotated.
    fn hourly(sizes: &[u64]) -> (Vec<Member>, Stamp) {
        let family = Family::of(Path::new("app.log"));
        let now = Stamp::now();
        let mut stamps: Vec<_> = (0..sizes.len() as i64)
            .map(|hours| now.earlier(hours * 3_600_000_000))
            .collect();
        stamps.reverse();
        let member = |(stamp, len): (&Stamp, &u64)| Member {
            stamp: *stamp,
            form: Form::Plain,
            path: family.rotated(*stamp),
            len: *len,
            modified: stamp.micros(),
        };
        (stamps.iter().zip(sizes).map(member).collect(), now)
    }

    fn gone(keep: Keep, sizes: &[u64]) -> usize {
        let (members, now) = hourly(sizes);
        let (stay, gone) = divided(&keep, members.clone(), now);
        assert_eq!([gone.clone(), stay].concat(), members, "the oldest go");
        gone.len()
    }

    #[test]
    fn each_bound_holds_and_the_tightest_decides() {
        let files = |files| Keep {
            files: Some(files),
            ..Keep::default()
        };
        assert_eq!(gone(Keep::default(), &[1; 100]), 0);
        assert_eq!(gone(files(3), &[1; 5]), 2);
        assert_eq!(gone(files(0), &[1; 5]), 5);
        assert_eq!(gone(files(9), &[1; 5]), 0);
        let age = Keep {
            age: Some(Span::new(Duration::from_mins(150))),
            ..Keep::default()
        };
        assert_eq!(gone(age, &[1; 5]), 2);
        let bytes = Keep {
            bytes: Some(Size::new(100)),
            ..Keep::default()
        };
        assert_eq!(gone(bytes, &[50; 5]), 3);
        assert_eq!(gone(bytes, &[1, 1, 101]), 3);
        let all = Keep {
            files: Some(4),
            ..bytes
        };
        assert_eq!(gone(all, &[10; 5]), 1);
        assert_eq!(gone(all, &[40; 5]), 3);
    }

    #[test]
    fn two_forms_of_one_file_count_once() {
        let (mut members, now) = hourly(&[1, 1]);
        let mut packed = members[1].clone();
        packed.form = Form::Packed(crate::config::Compress::Gzip);
        members.push(packed);
        let keep = Keep {
            files: Some(2),
            ..Keep::default()
        };
        assert_eq!(divided(&keep, members, now).1, []);
    }

    #[test]
    fn a_stamp_of_the_future_says_nothing_of_the_age() {
        let hour = 3_600_000_000;
        let (mut members, now) = hourly(&[1; 4]);
        let keep = Keep {
            age: Some(Span::new(Duration::from_mins(90))),
            ..Keep::default()
        };
        // What it was written is older than its rotation says, and that counts.
        members[3].modified -= 10 * hour;
        for n in [1, 2] {
            members[n].stamp = now.earlier(-1000 * hour + n as i64);
        }
        members[1].modified = now.micros() - 2 * hour;
        members[2].modified = now.micros() - hour;
        let [old, aged, fresh, last] = members.clone().try_into().unwrap();
        assert_eq!(
            divided(&keep, members, now),
            (vec![fresh, last], vec![old, aged])
        );
    }
}
