//! `rolog explain`.

use std::path::PathBuf;

use clap::Args;
use rolog_core::Level;
use rolog_core::frame::RecordId;

const EXPLAIN: &str = "\
Follows a record of this logger and level: the rule that decides from which level on the logger
records, each route in its order, and the targets that it comes to. Each with its place in the file.

With --control a running service is asked, which adds levels that were set at run time, its own
targets, and what each target is doing.

With --record a running service says what it knows of one record: in which target's queue it is, or
how and when it was lost. A record that has been delivered is not known any more; nor is one that was
lost longer ago than `explain.drops` has the targets remember.";

const EXAMPLES: &str = "\
Examples:
  Why is there no debug line of shop.db?
    rolog explain shop.db debug

  And in the service that runs?
    rolog explain shop.db debug --control /run/shop/rolog.sock

  What became of this record?
    rolog explain --record 1fb1…-0000000000000007 --control /run/shop/rolog.sock

Exit status: 0 when such a record goes to a target or the record is known, 1 when not, 2 when the pipeline or the
command line is wrong, or the service cannot be reached.";

/// Say where the records of a logger go, and why.
#[derive(Debug, Args)]
#[command(
    long_about = format!("Say where the records of a logger go, and why.\n\n{EXPLAIN}"),
    after_help = EXAMPLES
)]
pub(crate) struct Explain {
    /// The logger, such as `shop.db`
    #[arg(required_unless_present = "record", requires = "level")]
    pub(crate) logger: Option<String>,

    /// The level: trace, debug, info, warning, error or critical
    pub(crate) level: Option<Level>,

    /// A record, by its id: where it is, or how and when it was lost
    #[arg(long, value_name = "ID", requires = "control", conflicts_with_all = ["logger", "level"])]
    pub(crate) record: Option<RecordId>,

    /// The pipeline
    #[arg(short, long, value_name = "PIPELINE", default_value = "pipeline.yaml")]
    pub(crate) config: PathBuf,

    /// The control socket of a running service, which is asked instead
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    pub(crate) control: Option<PathBuf>,
}
