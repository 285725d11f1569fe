#![doc = include_str!("../README.md")]

mod arch;
mod args;
mod bench;
mod demo;
mod embed;
mod encoder;
mod error;
mod eval;
mod file;
mod fill_mask;
mod generate;
mod inspect;
mod lm_batch;
mod machine;
mod model;
mod next_sentence;
mod npy;
mod output;
mod pretrain;
mod profile;
mod random_steps;
mod sample;
mod text_to_text;
mod texts;
mod tokenizer;

use std::io;
use std::process::ExitCode;

use clap::FromArgMatches;
use tercet_train::End;

use args::{Cli, Command};
use error::Error;

/// What a shell expects of a program that was stopped by Ctrl-C.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    match run() {
        Ok(End::Interrupted) => ExitCode::from(INTERRUPTED),
        Ok(_) => ExitCode::SUCCESS,
        // The reader has seen enough.
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<End, Error> {
    let arguments = pretrain::with_architecture(std::env::args_os().collect())?;
    let flags = args::command().get_matches_from(arguments);
    let cli = Cli::from_arg_matches(&flags).unwrap_or_else(|error| error.exit());
    let Some(command) = cli.command else { return demo::run() };
    match command {
        Command::Pretrain(command) => {
            let (_, flags) = flags.subcommand().expect("the command that was parsed");
            return pretrain::run(command, flags);
        }
        Command::Generate(args) => generate::run(&args),
        Command::Embed(args) => embed::run(&args),
        Command::FillMask(args) => fill_mask::run(&args),
        Command::NextSentence(args) => next_sentence::run(&args),
        Command::Eval(eval) => eval::run(&eval),
        Command::Tokenizer(command) => tokenizer::run(&command),
        Command::Inspect(args) => inspect::run(&args),
        Command::Bench(bench) => bench::run(bench),
    }
    .map(|()| End::Finished)
}
