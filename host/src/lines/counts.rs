//! How many lines there were, and what was unusual about them.

use std::ops::AddAssign;

/// How many lines there were, and what was unusual about them. A line can count in several of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Lines that were an object of JSON.
    pub json: u64,
    /// Lines of logfmt.
    pub logfmt: u64,
    /// Lines of syslog.
    pub syslog: u64,
    /// Records of text.
    pub text: u64,
    /// Lines that went on with the text of the line before, and made no record of their own.
    pub joined: u64,
    /// Lines of nothing but blanks, which make no record.
    pub empty: u64,
    /// Lines longer than the limit, of which only the first bytes were kept.
    pub truncated: u64,
    /// Lines with bytes that are not UTF-8, which were replaced.
    pub not_utf8: u64,
    /// Lines with a time that is none for certain.
    pub time_unread: u64,
    /// Objects with a key for the level whose value is not known; it stayed a field.
    pub level_unread: u64,
    /// Lines that begin like an object and are none, or hold a number that no float can hold; kept
    /// as text.
    pub broken_json: u64,
    /// Lines that begin with a priority of syslog and do not go on like one; kept as text.
    pub broken_syslog: u64,
    /// Objects kept as text because they nest too deep.
    pub too_deep: u64,
    /// Lines kept as text because their encoded form would exceed the limit.
    pub too_large: u64,
    /// Lines that are not of the format that was asked for; kept as text.
    pub other_format: u64,
}

/// Something unusual about a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// [`LineCounts::truncated`]
    Truncated,
    /// [`LineCounts::not_utf8`]
    NotUtf8,
    /// [`LineCounts::broken_json`]
    BrokenJson,
    /// [`LineCounts::broken_syslog`]
    BrokenSyslog,
    /// [`LineCounts::too_deep`]
    TooDeep,
    /// [`LineCounts::too_large`]
    TooLarge,
    /// [`LineCounts::other_format`]
    OtherFormat,
    /// [`LineCounts::time_unread`]
    TimeUnread,
    /// [`LineCounts::level_unread`]
    LevelUnread,
}

impl Oddity {
    /// Every one.
    pub const ALL: [Oddity; 9] = [
        Oddity::Truncated,
        Oddity::NotUtf8,
        Oddity::BrokenJson,
        Oddity::BrokenSyslog,
        Oddity::TooDeep,
        Oddity::TooLarge,
        Oddity::OtherFormat,
        Oddity::TimeUnread,
        Oddity::LevelUnread,
    ];
}

impl LineCounts {
    /// The records that the lines made.
    pub fn records(&self) -> u64 {
        self.json + self.logfmt + self.syslog + self.text
    }

    /// How many lines had this about them.
    pub fn of(&self, oddity: Oddity) -> u64 {
        match oddity {
            Oddity::Truncated => self.truncated,
            Oddity::NotUtf8 => self.not_utf8,
            Oddity::BrokenJson => self.broken_json,
            Oddity::BrokenSyslog => self.broken_syslog,
            Oddity::TooDeep => self.too_deep,
            Oddity::TooLarge => self.too_large,
            Oddity::OtherFormat => self.other_format,
            Oddity::TimeUnread => self.time_unread,
            Oddity::LevelUnread => self.level_unread,
        }
    }

    fn of_mut(&mut self, oddity: Oddity) -> &mut u64 {
        match oddity {
            Oddity::Truncated => &mut self.truncated,
            Oddity::NotUtf8 => &mut self.not_utf8,
            Oddity::BrokenJson => &mut self.broken_json,
            Oddity::BrokenSyslog => &mut self.broken_syslog,
            Oddity::TooDeep => &mut self.too_deep,
            Oddity::TooLarge => &mut self.too_large,
            Oddity::OtherFormat => &mut self.other_format,
            Oddity::TimeUnread => &mut self.time_unread,
            Oddity::LevelUnread => &mut self.level_unread,
        }
    }
}

impl AddAssign for LineCounts {
    fn add_assign(&mut self, other: LineCounts) {
        self.json += other.json;
        self.logfmt += other.logfmt;
        self.syslog += other.syslog;
        self.text += other.text;
        self.joined += other.joined;
        self.empty += other.empty;
        for oddity in Oddity::ALL {
            *self.of_mut(oddity) += other.of(oddity);
        }
    }
}

/// Counts, and for each oddity the number of the first line that had it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) counts: LineCounts,
    /// By [`Oddity`]; 0 where there was none.
    firsts: [u64; Oddity::ALL.len()],
}

impl Tally {
    pub(super) fn note(&mut self, oddity: Oddity, line: u64) {
        *self.counts.of_mut(oddity) += 1;
        let first = &mut self.firsts[oddity as usize];
        if *first == 0 {
            *first = line;
        }
    }

    /// The number of the first line that had it.
    pub(super) fn first(&self, oddity: Oddity) -> Option<u64> {
        Some(self.firsts[oddity as usize]).filter(|line| *line > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_oddity_counts_for_itself_and_remembers_its_first_line() {
        let mut tally = Tally::default();
        for (index, oddity) in Oddity::ALL.into_iter().enumerate() {
            assert_eq!(oddity as usize, index);
            tally.note(oddity, index as u64 + 5);
            tally.note(oddity, 99);
        }
        for (index, oddity) in Oddity::ALL.into_iter().enumerate() {
            assert_eq!(tally.counts.of(oddity), 2);
            assert_eq!(tally.first(oddity), Some(index as u64 + 5));
        }
        let mut sum = tally.counts;
        sum += tally.counts;
        assert_eq!((sum.too_deep, sum.records()), (4, 0));
        assert_eq!(Tally::default().first(Oddity::NotUtf8), None);
    }
}
