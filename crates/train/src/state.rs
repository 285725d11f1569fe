use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;

/// Where a run stands: everything but the weights and moments that decides how it goes on.
///
/// Randomness needs no stream of its own here: dropout masks follow from the run's seed, the step and the
/// micro-batch, and the order of the data from the cursor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Form of this file.
    pub version: u32,
    /// Steps done, skipped ones included: the position in the schedule and in the stream of dropout seeds.
    pub step: u64,
    /// Steps that the optimiser took, which its bias correction counts.
    pub optimizer_steps: u64,
    /// Tokens read by the model.
    pub tokens: u64,
    /// Targets predicted.
    pub targets: u64,
    /// Seconds of training, over all resumptions.
    pub seconds: f64,
    /// The source's position after the last batch of the last step.
    pub cursor: serde_json::Value,
    /// The best evaluation.
    pub best: Option<Best>,
    /// The last evaluation's loss.
    pub held_out: Option<f64>,
    /// Evaluations since the best one.
    pub without_gain: u32,
    /// Steps skipped in all.
    pub skipped: u64,
    /// Steps skipped since the last one that was taken.
    pub skipped_in_a_row: u32,
    /// The running mean of the loss.
    pub mean_loss: RunningMean,
    /// The settings.
    pub config: TrainConfig,
}

/// An evaluation that no other of its stage was better than.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The step after which it was made.
    pub step: u64,
    /// Its loss.
    pub loss: f64,
    /// Its stage: those before it are not compared with it.
    #[serde(default)]
    pub stage: u32,
}

/// An exponential mean over about the last fifty steps, without the pull of its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunningMean {
    sum: f64,
    weight: f64,
}

impl RunningMean {
    const KEPT: f64 = 0.98;

    pub(crate) fn add(&mut self, value: f64) {
        self.sum = Self::KEPT * self.sum + (1.0 - Self::KEPT) * value;
        self.weight = Self::KEPT * self.weight + (1.0 - Self::KEPT);
    }

    /// The mean; `None` before the first value.
    pub fn value(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

impl State {
    pub(crate) const VERSION: u32 = 1;

    pub(crate) fn start(config: TrainConfig, cursor: serde_json::Value) -> Self {
        Self {
            version: Self::VERSION,
            step: 0,
            optimizer_steps: 0,
            tokens: 0,
            targets: 0,
            seconds: 0.0,
            cursor,
            best: None,
            held_out: None,
            without_gain: 0,
            skipped: 0,
            skipped_in_a_row: 0,
            mean_loss: RunningMean::default(),
            config,
        }
    }
}
