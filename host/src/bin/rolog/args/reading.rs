//! How `rolog run` reads lines, by its options.

use clap::Args;
use clap::builder::PossibleValuesParser;
use rolog_host::lines::{Format, Join, LevelWord, Options, Role, Zone};

const HEADING: &str = "Reading";

/// How lines are read.
#[derive(Debug, Args)]
#[command(next_help_heading = HEADING)]
pub(crate) struct Reading {
    /// Read files on as they grow and through their rotations, all at once, until a signal
    #[arg(short = 'F', long)]
    pub(crate) follow: bool,

    /// What the lines are
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = formats())]
    format: String,

    /// Which lines of text are one record: traces, times, starts:REGEX, never
    ///
    /// What belongs to the line before it:
    /// traces        lines that are indented or go on with a stack trace
    /// times         lines that do not begin with a time
    /// starts:REGEX  lines that REGEX does not match
    /// never         none: every line is a record
    #[arg(
        long,
        value_name = "HOW",
        default_value = "traces",
        verbatim_doc_comment
    )]
    join: Join,

    /// The zone of times that do not say theirs: UTC, local, +02:00, Europe/Prague
    ///
    /// Without it, such a time is not taken for the record's.
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true)]
    zone: Option<Zone>,

    /// A key of the time, before the usual ones; as often as you like
    #[arg(long, value_name = "KEY")]
    time_key: Vec<String>,

    /// A key of the level
    #[arg(long, value_name = "KEY")]
    level_key: Vec<String>,

    /// A key of the logger's name
    #[arg(long, value_name = "KEY")]
    logger_key: Vec<String>,

    /// A key of the message
    #[arg(long, value_name = "KEY")]
    message_key: Vec<String>,

    /// A word or number and the level that it means: loud=error
    #[arg(long, value_name = "WORD=LEVEL")]
    level: Vec<LevelWord>,

    /// Do not show on the terminal how far it is
    #[arg(long)]
    pub(crate) no_progress: bool,
}

fn formats() -> PossibleValuesParser {
    PossibleValuesParser::new(Format::ALL.map(|(name, _)| name))
}

impl Reading {
    pub(crate) fn options(&self) -> Options {
        let named = Format::ALL.iter().find(|(name, _)| *name == self.format);
        let mut options = Options {
            format: named.map_or(Format::Auto, |(_, format)| *format),
            join: self.join.clone(),
            zone: self.zone.clone(),
            ..Options::default()
        };
        for (role, keys) in [
            (Role::Time, &self.time_key),
            (Role::Level, &self.level_key),
            (Role::Logger, &self.logger_key),
            (Role::Message, &self.message_key),
        ] {
            for key in keys {
                options.keys.give(role, key);
            }
        }
        for word in &self.level {
            options.levels.give(word.clone());
        }
        options
    }
}
