//! What the command line says, and the help that teaches it.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};
use rolog_plugin::settings::{Span, UnitError};

mod explain;
mod reading;
mod service;

pub(crate) use explain::Explain;
pub(crate) use reading::Reading;
pub(crate) use service::{Generations, Levels, Reload, ReloadPlugins, Rollback, Service, Status};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  Send what a service prints through a pipeline:
    my-service 2>&1 | rolog run -c pipeline.yaml

  See whether a pipeline would work, its plugins and their settings included:
    rolog check -c pipeline.yaml

  See what a change of it would do to the service that runs it:
    rolog plan pipeline.yaml pipeline.new.yaml

  See how the service is that runs it:
    rolog status -c pipeline.yaml

Exit status: 0 when all is well, 1 when a record was lost or a plugin cannot be used, 2 when the
pipeline or the command line is wrong.";

/// Sends log records through a pipeline of plugins, and accounts for every one.
#[derive(Debug, Parser)]
#[command(name = "rolog", version, styles = STYLES, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Run),
    Check(Check),
    Plan(Plan),
    Explain(Explain),
    Replay(Replay),
    Plugins(Plugins),
    Status(Status),
    Levels(Levels),
    Generations(Generations),
    Reload(Reload),
    Rollback(Rollback),
    ReloadPlugins(ReloadPlugins),
}

const RUN: &str = "\
What each line is, is found out (or told by --format):

  JSON     an object gives its parts by their usual names, see below; every other key is a field
  logfmt   pairs like level=info msg=ready, read as JSON's are
  syslog   RFC 5424 and RFC 3164, and the forms of syslog files: the tag names the logger
  text     anything else; the line is the message, its head may tell the time and the level

  time     ts, time, timestamp, @timestamp: RFC 3339 and its variants, an access log's, or an
           epoch in s, ms, µs or ns
  level    level, severity, lvl, error_severity, log.level: a word, or a number as syslog,
           pino and bunyan write it
  logger   logger, name, target, channel, log.logger; without one `stdin` or the file's name
  message  msg, message, event

Lines of text that belong together, as a stack trace does, are one record (--join). What is
compressed with gzip or zstd is unpacked. No line is lost: what cannot be read is kept as text,
counted, and named in the account.

Reading waits while a target's queue is full, so that nothing which was read is dropped for want of
room. SIGINT (Ctrl-C) and SIGTERM end the reading; what was read is still delivered. A second one
ends the program at once.

The pipeline can be changed while it runs: edit the file, and what has changed is taken over,
without a line lost or doubled. A file with an error changes nothing; the error is told with its
place. SIGHUP has the file read again, whether it is watched or not.

At the end standard error tells what became of every record, by target:

  target  routed  delivered  fell back  dead-lettered  lost
  app         12         12          0              0     0";

const RUN_EXAMPLES: &str = "\
Examples:
  Format a service's JSON lines for people (the built-in pipeline):
    my-service | rolog run

  Load yesterday's logs into the targets of a pipeline:
    rolog run -c pipeline.yaml app.log app.log.1

  Send what a server writes, through the rotations of its log:
    rolog run -c pipeline.yaml --follow --zone local /var/log/nginx/error.log

  Give a target that is down two minutes to come back at the end:
    my-service | rolog run -c pipeline.yaml --deadline 2m

Exit status: 0 when nothing was lost, 1 when something was, or a file could not be read to its end,
2 when the pipeline or the command line is wrong.";

/// Send log lines through a pipeline, and account for every one.
#[derive(Debug, Args)]
#[command(long_about = format!("Send log lines through a pipeline, and account for every one.\n\n{RUN}"), after_help = RUN_EXAMPLES)]
pub(crate) struct Run {
    /// The pipeline: where records go, and how
    ///
    /// Without it, the built-in pipeline shows every record on standard output.
    #[arg(short, long, value_name = "PIPELINE")]
    pub(crate) config: Option<PathBuf>,

    /// How long the targets get at the end to deliver what they still hold
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub(crate) deadline: Duration,

    /// Do not take changes of the pipeline over as they happen, but only on SIGHUP
    #[arg(long)]
    pub(crate) no_watch: bool,

    /// Print the account only when something was lost
    #[arg(short, long)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) reading: Reading,

    /// What to read, in this order; `-`, or no file at all, is standard input
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

const CHECK: &str = "\
Reads the file, loads every plugin that it names, has each of them check its own settings, and
prints everything that is wrong, each as

  pipeline.yaml:9:7: targets.app.flush.max_sise: unknown key; did you mean `max_size`?

No target is created, and nothing is connected to or written.";

/// Say what is wrong with a pipeline, before anything runs it.
#[derive(Debug, Args)]
#[command(
    long_about = format!("Say what is wrong with a pipeline, before anything runs it.\n\n{CHECK}"),
    after_help = "Exit status: 0 when the pipeline can run, 2 when something is wrong."
)]
pub(crate) struct Check {
    /// The pipeline to check
    #[arg(short, long, value_name = "PIPELINE", default_value = "pipeline.yaml")]
    pub(crate) config: PathBuf,

    /// Say which keys and patterns it hides as well
    #[arg(long)]
    pub(crate) redacted: bool,
}

const PLAN: &str = "\
Reads both files, and says what a service that runs OLD would do when NEW takes its place: for each
target that changes what happens to it, and below it the settings that make it so.

  started    is new: it is made before anything changes
  retuned    has other settings of its queue or its batches: its instance and its queue stay
  replaced   has other settings of its plugin: a new instance takes over the queue
  drained    is no longer named: it delivers what it has, then it ends
  refused    cannot change while the pipeline runs: the service would go on with OLD

With --control it is a running service that is asked what a reload of its file would do now.

Whatever is not named is kept as it is, with its connections. NEW is read as if it lay where OLD
lies, so that relative paths mean the same. What came from ${NAME} or ${file:path} into the settings
of a plugin is shown as ***. No plugin is loaded, and nothing is connected to or written; whether
the plugins accept their settings is for `rolog check` to say.";

const PLAN_EXAMPLES: &str = "\
Examples:
  What does the change on my disk do to the pipeline that runs?
    git show HEAD:pipeline.yaml > old.yaml && rolog plan old.yaml pipeline.yaml

  Ask for a second pair of eyes when a change touches a target:
    rolog plan --exit-code deployed.yaml pipeline.yaml || ask-for-review

Exit status: 0 when a reload would take NEW over, 1 when it would refuse to, 2 when a file or the
command line is wrong. With --exit-code, 0 only when nothing changes, and 1 otherwise, as with git
diff.";

/// Say what a change of the pipeline would do, without doing it.
#[derive(Debug, Args)]
#[command(long_about = format!("Say what a change of the pipeline would do, without doing it.\n\n{PLAN}"), after_help = PLAN_EXAMPLES)]
pub(crate) struct Plan {
    /// Exit with 1 when anything changes
    #[arg(long)]
    pub(crate) exit_code: bool,

    /// Ask the service with this control socket, instead of comparing two files
    #[arg(long, value_name = "PATH", conflicts_with_all = ["old", "new"])]
    pub(crate) control: Option<PathBuf>,

    /// The pipeline that runs
    #[arg(value_name = "OLD", required_unless_present = "control")]
    pub(crate) old: Option<PathBuf>,

    /// The pipeline that is to take its place
    #[arg(value_name = "NEW", required_unless_present = "control")]
    pub(crate) new: Option<PathBuf>,
}

const REPLAY: &str = "\
Sends the records of a dead-letter file again, each to the target that it was once routed to, under
its own id, with the retries and fallbacks that the pipeline gives it. What was delivered is taken
out of the file, and a file with nothing left in it goes; what was not stays. A record that may have
arrived before is marked `maybe_written` in the file; its id tells the destination.

A file that a running service writes to is refused; the files that it has closed (FILE.1, FILE.2, …)
are not. With --control the service itself sends them, through the targets that it has. Without, no
dead letters are written and no metrics served meanwhile, whatever the pipeline says.";

const REPLAY_EXAMPLES: &str = "\
Examples:
  The log server is back:
    rolog replay -c pipeline.yaml logs/dead.jsonl.1

  Have the service that runs send them:
    rolog replay --control /run/shop/rolog.sock logs/dead.jsonl.1

  Its successor has another name:
    rolog replay -c pipeline.yaml --to archive logs/dead.jsonl.1

Exit status: 0 when nothing is left in FILE, 1 when something is, 2 when the pipeline, the file or
the command line is wrong.";

/// Send dead letters again, and take out what was delivered.
#[derive(Clone, Debug, Args)]
#[command(long_about = format!("Send dead letters again, and take out what was delivered.\n\n{REPLAY}"), after_help = REPLAY_EXAMPLES)]
pub(crate) struct Replay {
    /// The pipeline that has the targets
    #[arg(short, long, value_name = "PIPELINE", default_value = "pipeline.yaml")]
    pub(crate) config: PathBuf,

    /// Have the service with this control socket do it, instead of a pipeline of its own
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    pub(crate) control: Option<PathBuf>,

    /// Send every record to this target, whichever it was routed to
    #[arg(long, value_name = "TARGET")]
    pub(crate) to: Option<String>,

    /// How long it may take in all
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub(crate) deadline: Duration,

    /// The dead letters
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

const PLUGINS: &str = "\
Looks into the folders that a pipeline would search, in their order, and lists for each library
there its name, version and ABI, or in one sentence why it cannot be used. A library that is
refused has run no code.

With --control it lists those that a running service has loaded: their versions, which of its
targets use them, and what they cost.";

/// List the plugins that a pipeline would find.
#[derive(Debug, Args)]
#[command(
    long_about = format!("List the plugins that a pipeline would find.\n\n{PLUGINS}"),
    after_help = "Exit status: 0 when every library found can be used, 1 when one cannot, 2 when the\npipeline or the command line is wrong."
)]
pub(crate) struct Plugins {
    /// The pipeline whose search folders to look into
    ///
    /// Without it, those of the built-in pipeline.
    #[arg(short, long, value_name = "PIPELINE", conflicts_with = "folders")]
    pub(crate) config: Option<PathBuf>,

    /// Ask the service with this control socket what it has loaded
    #[arg(long, value_name = "PATH", conflicts_with_all = ["config", "folders"])]
    pub(crate) control: Option<PathBuf>,

    /// Folders to look into instead
    #[arg(value_name = "FOLDER")]
    pub(crate) folders: Vec<PathBuf>,
}

/// A time as the pipeline file writes it.
fn time(text: &str) -> Result<Duration, UnitError> {
    text.parse::<Span>().map(|span| span.0)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_written_as_in_the_pipeline() {
        let cli = Cli::parse_from(["rolog", "run", "--deadline", "1m30s", "-q", "a", "-"]);
        let Command::Run(run) = cli.command else {
            panic!("run")
        };
        assert_eq!(run.deadline, Duration::from_secs(90));
        assert!(run.quiet && run.config.is_none() && run.files.len() == 2);
        let cli = Cli::parse_from([
            "rolog",
            "run",
            "-F",
            "--zone",
            "+01:00",
            "--join",
            "never",
            "--message-key",
            "what",
            "--level",
            "loud=error",
            "--format",
            "syslog",
            "x",
        ]);
        let Command::Run(run) = cli.command else {
            panic!("run")
        };
        let options = run.reading.options();
        assert!(run.reading.follow && options.zone.is_some());
        assert_eq!(options.format, rolog_host::lines::Format::Syslog);
        for wrong in ["30", "soon", "-1s", ""] {
            let error = Cli::try_parse_from(["rolog", "run", "--deadline", wrong]).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{wrong}");
        }
    }
}
