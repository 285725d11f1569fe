//! One optimiser step: forward and backward of each micro-batch, then clipping and the update.

use tercet_tensor::{Params, Part, Pool, Precision, Profiler, Rng, Tape, Tensor, Work, elementwise};

use crate::{
    batches::MicroBatch,
    config::TrainConfig,
    error::{Error, Failure},
    optimizer::{Optimizer, clip_factor},
};

/// The parts of a step that stay from one step to the next.
pub(crate) struct Stepper {
    pub params: Params,
    pub optimizer: Optimizer,
    pub pool: Pool,
    pub precision: Precision,
    pub profiler: Option<Profiler>,
}

/// What a step did.
pub(crate) enum Stepped {
    Taken { loss: f64, grad_norm: f64, clip_factor: f64 },
    Skipped { what: String },
}

impl Stepper {
    /// Takes step `step`, counted from 1, over `batches`.
    pub(crate) fn step<B: MicroBatch>(
        &mut self,
        config: &TrainConfig,
        step: u64,
        batches: &[B],
        mut loss_of: impl FnMut(&Tape, &B, &[f32]) -> Result<Tensor, Failure>,
    ) -> Result<Stepped, Error> {
        let weights = target_weights(batches).ok_or(Error::NoTargets { step })?;
        self.params.zero_grad();
        let mut total = 0.0;
        for (micro, batch) in batches.iter().enumerate() {
            let seed = dropout_seed(config.seed, step, micro as u64);
            let mut tape = Tape::train_in(&self.pool, seed).precision(self.precision);
            if let Some(profiler) = &self.profiler {
                tape = tape.profiled(profiler);
            }
            let loss = loss_of(&tape, batch, &weights).map_err(|source| Error::Task {
                step,
                doing: "computing the loss",
                source,
            })?;
            total += f64::from(loss.item());
            tape.backward(&loss);
        }
        let names = self.params.untouched();
        if !names.is_empty() {
            return Err(Error::NoGradient { step, names });
        }
        let (optimizer, params) = (&mut self.optimizer, &self.params);
        let ended = |name, bytes| {
            if let Some(profiler) = &self.profiler {
                profiler.ended(name, Part::Step, Work { flops: 0, bytes });
            }
        };
        params.update(|values, grads| {
            let grad_norm = optimizer.norm_of(grads);
            ended("grad_norm", size_of_val(grads) as u64);
            if !(total.is_finite() && grad_norm.is_finite()) {
                return Ok(Stepped::Skipped { what: culprit(params, grads, total) });
            }
            let clip_factor = config.clip.map_or(1.0, |max| clip_factor(grad_norm, max));
            optimizer.step_slices(values, grads, config.rate(step), clip_factor);
            ended("optimizer", optimizer.step_bytes());
            Ok(Stepped::Taken { loss: total, grad_norm, clip_factor })
        })
    }
}

/// 1 over the number of targets of the whole step, for each term of the loss; `None` where there is no target.
fn target_weights<B: MicroBatch>(batches: &[B]) -> Option<Vec<f32>> {
    let mut totals: Vec<usize> = Vec::new();
    for batch in batches {
        let targets = batch.targets();
        totals.resize(totals.len().max(targets.len()), 0);
        totals.iter_mut().zip(targets).for_each(|(total, count)| *total += count);
    }
    let weight = |&total: &usize| if total == 0 { 0.0 } else { 1.0 / total as f32 };
    totals.iter().any(|&total| total > 0).then(|| totals.iter().map(weight).collect())
}

/// The seed of one tape's dropout masks: a function of where the run is, so that a resumed run draws the same masks.
fn dropout_seed(run: u64, step: u64, micro: u64) -> u64 {
    let mixed = Rng::new(run).next_u64() ^ step;
    Rng::new(Rng::new(mixed).next_u64() ^ micro).next_u64()
}

fn culprit(params: &Params, grads: &[f32], loss: f64) -> String {
    let entries = params.entries();
    let first = entries.iter().find(|entry| !elementwise::all_finite(&grads[entry.range.clone()]));
    match first {
        Some(entry) => format!("the loss is {loss}, the gradient of {} is not finite", entry.name),
        None => format!("the loss is {loss}"),
    }
}
