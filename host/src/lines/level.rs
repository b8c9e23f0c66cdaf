//! What other loggers call their levels.

use rolog_core::Level;

use super::options::LevelWord;

/// Words that mean levels, beside the usual ones and before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Vec<LevelWord>);

impl Words {
    /// One more word, or number.
    pub fn give(&mut self, word: LevelWord) {
        self.0.push(word);
    }

    /// The level that a word or a number in text means.
    pub(super) fn word(&self, text: &str) -> Option<Level> {
        self.given(text).or_else(|| word(text))
    }

    /// The level that a number means.
    pub(super) fn number(&self, code: u64) -> Option<Level> {
        if self.0.is_empty() {
            return number(code);
        }
        self.given(&code.to_string()).or_else(|| number(code))
    }

    fn given(&self, text: &str) -> Option<Level> {
        let text = text.trim_ascii();
        let mut words = self.0.iter();
        words
            .find(|given| given.word.eq_ignore_ascii_case(text))
            .map(|given| given.level)
    }
}

/// The level that a word names, in any case and with spaces around it, or that a number in text
/// means.
///
/// | level | words |
/// |---|---|
/// | critical | `critical`, `crit`, `fatal`, `panic`, `dpanic`, `alert`, `emerg`, `emergency` |
/// | error | `error`, `err`, `severe` |
/// | warning | `warning`, `warn` |
/// | info | `info`, `information`, `informational`, `notice`, `log` (PostgreSQL's) |
/// | debug | `debug`, `debug1` to `debug5` (PostgreSQL's), `verbose`, `fine` |
/// | trace | `trace`, `finer`, `finest` |
pub(super) fn word(text: &str) -> Option<Level> {
    let text = text.trim_ascii();
    let mut lower = [0; 13];
    let lower = lower.get_mut(..text.len())?;
    lower.copy_from_slice(text.as_bytes());
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"critical" | b"crit" | b"fatal" | b"panic" | b"dpanic" | b"alert" | b"emerg"
        | b"emergency" => Level::Critical,
        b"error" | b"err" | b"severe" => Level::Error,
        b"warning" | b"warn" => Level::Warning,
        b"info" | b"information" | b"informational" | b"notice" | b"log" => Level::Information,
        b"debug" | b"debug1" | b"debug2" | b"debug3" | b"debug4" | b"debug5" | b"verbose"
        | b"fine" => Level::Debug,
        b"trace" | b"finer" | b"finest" => Level::Trace,
        digits => return number(std::str::from_utf8(digits).ok()?.parse().ok()?),
    })
}

/// The level that a number means: syslog's severities from 0 (the most severe) to 7, and the
/// numbers of pino and bunyan from 10 (trace) in steps of ten to 60 (fatal), where a number between
/// two of them counts as the lower one.
///
/// Python's numbers start at 10 too, but mean one level more; its formatters write words.
pub(super) fn number(number: u64) -> Option<Level> {
    Some(match number {
        0..=2 | 60..=69 => Level::Critical,
        3 | 50..=59 => Level::Error,
        4 | 40..=49 => Level::Warning,
        5 | 6 | 30..=39 => Level::Information,
        7 | 20..=29 => Level::Debug,
        10..=19 => Level::Trace,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_syslog_postgresql_python_and_java_are_read_in_any_case() {
        use Level::{Critical, Debug, Error, Information, Trace, Warning};
        for (words, level) in [
            (
                "emerg Emergency ALERT crit CRITICAL FATAL PANIC dpanic",
                Critical,
            ),
            ("err Error ERROR SEVERE", Error),
            ("warn WARNING", Warning),
            (
                "info INFO Information Informational notice LOG",
                Information,
            ),
            ("debug DEBUG1 DEBUG5 verbose FINE", Debug),
            ("trace TRACE FINEST", Trace),
        ] {
            for text in words.split(' ') {
                assert_eq!(word(text), Some(level), "{text}");
                assert_eq!(word(&format!("  {text}\t")[1..]), Some(level), "{text}");
            }
        }
        for text in [
            "",
            "loud",
            "information technology",
            "débug",
            "debug6",
            "-1",
            "3.5",
        ] {
            assert_eq!(word(text), None, "{text}");
        }
    }

    #[test]
    fn a_given_word_or_number_is_preferred() {
        let mut words = Words::default();
        words.give("loud=error".parse().unwrap());
        words.give("10=debug".parse().unwrap());
        assert_eq!(words.word(" LOUD "), Some(Level::Error));
        assert_eq!(words.number(10), Some(Level::Debug));
        assert_eq!(words.word("10"), Some(Level::Debug));
        assert_eq!(words.word("warn"), Some(Level::Warning));
        assert_eq!(words.number(50), Some(Level::Error));
        assert_eq!(words.word("quiet"), None);
    }

    #[test]
    fn numbers_are_syslogs_below_8_and_pinos_from_10() {
        use Level::{Critical, Debug, Error, Information, Trace, Warning};
        let syslog = [
            Critical,
            Critical,
            Critical,
            Error,
            Warning,
            Information,
            Information,
            Debug,
        ];
        for (severity, level) in syslog.into_iter().enumerate() {
            assert_eq!(number(severity as u64), Some(level));
        }
        for (code, level) in [
            (10, Trace),
            (20, Debug),
            (30, Information),
            (35, Information),
            (40, Warning),
            (50, Error),
            (60, Critical),
        ] {
            assert_eq!(number(code), Some(level));
            assert_eq!(word(&code.to_string()), Some(level));
        }
        for code in [8, 9, 70, 100, u64::MAX] {
            assert_eq!(number(code), None);
        }
    }
}
