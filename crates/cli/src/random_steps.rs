use std::time::Instant;

use tercet_tensor::{Params, Part, Pool, Precision, Profiler, Rng, Tape, Tensor, Work};
use tercet_train::{Decays, Optimizer, Rule, clip_factor};

/// Optimiser steps of a model that learns one batch of random tokens by heart: the work of training without its data.
pub struct RandomSteps {
    /// The model's parameters.
    pub params: Params,
    loss: Box<dyn Fn(&Tape) -> Tensor>,
    optimizer: Optimizer,
    pool: Pool,
    precision: Precision,
    /// Who is told of the operations.
    pub profiler: Option<Profiler>,
}

impl RandomSteps {
    /// Steps of a model over `params`, which get their first values here, down its loss.
    pub fn new(params: Params, precision: Precision, loss: impl Fn(&Tape) -> Tensor + 'static) -> Self {
        params.init(0);
        let optimizer = Optimizer::new(Rule::adam_w(0.01), Decays::All, &params);
        Self { params, loss: Box::new(loss), optimizer, pool: Pool::new(), precision, profiler: None }
    }

    /// Forward, backward, clipping to norm 1 and AdamW; gives the loss and the seconds.
    pub fn step(&mut self) -> (f32, f64) {
        let begun = Instant::now();
        self.profiler.iter().for_each(Profiler::begin);
        let ended = |name, bytes| {
            if let Some(profiler) = &self.profiler {
                profiler.ended(name, Part::Step, Work { flops: 0, bytes });
            }
        };
        self.params.zero_grad();
        let loss = {
            let mut tape = Tape::train_in(&self.pool, self.optimizer.steps()).precision(self.precision);
            if let Some(profiler) = &self.profiler {
                tape = tape.profiled(profiler);
            }
            let loss = (self.loss)(&tape);
            tape.backward(&loss);
            loss.item()
        };
        let clip = clip_factor(self.optimizer.grad_norm(&self.params), 1.0);
        ended("grad_norm", (size_of::<f32>() * self.params.len()) as u64);
        self.optimizer.step(&self.params, 1e-4, clip);
        ended("optimizer", self.optimizer.step_bytes());
        (loss, begun.elapsed().as_secs_f64())
    }
}

/// `count` sequences of `length` ids below `vocab_size`.
pub fn random_ids(seed: u64, vocab_size: usize, count: usize, length: usize) -> Vec<Vec<u32>> {
    let mut rng = Rng::new(seed);
    let mut sequence = || (0..length).map(|_| (rng.next_u64() % vocab_size as u64) as u32).collect();
    (0..count).map(|_| sequence()).collect()
}

/// The middle one.
pub fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    let middle = seconds.len() / 2;
    if seconds.len() % 2 == 1 { seconds[middle] } else { (seconds[middle - 1] + seconds[middle]) / 2.0 }
}
