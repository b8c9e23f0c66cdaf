//! `rolog explain`.

use std::path::PathBuf;

use clap::Args;
use rolog_core::Level;

const EXPLAIN: &str = "\
Follows a record of this logger and level: the rule that decides from which level on the logger
records, each route in its order, and the targets that it comes to. Each with its place in the file.

With --control a running service is asked, which adds levels that were set at run time, its own
targets, and what each target is doing.";

const EXAMPLES: &str = "\
Examples:
  Why is there no debug line of shop.db?
    rolog explain shop.db debug

  And in the service that runs?
    rolog explain shop.db debug --control /run/shop/rolog.sock

Exit status: 0 when such a record goes to a target, 1 when it goes nowhere, 2 when the pipeline or the
command line is wrong, or the service cannot be reached.";

/// Say where the records of a logger go, and why.
#[derive(Debug, Args)]
#[command(
    long_about = format!("Say where the records of a logger go, and why.\n\n{EXPLAIN}"),
    after_help = EXAMPLES
)]
pub(crate) struct Explain {
    /// The logger, such as `shop.db`
    pub(crate) logger: String,

    /// The level: trace, debug, info, warning, error or critical
    pub(crate) level: Level,

    /// The pipeline
    #[arg(short, long, value_name = "PIPELINE", default_value = "pipeline.yaml")]
    pub(crate) config: PathBuf,

    /// The control socket of a running service, which is asked instead
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    pub(crate) control: Option<PathBuf>,
}
