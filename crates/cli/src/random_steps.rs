use std::time::Instant;

use tercet_attention::Batch;
use tercet_gpt2::{Config, Gpt2LmHead, InitPreset};
use tercet_tensor::ops::Target;
use tercet_tensor::{Params, Pool, Precision, Rng, Tape};
use tercet_train::{Decays, Optimizer, Rule, clip_factor};

/// Optimiser steps of a model that learns one batch of random tokens by heart: the work of training without its data.
pub struct RandomSteps {
    /// The model's parameters.
    pub params: Params,
    model: Gpt2LmHead,
    optimizer: Optimizer,
    pool: Pool,
    precision: Precision,
    batch: Batch,
    targets: Vec<Target>,
}

impl RandomSteps {
    /// Steps over `batch` sequences of `length` tokens.
    pub fn new(config: &Config, batch: usize, length: usize, precision: Precision) -> Self {
        let params = Params::new();
        let model = Gpt2LmHead::new(&params, config, InitPreset::Hf);
        params.init(0);
        let optimizer = Optimizer::new(Rule::adam_w(0.01), Decays::All, &params);
        let mut rng = Rng::new(0);
        let mut sequence =
            || (0..length).map(|_| (rng.next_u64() % config.vocab_size as u64) as u32).collect();
        let sequences: Vec<Vec<u32>> = (0..batch).map(|_| sequence()).collect();
        let weight = 1.0 / (batch * (length - 1)) as f32;
        let batch = Batch::new(&sequences);
        let rows = (0..batch.ids.len()).filter(|row| (row + 1) % length != 0);
        let targets = rows.map(|row| Target { row: row as u32, id: batch.ids[row + 1], weight }).collect();
        Self { params, model, optimizer, pool: Pool::new(), precision, batch, targets }
    }

    /// Forward, backward, clipping to norm 1 and AdamW; gives the loss and the seconds.
    pub fn step(&mut self) -> (f32, f64) {
        let begun = Instant::now();
        self.params.zero_grad();
        let loss = {
            let tape = Tape::train_in(&self.pool, self.optimizer.steps()).precision(self.precision);
            let loss = self.model.loss(&tape, &self.batch, &self.targets).total;
            tape.backward(&loss);
            loss.item()
        };
        let clip = clip_factor(self.optimizer.grad_norm(&self.params), 1.0);
        self.optimizer.step(&self.params, 1e-4, clip);
        (loss, begun.elapsed().as_secs_f64())
    }
}

/// The middle one.
pub fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    let middle = seconds.len() / 2;
    if seconds.len() % 2 == 1 { seconds[middle] } else { (seconds[middle - 1] + seconds[middle]) / 2.0 }
}
