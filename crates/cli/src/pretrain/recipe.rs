use std::fmt::Debug;
use std::path::Path;

use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tercet_tensor::{Params, Tape, Tensor};
use tercet_tokenizer::{Tokenizer, Training};
use tercet_train::{Batches, Decays, Evaluation, Rule, Schedule};

use super::settings::Settings;
use crate::args::Arch;
use crate::error::Error;

/// How one architecture is pretrained: the settings that it does not share with the others, each a flag and a line of
/// a run file, and what follows from all of them.
pub trait Recipe: Args + Clone + Debug + PartialEq + Serialize + DeserializeOwned {
    /// The architecture.
    const ARCH: Arch;
    /// Its name as people write it.
    const NAME: &'static str;
    /// The names of its sizes, for the help.
    const SIZES: &'static str;
    /// The defaults that shared settings have here, by the setting's identifier.
    const DEFAULTS: &'static [(&'static str, &'static str)];
    /// The longest warm-up that is chosen without being asked for.
    const LONGEST_WARMUP: u64;

    /// What the settings come to.
    type Task: Task;

    /// The learning rate that the published recipe has.
    fn peak_lr(settings: &Settings<Self>) -> f64;

    /// Steps over which the rate rises, or is flat, where nothing is asked for.
    fn warmup(settings: &Settings<Self>) -> u64 {
        (settings.training.steps / 10).min(Self::LONGEST_WARMUP)
    }

    /// How the rate rises and falls.
    fn schedule(settings: &Settings<Self>) -> Schedule;

    /// The update rule, and the parameters that it decays.
    fn optimizer(settings: &Settings<Self>) -> (Rule, Decays);

    /// How to train a tokenizer where none is given.
    fn tokenizer_training(settings: &Settings<Self>) -> Training;

    /// The same settings with what was left open of its own filled in.
    fn resolved(settings: &Settings<Self>) -> Self {
        settings.own.clone()
    }

    /// Checks what no other part checks.
    ///
    /// # Errors
    /// The first setting that has no meaning.
    fn validate(settings: &Settings<Self>) -> Result<(), Error>;

    /// Reads the text and makes the model. `saved` is the tokenizer of a run that goes on.
    ///
    /// # Errors
    /// When something cannot be read or written, or does not fit.
    fn prepare(settings: &Settings<Self>, saved: Option<Tokenizer>) -> Result<Self::Task, Error>;
}

/// A model and the text that it learns from, ready to meet.
pub trait Task {
    /// The stream of what it is trained on.
    type Batches: Batches;

    /// The measures of an evaluation that are columns beside its loss: their names, and what stands above the column.
    const COLUMNS: &'static [(&'static str, &'static str)] = &[];

    /// The model's parameters.
    fn params(&self) -> &Params;

    /// The tokenizer.
    fn tokenizer(&self) -> &Tokenizer;

    /// What the text is called.
    fn text_name(&self) -> &str;

    /// What a person should know before the run begins: a word for the margin, and a line for each.
    fn introduction(&self) -> Vec<(&'static str, String)>;

    /// How much a step reads, such as `1,024 tokens`.
    fn step(&self) -> String;

    /// Operations of the matrix products of a training step, for each token that the model reads.
    fn flops_per_token(&self) -> f64;

    /// The loss of a perfect model, where it is known.
    fn floor(&self) -> Option<f64> {
        None
    }

    /// The training text from its beginning.
    ///
    /// # Errors
    /// When it is too short.
    fn batches(&self) -> Result<Self::Batches, Error>;

    /// The loss of a micro-batch; a target of term i of the loss weighs `weights[i]`.
    fn loss(&self, tape: &Tape, batch: &<Self::Batches as Batches>::Batch, weights: &[f32]) -> Tensor;

    /// Measures the model after `step` steps on text that it is not trained on.
    fn evaluate(&self, step: u64) -> Evaluation;

    /// Whether a sample follows each evaluation.
    fn shows_samples(&self) -> bool;

    /// What the model can do, as text.
    ///
    /// # Errors
    /// When the prompt does not fit the model.
    fn sample(&self) -> Result<String, Error>;

    /// Writes the model's configuration, beside which its weights are put.
    ///
    /// # Errors
    /// When it cannot be written.
    fn write_config(&self, path: &Path) -> Result<(), Error>;
}
