//! The account as people read it: a few lines, a table, and what was lost and why.

use std::fmt::{self, Write as _};

use anstyle::{AnsiColor, Style};

use super::account::Account;
use crate::lines::Oddity;

const HEADING: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = AnsiColor::Yellow.on_default();

impl Account {
    /// The account for a terminal, with colours as ANSI sequences.
    pub fn styled(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _: fmt::Result = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        self.write_lines(out)?;
        self.write_table(out)?;
        self.write_reasons(out)?;
        self.write_verdict(out)
    }

    fn write_lines(&self, out: &mut String) -> fmt::Result {
        let lines = &self.lines;
        write!(
            out,
            "{HEADING}read {}{HEADING:#} in {:.1?}: {} JSON",
            records(self.read()),
            self.elapsed,
            lines.json,
        )?;
        for (count, what) in [(lines.logfmt, "logfmt"), (lines.syslog, "syslog")] {
            if count > 0 {
                write!(out, ", {count} {what}")?;
            }
        }
        write!(out, ", {} text", lines.text)?;
        if lines.joined > 0 {
            write!(out, " of {}", counted(lines.text + lines.joined, "line"))?;
        }
        if lines.empty > 0 {
            write!(out, "; {} blank", counted(lines.empty, "line"))?;
        }
        out.push('\n');
        for oddity in Oddity::ALL {
            let count = lines.of(oddity);
            if count == 0 {
                continue;
            }
            let what = match oddity {
                Oddity::Truncated => "cut: longer than max_record",
                Oddity::NotUtf8 => "not UTF-8: bytes replaced",
                Oddity::BrokenJson => "broken JSON: kept as text",
                Oddity::BrokenSyslog => "broken syslog: kept as text",
                Oddity::TooDeep => "JSON nested too deep: kept as text",
                Oddity::TooLarge => "too large once decoded: kept as text",
                Oddity::OtherFormat => "not in the format asked for: kept as text",
                Oddity::TimeUnread => {
                    "with a time that is none for certain: kept as it is, and the time of reading \
                     taken (--zone says what a time without a zone means)"
                }
                Oddity::LevelUnread => {
                    "with a level that is not known: kept as a field, and info taken"
                }
            };
            write!(out, "  {NOTE}{} {what}", counted(count, "line"))?;
            if let Some((_, place)) = self.firsts.iter().find(|(other, _)| *other == oddity) {
                let first = if count == 1 { "" } else { "first " };
                write!(out, " ({first}{place})")?;
            }
            writeln!(out, "{NOTE:#}")?;
        }
        if self.nul_bytes > 0 {
            let bytes = counted(self.nul_bytes, "NUL byte");
            writeln!(out, "  {NOTE}{bytes} passed over before lines{NOTE:#}")?;
        }
        Ok(())
    }

    fn write_table(&self, out: &mut String) -> fmt::Result {
        let take_over = self.targets.iter().any(|target| target.taken_over > 0);
        let mut table = Table::new(&["target", "routed"]);
        if take_over {
            table.columns.push("taken over");
        }
        table
            .columns
            .extend(["delivered", "fell back", "dead-lettered", "lost"]);
        for target in &self.targets {
            let mut row = vec![target.routed];
            if take_over {
                row.push(target.taken_over);
            }
            row.extend([
                target.delivered,
                target.fell_back,
                target.dead_lettered,
                target.lost(),
            ]);
            table.rows.push((&target.name, row));
        }
        for (name, count) in [
            ("below level", self.below_level),
            ("no route", self.no_route),
        ] {
            if count > 0 {
                table.rows.push((name, vec![count]));
            }
        }
        table.write(out)
    }

    fn write_reasons(&self, out: &mut String) -> fmt::Result {
        for target in &self.targets {
            let name = &target.name;
            for (reason, count) in &target.lost {
                if *count > 0 {
                    writeln!(
                        out,
                        "{BAD}{name}: {} lost: {reason}{BAD:#}",
                        records(*count)
                    )?;
                }
            }
            if target.held_back > 0 {
                let count = records(target.held_back);
                writeln!(out, "{name}: {count} held back by the rules of its routes")?;
            }
            if target.maybe_written > 0 {
                let count = records(target.maybe_written);
                writeln!(
                    out,
                    "{NOTE}{name}: {count} may have been written by an attempt that broke off{NOTE:#}"
                )?;
            }
            if let Some(failure) = &target.failure {
                writeln!(out, "{NOTE}{name}: last failure: {failure}{NOTE:#}")?;
            }
        }
        if self.refused > 0 {
            let count = records(self.refused);
            writeln!(
                out,
                "{BAD}{count} lost: read, and in no queue when time was up{BAD:#}"
            )?;
        }
        for input in &self.unread {
            writeln!(out, "{BAD}not read to its end: {input}{BAD:#}")?;
        }
        if let Some(signal) = self.stopped_by {
            writeln!(
                out,
                "{NOTE}stopped by {signal}: what was read until then is in this account{NOTE:#}"
            )?;
        }
        Ok(())
    }

    fn write_verdict(&self, out: &mut String) -> fmt::Result {
        match self.lost() {
            _ if !self.balances() => writeln!(
                out,
                "{BAD}the account does not balance, which is a defect of rolog: please report it{BAD:#}"
            ),
            0 => writeln!(out, "{GOOD}nothing lost{GOOD:#}"),
            lost => writeln!(out, "{BAD}{} lost{BAD:#}", records(lost)),
        }
    }
}

/// Names at the left, numbers at the right.
struct Table<'a> {
    columns: Vec<&'static str>,
    rows: Vec<(&'a str, Vec<u64>)>,
}

impl Table<'_> {
    fn new(columns: &[&'static str]) -> Self {
        Table {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let names = self.rows.iter().map(|(name, _)| name.chars().count());
        let first = names.max().unwrap_or(0).max(self.columns[0].len());
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|(_, row)| row.get(column - 1));
            let digits = cells
                .map(|count| count.to_string().len())
                .max()
                .unwrap_or(0);
            digits.max(self.columns[column].len())
        };
        write!(out, "{HEADING}{:first$}", self.columns[0])?;
        for (column, title) in self.columns.iter().enumerate().skip(1) {
            write!(out, "  {title:>0$}", width(column))?;
        }
        writeln!(out, "{HEADING:#}")?;
        for (name, row) in &self.rows {
            write!(out, "{name:first$}")?;
            for (column, count) in (1..).zip(row) {
                let lost = self.columns[column] == "lost" && *count > 0;
                let style = if lost { BAD } else { Style::new() };
                write!(out, "  {style}{count:>0$}{style:#}", width(column))?;
            }
            out.push('\n');
        }
        Ok(())
    }
}

fn records(count: u64) -> String {
    counted(count, "record")
}

fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::account::TargetAccount;
    use super::*;
    use crate::lines::LineCounts;

    fn plain(account: &Account) -> String {
        anstream::adapter::strip_str(&account.styled()).to_string()
    }

    fn target(name: &str, routed: u64, delivered: u64) -> TargetAccount {
        TargetAccount {
            name: name.to_owned(),
            routed,
            delivered,
            ..TargetAccount::default()
        }
    }

    #[test]
    fn a_run_without_trouble_is_told_in_few_lines() {
        let account = Account {
            lines: LineCounts {
                json: 3,
                text: 1,
                ..LineCounts::default()
            },
            routed: 3,
            below_level: 1,
            targets: vec![target("app", 3, 3)],
            elapsed: Duration::from_millis(12),
            ..Account::default()
        };
        assert!(account.is_complete());
        assert_eq!(
            plain(&account),
            "read 4 records in 12.0ms: 3 JSON, 1 text\n\
             target       routed  delivered  fell back  dead-lettered  lost\n\
             app               3          3          0              0     0\n\
             below level       1\n\
             nothing lost\n"
        );
    }

    #[test]
    fn what_was_lost_and_what_was_unusual_is_named() {
        let account = Account {
            firsts: vec![
                (Oddity::BrokenJson, "app.log:17".to_owned()),
                (Oddity::Truncated, "b.log:1".to_owned()),
            ],
            lines: LineCounts {
                json: 10,
                logfmt: 2,
                syslog: 1,
                text: 4,
                joined: 5,
                empty: 2,
                truncated: 1,
                not_utf8: 2,
                broken_json: 3,
                too_deep: 4,
                too_large: 5,
                time_unread: 6,
                level_unread: 7,
                ..LineCounts::default()
            },
            nul_bytes: 1,
            no_route: 7,
            routed: 10,
            targets: vec![
                TargetAccount {
                    fell_back: 4,
                    lost: vec![("exhausted".to_owned(), 1), ("overflow".to_owned(), 0)],
                    maybe_written: 2,
                    failure: Some("connection refused".to_owned()),
                    ..target("app", 10, 5)
                },
                TargetAccount {
                    taken_over: 4,
                    ..target("rescue", 0, 4)
                },
            ],
            unread: vec!["old.log: I/O error".to_owned()],
            stopped_by: Some("SIGTERM"),
            ..Account::default()
        };
        assert!(account.balances() && !account.is_complete());
        let text = plain(&account);
        for part in [
            ": 10 JSON, 2 logfmt, 1 syslog, 4 text of 9 lines; 2 lines blank\n",
            "1 line cut: longer than max_record (b.log:1)\n",
            "2 lines not UTF-8",
            "3 lines broken JSON: kept as text (first app.log:17)\n",
            "4 lines JSON nested too deep",
            "5 lines too large",
            "6 lines with a time",
            "7 lines with a level",
            "1 NUL byte passed over",
            "\ntarget    routed  taken over  delivered",
            "\nrescue         0           4          4",
            "\napp: 1 record lost: exhausted\n",
            "\napp: 2 records may have been written",
            "\napp: last failure: connection refused\n",
            "\nnot read to its end: old.log: I/O error\n",
            "\nstopped by SIGTERM",
            "\n1 record lost\n",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
        assert!(
            !text.contains("overflow"),
            "a reason that did not occur is not named"
        );
    }

    #[test]
    fn an_account_that_does_not_balance_says_so() {
        let at_a_target = Account {
            lines: LineCounts {
                text: 2,
                ..LineCounts::default()
            },
            routed: 2,
            targets: vec![target("app", 2, 1)],
            ..Account::default()
        };
        let before_them = Account {
            lines: LineCounts {
                text: 3,
                ..LineCounts::default()
            },
            routed: 2,
            targets: vec![target("app", 2, 2)],
            ..Account::default()
        };
        let refused = Account {
            refused: 1,
            ..before_them.clone()
        };
        assert!(refused.balances() && !refused.is_complete());
        assert!(plain(&refused).ends_with("\n1 record lost\n"));
        let on_the_way = Account {
            lines: LineCounts {
                text: 3,
                ..LineCounts::default()
            },
            routed: 3,
            targets: vec![target("app", 2, 2)],
            ..Account::default()
        };
        for account in [at_a_target, before_them, on_the_way] {
            assert!(!account.balances() && !account.is_complete());
            assert!(plain(&account).contains("does not balance"));
        }
    }
}
