mod bert;
mod gpt2;
mod progress;
mod recipe;
mod run;
mod run_file;
mod settings;
mod source;
mod t5;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Subcommand};
use tercet_tokenizer::Tokenizer;
use tercet_train::{End, Outcome, RunFolder};

pub use bert::Bert;
pub use gpt2::{Gpt2, Level};
pub use recipe::Recipe;
pub use run_file::with_architecture;
pub use settings::{Settings, document_split, with_defaults_of};
pub use t5::T5;

use crate::error::Error;
use crate::machine;
use crate::profile::Profile;
use run::Begin;

/// Which architecture to pretrain.
#[derive(Debug, Subcommand)]
pub enum Pretrain {
    /// A language model, the decoder of Radford et al. 2019
    Gpt2(Box<Args<Gpt2>>),
    /// An encoder, on hidden words and on whether sentences follow each other (Devlin et al. 2019)
    Bert(Box<Args<Bert>>),
    /// A text-to-text model, the encoder-decoder of Raffel et al. 2020
    T5(Box<Args<T5>>),
}

/// The names of the architectures that can be pretrained.
const ARCHITECTURES: &[&str] = &[Gpt2::ARCH.name(), Bert::ARCH.name(), T5::ARCH.name()];

/// Flags of `pretrain ARCH`.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args<R: Recipe> {
    /// Take the settings from this run file; flags override it
    #[arg(long, value_name = "FILE")]
    run: Option<PathBuf>,
    /// Go on with the run in this folder [without a folder: that of --out]
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    resume: Option<Option<PathBuf>>,
    /// Show where the time of ten steps goes, after two that wake the cores, and write their events to FILE as a Chrome
    /// trace
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings<R>,
}

/// The file in a run's folder that repeats it.
const RUN_FILE: &str = "run.toml";
/// The folder in a run's folder with its tokenizer.
const TOKENIZER: &str = "tokenizer";

/// The command `pretrain` with the defaults of each architecture.
pub fn with_defaults(command: clap::Command) -> clap::Command {
    command
        .mut_subcommand(Gpt2::ARCH.name(), with_defaults_of::<Gpt2>)
        .mut_subcommand(T5::ARCH.name(), with_defaults_of::<T5>)
        .mut_subcommand(Bert::ARCH.name(), with_defaults_of::<Bert>)
}

/// Runs the command; `flags` tell which settings were given.
///
/// # Errors
/// When a setting, the text or the disk does not allow to train.
pub fn run(command: Pretrain, flags: &ArgMatches) -> Result<End, Error> {
    let (_, flags) = flags.subcommand().expect("the architecture that was parsed");
    let outcome = match command {
        Pretrain::Gpt2(args) => start_or_resume(*args, flags),
        Pretrain::T5(args) => start_or_resume(*args, flags),
        Pretrain::Bert(args) => start_or_resume(*args, flags),
    };
    Ok(outcome?.end)
}

fn start_or_resume<R: Recipe>(args: Args<R>, flags: &ArgMatches) -> Result<Outcome, Error> {
    let Args { run, resume, profile, mut settings } = args;
    let profile = profile.as_deref().map(Profile::new).transpose()?;
    if let Some(path) = &run {
        settings = settings.overlaid(flags, path)?;
    }
    let Some(folder) = resume else {
        machine::start_threads(settings.training.threads)?;
        return start(&settings, profile);
    };
    let begin = resumed(folder.unwrap_or_else(|| settings.out()))?;
    let path = begin.folder().path().to_owned();
    if run.is_none() {
        settings = settings.overlaid(flags, &path.join(RUN_FILE))?;
    }
    settings.output.out = Some(path.clone());
    settings.validate()?;
    machine::start_threads(settings.training.threads)?;
    let tokenizer = path.join(TOKENIZER);
    let tokenizer = tokenizer.is_dir().then(|| Tokenizer::open(tokenizer)).transpose()?;
    run::train(&R::prepare(&settings, tokenizer)?, &settings, begin, profile)
}

/// Begins a run in a folder that holds none.
///
/// # Errors
/// When a setting, the text or the disk does not allow it; a folder made for it is taken away if nothing is in it yet.
pub fn start<R: Recipe>(settings: &Settings<R>, profile: Option<Profile>) -> Result<Outcome, Error> {
    settings.validate()?;
    let out = settings.out();
    let was_there = out.exists();
    let folder = RunFolder::create(&out)?;
    let task = R::prepare(settings, None).inspect_err(|_| {
        if !was_there {
            // Nothing but the lock is in it; a folder with more stays.
            let _ = fs::remove_file(out.join(".lock")).and_then(|()| fs::remove_dir(&out));
        }
    })?;
    run::train(&task, settings, Begin::New(folder), profile)
}

/// A run's folder, or one of its checkpoints, to go on from.
fn resumed(path: PathBuf) -> Result<Begin, Error> {
    Ok(match run_of_checkpoint(&path) {
        Some(run) => Begin::At(RunFolder::open(run)?, path),
        None => Begin::Latest(RunFolder::open(path)?),
    })
}

/// The run that a folder is a checkpoint of.
fn run_of_checkpoint(path: &Path) -> Option<&Path> {
    path.parent().and_then(Path::parent).filter(|_| path.join("manifest.json").is_file())
}
