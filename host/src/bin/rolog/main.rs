//! The `rolog` command. What it does is in the library; here is what it says and is told.

#![forbid(unsafe_code)]

mod args;
mod check;
mod explain;
mod levels;
mod pipeline;
mod plan;
mod plugins;
mod print;
mod replay;
mod run;
mod service;
mod show;
#[cfg(unix)]
mod signals;

use std::process::ExitCode;

use args::{Cli, Command};
use clap::Parser;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            // Help and versions that were asked for come this way, too.
            drop(told.print());
            return ExitCode::from(if told.use_stderr() { 2 } else { 0 });
        }
    };
    match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::check(args),
        Command::Plan(args) => plan::plan(args),
        Command::Explain(args) => explain::explain(args),
        Command::Replay(args) => replay::replay(args),
        Command::Plugins(args) => plugins::plugins(args),
        Command::Status(args) => service::ask(&args.service, "status", show::status),
        Command::Levels(args) => levels::levels(args),
        Command::Generations(args) => service::ask(&args.service, "generations", show::generations),
        Command::Reload(args) => service::ask(&args.service, "reload", show::change),
        Command::Rollback(args) => service::ask(&args.service, "rollback", show::change),
        Command::ReloadPlugins(args) => service::ask(&args.service, "reload_plugins", show::change),
    }
}
