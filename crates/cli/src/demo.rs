use std::path::{Path, PathBuf};

use clap::{Args, Command, FromArgMatches};
use tercet_gpt2::{Config, Preset};
use tercet_tensor::Precision;
use tercet_train::End;

use crate::arch::{Shape, StepSize};
use crate::error::Error;
use crate::pretrain::{self, Gpt2, Settings};
use crate::random_steps::median;
use crate::{args, machine, output};

const INTRODUCTION: &str = "\
tercet pretrains, evaluates and runs Transformers on CPUs. To show it, a small GPT-2 now learns to tell stories that are
generated here; as their exact information is known, so is the least loss that any model could reach: the floor.
";

/// Time for the optimiser steps; with preparation and evaluations it comes to about two minutes.
const SECONDS: f64 = 105.0;
/// The number of steps is a multiple of this, so that a repeated run most likely takes the same.
const GRAIN: u64 = 200;
const MOST_STEPS: u64 = 4000;

/// What runs without a command: a small pretraining run to be watched.
///
/// # Errors
/// When the output folder cannot be written.
pub fn run() -> Result<End, Error> {
    output::line(INTRODUCTION);
    machine::start_threads(0)?;
    let out = free_folder();
    let mut settings = settings(&out);
    settings.training.steps = affordable_steps(&settings);
    let outcome = pretrain::start(&settings, None)?;
    if outcome.end != End::Interrupted {
        tell_next(&out);
    }
    Ok(outcome.end)
}

fn settings(out: &Path) -> Settings<Gpt2> {
    let flags = ["gpt2", "--size", "mini", "--seq", "128", "--batch", "8", "--lr", "2e-3"];
    let command = pretrain::with_defaults_of::<Gpt2>(Settings::<Gpt2>::augment_args(Command::new("gpt2")));
    let matches = command.get_matches_from(flags);
    let mut settings = Settings::from_arg_matches(&matches).expect("the flags above are all right");
    settings.output.out = Some(out.to_owned());
    settings
}

/// As many steps as this machine takes in the time, found by taking some.
fn affordable_steps(settings: &Settings<Gpt2>) -> u64 {
    let (vocab_size, n_positions) = (settings.data.vocab_size(), settings.own.seq);
    let config = Config { vocab_size, n_positions, ..Preset::Mini.config() }.without_dropout();
    let size = StepSize { batch: settings.training.batch, seq: n_positions, target: 0 };
    let mut steps = config.random_steps(size, Precision::F32);
    let mut seconds: Vec<f64> = (0..8).map(|_| steps.step().1).skip(2).collect();
    let affordable = SECONDS / median(&mut seconds);
    ((affordable / GRAIN as f64).round() as u64 * GRAIN).clamp(GRAIN, MOST_STEPS)
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
next    {program} generate --model {out} --temperature 0.8 --prompt \"One morning\"
        {program} inspect --model {out}
        {program} pretrain gpt2 --text YOUR.txt --out runs/yours
        {program} help"
    ));
}
