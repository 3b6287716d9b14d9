//! The `virmo` program: VirMO devices and servers for newcomers, testers and scripts.
//!
//! Exit code 0 when done, 1 when the work failed, 2 for wrong usage, 128 and its number after a signal.

mod args;
mod auth;
mod commands;
mod failure;
mod fault;
mod interrupt;
mod links;
mod listen;
mod output;
mod plan;
mod steps;
mod terminal;
#[cfg_attr(feature = "tls", path = "tls.rs")]
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
mod told;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use args::{Cli, Command};
use failure::Failure;
use output::{Event, Output, printable};

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let json = command.is_json();
    let done = match command {
        Command::Demo(args) => commands::demo::run(&args),
        Command::Device(args) => commands::device::run(&args),
        Command::Serve(args) => commands::serve::run(&args),
        Command::Convert(args) => commands::convert::run(&args),
        Command::Ddf(args) => commands::ddf::run(&args),
        Command::Tree(args) => commands::tree::run(&args),
        Command::Unlock(args) => commands::unlock::run(&args),
        Command::Params(args) => commands::params::run(&args),
        Command::Notify(args) => commands::notify::run(&args),
        Command::Bootstrap(args) => commands::bootstrap::run(&args),
        Command::Uve(args::Uve::Demo(args)) => commands::uve::run(&args),
        Command::Conformance(args) => commands::conformance::run(args),
        Command::Load(args) => commands::load::run(&args),
    };
    let Err(failure) = done else {
        return ExitCode::SUCCESS;
    };
    if let (true, Failure::Work(message)) = (json, &failure) {
        let message = message.clone();
        Output::new(true).event(&Event::Error { message });
    }
    if let Some(message) = failure.message() {
        drop(writeln!(io::stderr(), "virmo: {}", printable(message)));
    }
    ExitCode::from(failure.exit_code())
}
