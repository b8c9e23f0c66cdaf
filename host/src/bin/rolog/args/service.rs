//! The commands that speak to a pipeline which runs in another process.

use std::path::PathBuf;

use clap::Args;

const WHERE: &str = "\
The service is found by its control socket: a path that its pipeline names with

  control: /run/shop/rolog.sock

and that only the service's own user, and root, can open.";

const STATUS: &str = "\
Says which generation of the pipeline is in force and since when, how reloads have ended, and for
each target what it is doing, what waits in its queue and what became of its records.";

const STATUS_EXAMPLES: &str = "\
Examples:
  How is the service that runs this pipeline?
    rolog status -c /etc/shop/pipeline.yaml

  How much does each target hold, for a script?
    rolog status --control /run/shop/rolog.sock --json | jq '.targets[] | {name, queued}'

Exit status: 0 when the service answered, 1 when it refused, 2 when it cannot be reached or the
command line is wrong.";

const EXIT: &str = "\
Exit status: 0 when it was done or nothing had to be, 1 when the service refused and goes on as it
was, 2 when it cannot be reached or the command line is wrong.";

/// The service that a command is about.
#[derive(Clone, Debug, Args)]
pub(crate) struct Service {
    /// The control socket of the service
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    pub(crate) control: Option<PathBuf>,

    /// The pipeline that the service runs, which names the socket
    #[arg(short, long, value_name = "PIPELINE", default_value = "pipeline.yaml")]
    pub(crate) config: PathBuf,

    /// Print the service's answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Say what a running pipeline and its targets are doing.
#[derive(Debug, Args)]
#[command(
    long_about = format!("Say what a running pipeline and its targets are doing.\n\n{STATUS}\n\n{WHERE}"),
    after_help = STATUS_EXAMPLES
)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) service: Service,
}

const LEVELS: &str = "\
Without LOGGER, lists what was set. With LOGGER and LEVEL, has that logger and its subtree, or every
logger that the pattern matches, record from LEVEL on, whatever the pipeline's file says, until it
is restored: by --restore, after the time of --for, or by the end of the process. A reload leaves it
as it is. Where records go is still for the routes to say.";

const LEVELS_EXAMPLES: &str = "\
Examples:
  See what the database layer does, for ten minutes:
    rolog levels shop.db trace --for 10m

  Back to what the file says, for one logger or for all:
    rolog levels shop.db --restore
    rolog levels --restore

Exit status: 0 when it was done, 1 when the service refused, 2 when it cannot be reached or the
command line is wrong.";

/// Show, set and restore levels of a running pipeline.
#[derive(Debug, Args)]
#[command(
    long_about = format!("Show, set and restore levels of a running pipeline.\n\n{LEVELS}\n\n{WHERE}"),
    after_help = LEVELS_EXAMPLES
)]
pub(crate) struct Levels {
    #[command(flatten)]
    pub(crate) service: Service,

    /// How long the level holds, such as 10m
    #[arg(long, value_name = "TIME", requires = "level")]
    pub(crate) r#for: Option<String>,

    /// Take back what was set, for LOGGER or for all
    #[arg(long, conflicts_with = "level")]
    pub(crate) restore: bool,

    /// The logger, or a pattern such as `shop.*.db`
    #[arg(value_name = "LOGGER")]
    pub(crate) logger: Option<String>,

    /// trace, debug, info, warning, error, critical or off
    #[arg(value_name = "LEVEL")]
    pub(crate) level: Option<String>,
}

/// List the configurations that a running pipeline has had.
#[derive(Debug, Args)]
#[command(
    long_about = format!("List the configurations that a running pipeline has had: number, since when, why, and what each did\nwith the targets. The one in force is the last.\n\n{WHERE}"),
    after_help = EXIT
)]
pub(crate) struct Generations {
    #[command(flatten)]
    pub(crate) service: Service,
}

/// Have a running pipeline read its file again.
#[derive(Debug, Args)]
#[command(
    long_about = format!("Have a running pipeline read its file again, and take over what has changed. What is wrong with the\nfile is printed, each problem at its place; the pipeline goes on as it was then.\n\n{WHERE}"),
    after_help = EXIT
)]
pub(crate) struct Reload {
    #[command(flatten)]
    pub(crate) service: Service,
}

/// Have a running pipeline go back to the configuration before.
#[derive(Debug, Args)]
#[command(
    long_about = format!("Have a running pipeline go back to the configuration before the present one. The file stays as it\nis: the next change of it is taken over as always.\n\n{WHERE}"),
    after_help = EXIT
)]
pub(crate) struct Rollback {
    #[command(flatten)]
    pub(crate) service: Service,
}

/// Have a running pipeline take up new builds of its plugins.
#[derive(Debug, Args)]
#[command(
    long_about = format!("Have a running pipeline take up new builds of its plugins: those whose files have another content by\nnow are loaded beside the old ones, and the targets get new instances.\n\n{WHERE}"),
    after_help = EXIT
)]
pub(crate) struct ReloadPlugins {
    #[command(flatten)]
    pub(crate) service: Service,
}
