//! The `studytime` program: it parses the command line, asks a node, prints.
//!
//! - [`args`]: what can be typed;
//! - [`context`]: which node a command talks to: the one that runs on the data
//!   directory, or one for this command;
//! - [`commands`]: one file for each noun;
//! - [`render`]: the only printer;
//! - [`failure`]: errors, exit codes.

mod args;
mod commands;
mod context;
mod data_dir;
mod failure;
mod interrupt;
mod render;

use args::{Cli, Global};
use clap::Parser as _;
use failure::Failure;
use std::process::ExitCode;
use std::time::Duration;
use studytime_node::api::{ApiError, ErrorKind};
use tracing_subscriber::EnvFilter;

/// Blocking work (SQLite, files, the index) at a time.
const BLOCKING_THREADS: usize = 16;
/// How long blocking work may go on after the command is done.
const LAST_WORK: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    start_log(&cli.global);
    let json = cli.global.json;
    let result = match runtime() {
        Ok(runtime) => {
            let result = runtime.block_on(commands::run(cli));
            runtime.shutdown_timeout(LAST_WORK);
            result
        }
        Err(error) => {
            Err(ApiError::failed("the program could not start its threads", &error).into())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Failure::Error(error) = &failure {
                render::print_error(json, error);
            }
            failure.exit_code()
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
}

/// Help and version, or what is wrong with the command line.
fn not_understood(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && std::env::args_os().any(|a| a == "--json") {
        let text = error.render().to_string();
        let (message, hint) = text.split_once("\n\n").unwrap_or((&text, ""));
        let error = ApiError {
            kind: ErrorKind::Usage,
            message: message.trim_start_matches("error: ").trim().to_owned(),
            hint: Some(hint.trim().to_owned()).filter(|h| !h.is_empty()),
        };
        render::print_error(true, &error);
    } else {
        // Nothing can be said when the terminal is gone.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn start_log(global: &Global) {
    let ours = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "info",
        (_, 2) => "debug",
        _ => "trace",
    };
    let names = [
        "studytime",
        "studytime_node",
        "studytime_web",
        "studytime_import",
        "studytime_index",
        "studytime_replicate",
    ];
    let names = names.map(|n| format!("{n}={ours}")).join(",");
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("error,{names}")));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(console::colors_enabled_stderr())
        .init();
}
