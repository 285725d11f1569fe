use std::{collections::BTreeMap, path::Path, time::Duration};

use crate::{error::Error, state::Best};

/// What an evaluation measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Mean loss of a target: what "best" is about.
    pub loss: f64,
    /// Counts the kinds of data that a run is measured on in turn. Losses of different stages are not compared: the first evaluation of
    /// a stage is the best so far.
    pub stage: u32,
    /// Whatever else there is to report, by name.
    pub metrics: BTreeMap<String, f64>,
}

impl Evaluation {
    /// An evaluation with a loss and nothing else.
    pub fn of_loss(loss: f64) -> Self {
        Self { loss, ..Self::default() }
    }
}

/// Something that happened in a run, for a progress line or a log.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Training begins or goes on.
    Started {
        /// Steps done already.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// Trained and frozen parameters together.
        parameters: usize,
    },
    /// A checkpoint was found damaged and an older one is used.
    Damaged {
        /// The checkpoint's step.
        step: u64,
        /// What is wrong with it.
        error: &'a Error,
    },
    /// A checkpoint that the resumed run would come by again was renamed.
    SetAside {
        /// Its new place.
        path: &'a Path,
    },
    /// An optimiser step was taken.
    Step(StepReport),
    /// A step changed nothing, because its loss or gradient is not finite.
    Skipped {
        /// The step, from 1.
        step: u64,
        /// The loss, and the first parameter whose gradient is not finite.
        what: &'a str,
        /// Skipped steps in a row.
        row: u32,
    },
    /// The model was evaluated.
    Evaluated {
        /// Steps done.
        step: u64,
        /// What came out.
        evaluation: &'a Evaluation,
        /// Whether no earlier evaluation was as good.
        best: bool,
    },
    /// A sample was made.
    Sampled {
        /// Steps done.
        step: u64,
        /// The sample.
        text: &'a str,
    },
    /// A checkpoint is on the disk.
    Saved {
        /// Steps done.
        step: u64,
        /// Its folder.
        path: &'a Path,
    },
    /// The run is over.
    Ended(&'a Outcome),
}

/// One step in numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Steps done, this one included.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Mean loss of the step's targets.
    pub loss: f64,
    /// Mean of the loss over about fifty steps.
    pub mean_loss: f64,
    /// The last held-out loss.
    pub held_out: Option<f64>,
    /// The rate of the step.
    pub lr: f64,
    /// Norm of the gradient before clipping.
    pub grad_norm: f64,
    /// The factor that clipping put on the gradient; 1 where it did nothing.
    pub clip_factor: f64,
    /// Tokens that the model read in this step.
    pub tokens: u64,
    /// How long the step took.
    pub duration: Duration,
    /// Tokens a second in the steps since this process began, evaluations and checkpoints left out.
    pub tokens_per_second: f64,
    /// Time to the last step at the pace of this process, evaluations and checkpoints included.
    pub eta: Duration,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Why it ended.
    pub end: End,
    /// Steps done.
    pub step: u64,
    /// The running mean of the training loss.
    pub mean_loss: Option<f64>,
    /// The last evaluation's loss.
    pub held_out: Option<f64>,
    /// The best evaluation.
    pub best: Option<Best>,
    /// Steps without an update.
    pub skipped: u64,
    /// Tokens read by the model.
    pub tokens: u64,
    /// Time of training, over all resumptions.
    pub duration: Duration,
    /// The last checkpoint, where the run has a folder.
    pub checkpoint: Option<std::path::PathBuf>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All steps are done.
    Finished,
    /// The evaluations stopped getting better.
    StoppedEarly,
    /// The stop flag was raised; the run can be resumed.
    Interrupted,
}
