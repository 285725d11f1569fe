use std::path::{Path, PathBuf};

use clap::{Args, Command, FromArgMatches};
use tercet_train::End;

use crate::args;
use crate::error::Error;
use crate::output;
use crate::pretrain::{self, RunFile};

const INTRODUCTION: &str = "\
tercet pretrains, evaluates and runs Transformers on the CPU. This shows it: a small GPT-2 learns from nothing, for about
two minutes, to tell stories that a generator makes up, and is held against the least loss that any model could reach.
";

/// What runs without a command: a small pretraining run that can be watched.
///
/// # Errors
/// When the output folder cannot be written.
pub fn run() -> Result<End, Error> {
    output::line(INTRODUCTION);
    let out = free_folder();
    let settings = settings(&out);
    let outcome = pretrain::start(&settings)?;
    if outcome.end != End::Interrupted {
        tell_next(&out);
    }
    Ok(outcome.end)
}

fn settings(out: &Path) -> RunFile {
    let flags = ["", "gpt2", "--size", "mini", "--steps", "1200", "--lr", "2e-3", "--eval-every", "200"];
    let command = RunFile::augment_args(Command::new("tercet")).no_binary_name(false);
    let matches = command.get_matches_from(flags);
    let settings = RunFile::from_arg_matches(&matches).expect("the flags above are all right");
    RunFile { out: Some(out.to_owned()), ..settings }
}

/// The first of runs/stories-1, runs/stories-2, … that is not there.
fn free_folder() -> PathBuf {
    let folder = |n: u32| Path::new("runs").join(format!("stories-{n}"));
    (1..).map(folder).find(|folder| !folder.exists()).expect("the numbers have no end")
}

fn tell_next(out: &Path) {
    let (program, out) = (args::program(), out.display());
    output::line(&format!(
        "
What next?
  {program} generate --model {out} --temperature 0.8 --prompt \"The\"
  {program} inspect --model {out}
  {program} pretrain gpt2 --text YOUR.txt --out runs/mine
  {program} help"
    ));
}
