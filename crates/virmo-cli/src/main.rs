//! The `virmo` program: VirMO devices and servers for newcomers, testers and scripts.
//!
//! Exit code 0 when done, 1 when the work failed, 2 for wrong usage.

mod args;
mod commands;
mod failure;
mod output;
mod plan;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use args::{Cli, Command};

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Demo(args) => commands::demo::run(&args),
        Command::Device(args) => commands::device::run(&args),
        Command::Serve(args) => commands::serve::run(&args),
        Command::Convert(args) => commands::convert::run(&args),
        Command::Ddf(args) => commands::ddf::run(&args),
        Command::Tree(args) => commands::tree::run(&args),
        Command::Params(args) => commands::params::run(&args),
        Command::Notify(rest) => Err(rest.not_built("notify")),
        Command::Bootstrap(rest) => Err(rest.not_built("bootstrap")),
        Command::Conformance(rest) => Err(rest.not_built("conformance")),
        Command::Load(rest) => Err(rest.not_built("load")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                drop(writeln!(io::stderr(), "virmo: {message}"));
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
