use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    optimizer::Decays,
    rule::Rule,
    schedule::{Decay, Schedule},
};

/// The settings of a training run; every one that is left out of a file has its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Optimiser steps in all.
    pub steps: u64,
    /// Micro-batches of a step, whose gradients are added up.
    pub accumulate: usize,
    /// The base rate, which the schedule's factor multiplies.
    pub lr: f64,
    /// The factor of each step.
    pub schedule: Schedule,
    /// The update rule and its constants.
    pub optimizer: Rule,
    /// Which parameters decay.
    pub decays: Decays,
    /// The largest gradient norm; longer gradients are shortened to it.
    pub clip: Option<f64>,
    /// Seed of the run: dropout masks follow from it, the step and the micro-batch.
    pub seed: u64,
    /// Steps between evaluations; 0 evaluates at the end alone.
    pub eval_every: u64,
    /// Steps between checkpoints; 0 saves at the end and at each best evaluation alone.
    pub save_every: u64,
    /// How many of the latest checkpoints stay; the best one stays besides.
    pub keep_last: usize,
    /// Evaluations in a row without a new best after which the run stops; `None` never stops early.
    pub patience: Option<u32>,
    /// Skipped steps in a row that are put up with before the run gives up.
    pub max_skips: u32,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 1000,
            accumulate: 1,
            lr: 1e-3,
            schedule: Schedule::new(Decay::Constant),
            optimizer: Rule::adam_w(0.01),
            decays: Decays::default(),
            clip: Some(1.0),
            seed: 0,
            eval_every: 0,
            save_every: 0,
            keep_last: 2,
            patience: None,
            max_skips: 5,
        }
    }
}

impl TrainConfig {
    /// Checks that every setting can be used.
    ///
    /// # Errors
    /// With the first setting that cannot.
    pub fn validate(&self) -> Result<(), Error> {
        let error = |field, expected, found: String| Err(Error::Setting { field, expected, found });
        if self.accumulate == 0 {
            return error("accumulate", "at least 1", "0".into());
        }
        if !(self.lr.is_finite() && self.lr >= 0.0) {
            return error("lr", "a finite number that is not negative", self.lr.to_string());
        }
        if let Some(clip) = self.clip.filter(|clip| clip.is_nan() || *clip <= 0.0) {
            return error("clip", "larger than 0", clip.to_string());
        }
        if self.keep_last == 0 {
            return error("keep_last", "at least 1", "0".into());
        }
        if self.patience == Some(0) {
            return error("patience", "at least 1", "0".into());
        }
        Ok(())
    }

    /// The rate of step `step`, counted from 1.
    pub fn rate(&self, step: u64) -> f64 {
        self.lr * self.schedule.factor(step.saturating_sub(1))
    }

    /// Checks that a run started with `self` can go on bit by bit with `asked`. The rate, its schedule, clipping and
    /// everything that only says when to stop, evaluate and save may change.
    pub(crate) fn allows(&self, asked: &Self) -> Result<(), Error> {
        let changed = |field, saved: String, asked: String| Err(Error::Changed { field, saved, asked });
        if self.optimizer != asked.optimizer {
            return changed("optimizer", format!("{:?}", self.optimizer), format!("{:?}", asked.optimizer));
        }
        if self.decays != asked.decays {
            return changed("decays", format!("{:?}", self.decays), format!("{:?}", asked.decays));
        }
        if self.seed != asked.seed {
            return changed("seed", self.seed.to_string(), asked.seed.to_string());
        }
        if self.accumulate != asked.accumulate {
            return changed("accumulate", self.accumulate.to_string(), asked.accumulate.to_string());
        }
        Ok(())
    }
}
