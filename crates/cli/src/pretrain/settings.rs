use std::path::{Path, PathBuf};

use clap::{Args, Command};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tercet_data::DocumentSplit;
use tercet_train::{Rule, TrainConfig};

use super::recipe::Recipe;
use crate::args::PrecisionArg;
use crate::error::Error;

/// Every setting of a pretraining run. Each is a flag, and a line of the same name in a run file; what is here and in
/// the architecture's [`Recipe`] alone decides both.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[serde(bound(serialize = "R: Serialize", deserialize = "R: DeserializeOwned"))]
pub struct Settings<R: Args> {
    #[command(flatten)]
    #[serde(flatten)]
    pub data: Data,
    #[command(flatten)]
    #[serde(flatten)]
    pub model: Model,
    #[command(flatten)]
    #[serde(flatten)]
    pub own: R,
    #[command(flatten)]
    #[serde(flatten)]
    pub training: Training,
    #[command(flatten)]
    #[serde(flatten)]
    pub output: Output,
}

/// The text.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Data")]
#[serde(rename_all = "kebab-case")]
pub struct Data {
    /// Text: files, folders or patterns, plain or JSON lines, also .gz and .zst; or one token store (.ids). Without it,
    /// generated stories
    #[arg(long, num_args = 1.., value_name = "PATH")]
    #[serde(default)]
    pub text: Vec<PathBuf>,
    /// Text to hold out, in place of a part of the training text
    #[arg(long, num_args = 1.., value_name = "PATH")]
    #[serde(default)]
    pub held_out_text: Vec<PathBuf>,
    /// Share of the training text to hold out
    #[arg(long, default_value_t = 0.05, value_name = "SHARE")]
    pub held_out: f64,
    /// Tokens of the held-out text that an evaluation reads; 0 for all
    #[arg(long, default_value_t = 32768, value_name = "TOKENS")]
    pub eval_tokens: usize,
    /// What a document is in plain text: file, lines, blank-lines, headings (`= Title =`), or the line that stands
    /// between two
    #[arg(long, default_value = "file", value_name = "HOW")]
    pub documents: String,
    /// Stories to generate where no text is given
    #[arg(long, default_value_t = 20000, value_name = "COUNT")]
    pub stories: u64,
    /// Tokenizer: a folder or tokenizer.json. Without it, one is trained on the text
    #[arg(long, value_name = "PATH")]
    pub tokenizer: Option<PathBuf>,
    /// Entries of a trained vocabulary [default: 8192, for stories 2048]
    #[arg(long, value_name = "SIZE")]
    pub vocab_size: Option<usize>,
    /// Where token stores and trained tokenizers are kept for later runs [default: tercet-cache beside --out]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

/// The model.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Model")]
#[serde(rename_all = "kebab-case")]
pub struct Model {
    #[arg(long, default_value = "mini")]
    pub size: String,
    /// Configuration in place of a size: config.json or a folder with one
    #[arg(long, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Start from the weights of this folder or run
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
}

/// The steps.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Training")]
#[serde(rename_all = "kebab-case")]
pub struct Training {
    /// Optimiser steps
    #[arg(long, default_value_t = 2000, value_name = "N")]
    pub steps: u64,
    /// Sequences of a micro-batch
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub batch: usize,
    /// Micro-batches of a step
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub accumulate: usize,
    /// Learning rate at its highest [default: what the published recipe has for the size]
    #[arg(long, value_name = "RATE")]
    pub lr: Option<f64>,
    /// Steps over which the learning rate rises [default: a tenth of --steps, but no more than published]
    #[arg(long, value_name = "N")]
    pub warmup: Option<u64>,
    /// Largest gradient norm; 0 does not clip
    #[arg(long, default_value_t = 1.0, value_name = "NORM")]
    pub clip: f64,
    /// Operands of the matrix products
    #[arg(long, value_enum, default_value_t)]
    pub precision: PrecisionArg,
    /// Seed of initial weights, order and dropout
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// Threads; 0 for one a core. The result does not depend on it
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,
}

/// Adam's constants, for the recipes that use it.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Training")]
#[serde(rename_all = "kebab-case")]
pub struct Adam {
    /// Decay of the weights that decay at all
    #[arg(long, default_value_t = 0.01, value_name = "X")]
    pub weight_decay: f64,
    /// Adam's β₁
    #[arg(long, default_value_t = 0.9, value_name = "X")]
    pub beta1: f64,
    /// Adam's β₂
    #[arg(long, default_value_t = 0.999, value_name = "X")]
    pub beta2: f64,
    /// Adam's ε
    #[arg(long, default_value_t = 1e-8, value_name = "X")]
    pub eps: f64,
}

/// What is kept and shown.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Output")]
#[serde(rename_all = "kebab-case")]
pub struct Output {
    /// Folder for checkpoints, logs and pictures [default: runs/ARCH-SIZE]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Steps between evaluations [default: a tenth of --steps]
    #[arg(long, value_name = "N")]
    pub eval_every: Option<u64>,
    /// Steps between checkpoints [default: a tenth of --steps]
    #[arg(long, value_name = "N")]
    pub save_every: Option<u64>,
    /// Latest checkpoints to keep, besides the best
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub keep: usize,
    /// Evaluations without a new best after which the run stops; 0 never stops early
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub patience: u32,
    /// Steps in a row without a finite gradient that are put up with
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub max_skips: u32,
}

/// The command of one architecture, with the defaults and sizes that it has.
pub fn with_defaults_of<R: Recipe>(command: Command) -> Command {
    let command = command.mut_arg("size", |size| size.help(format!("Size: {}", R::SIZES)));
    R::DEFAULTS.iter().fold(command, |command, (setting, value)| {
        command.mut_arg(setting, |setting| setting.default_value(*value))
    })
}

impl Adam {
    /// AdamW with these constants.
    pub fn adam_w(&self) -> Rule {
        let Self { weight_decay, beta1, beta2, eps } = *self;
        Rule::AdamW { beta1, beta2, eps, weight_decay, amsgrad: false }
    }

    /// Checks the constants.
    ///
    /// # Errors
    /// The first that has no meaning.
    pub fn validate(&self) -> Result<(), Error> {
        for (flag, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&beta) {
                return Err(Error::flag(flag, "a number from 0 to below 1", beta));
            }
        }
        Ok(())
    }
}

impl Data {
    /// Where documents end in plain text.
    pub fn document_split(&self) -> DocumentSplit {
        document_split(&self.documents)
    }

    /// How many entries a trained vocabulary is to have.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size.unwrap_or(if self.text.is_empty() { 2048 } else { 8192 })
    }
}

impl<R: Recipe> Settings<R> {
    /// The learning rate at its highest.
    pub fn lr(&self) -> f64 {
        self.training.lr.unwrap_or_else(|| R::peak_lr(self))
    }

    /// Steps over which the rate rises.
    pub fn warmup(&self) -> u64 {
        self.training.warmup.unwrap_or_else(|| R::warmup(self))
    }

    /// Steps between evaluations.
    pub fn eval_every(&self) -> u64 {
        self.output.eval_every.unwrap_or((self.training.steps / 10).max(1))
    }

    /// Steps between checkpoints.
    pub fn save_every(&self) -> u64 {
        self.output.save_every.unwrap_or((self.training.steps / 10).max(1))
    }

    /// The output folder.
    pub fn out(&self) -> PathBuf {
        let name = || format!("{}-{}", R::ARCH.name(), self.model.size.replace('/', "-"));
        self.output.out.clone().unwrap_or_else(|| Path::new("runs").join(name()))
    }

    /// Where stores and tokenizers are kept.
    pub fn cache(&self) -> PathBuf {
        let beside = || self.out().parent().map_or_else(PathBuf::new, Path::to_owned).join("tercet-cache");
        self.data.cache.clone().unwrap_or_else(beside)
    }

    /// The same settings with everything that was left open filled in, as they are saved.
    pub fn resolved(&self) -> Self {
        let mut all = Self { own: R::resolved(self), ..self.clone() };
        let trained = self.data.tokenizer.is_none().then(|| R::tokenizer_training(self).vocab_size);
        // A vocabulary of characters has no size to be asked for.
        all.data.vocab_size = trained.filter(|&size| size < usize::MAX);
        all.data.cache = Some(self.cache());
        (all.training.lr, all.training.warmup) = (Some(self.lr()), Some(self.warmup()));
        (all.output.eval_every, all.output.save_every) = (Some(self.eval_every()), Some(self.save_every()));
        all.output.out = Some(self.out());
        all
    }

    /// What the trainer is told.
    pub fn train_config(&self) -> TrainConfig {
        let (Training { steps, accumulate, clip, seed, .. }, Output { keep, patience, max_skips, .. }) =
            (&self.training, &self.output);
        let (optimizer, decays) = R::optimizer(self);
        TrainConfig {
            steps: *steps,
            accumulate: *accumulate,
            lr: self.lr(),
            schedule: R::schedule(self),
            optimizer,
            decays,
            clip: (*clip > 0.0).then_some(*clip),
            seed: *seed,
            eval_every: self.eval_every(),
            save_every: self.save_every(),
            keep_last: *keep,
            patience: (*patience > 0).then_some(*patience),
            max_skips: *max_skips,
        }
    }

    /// Checks what no other part checks.
    ///
    /// # Errors
    /// The first setting that has no meaning.
    pub fn validate(&self) -> Result<(), Error> {
        let Training { steps, batch, accumulate, .. } = &self.training;
        for (flag, count) in [("batch", *batch as u64), ("accumulate", *accumulate as u64), ("steps", *steps)]
        {
            if count == 0 {
                return Err(Error::flag(flag, "at least 1", 0));
            }
        }
        if !(self.lr().is_finite() && self.lr() > 0.0) {
            return Err(Error::flag("lr", "a number above 0", self.lr()));
        }
        R::validate(self)?;
        Ok(self.train_config().validate()?)
    }
}

/// Where documents end in plain text: a word, or the line between two.
pub fn document_split(how: &str) -> DocumentSplit {
    match how {
        "file" => DocumentSplit::File,
        "lines" => DocumentSplit::Lines,
        "blank-lines" => DocumentSplit::BlankLines,
        "headings" => DocumentSplit::Headings,
        marker => DocumentSplit::Marker(marker.to_owned()),
    }
}
