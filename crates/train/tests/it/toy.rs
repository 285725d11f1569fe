//! A bigram model with dropout, small enough to train hundreds of steps in a test.

use serde_json::{Value, json};
use tercet_tensor::{Init, Param, Params, Rng, Tape, Tensor, ops};
use tercet_train::{Batches, Decay, Decays, Failure, MicroBatch, Rule, Schedule, TrainConfig};

pub const VOCABULARY: usize = 13;
const WIDTH: usize = 8;

pub struct Toy {
    pub params: Params,
    embedding: Param,
    output: Param,
    bias: Param,
    pub dropout: f32,
}

impl Toy {
    pub fn new() -> Self {
        let params = Params::new();
        let root = params.root();
        let embedding = root.at("wte").param("weight", &[VOCABULARY, WIDTH], Init::Normal { std: 0.5 });
        let output = root.at("lm_head").param("weight", &[VOCABULARY, WIDTH], Init::Normal { std: 0.5 });
        let bias = root.at("lm_head").param("bias", &[VOCABULARY], Init::Zeros);
        params.init(7);
        Self { params, embedding, output, bias, dropout: 0.2 }
    }

    pub fn loss(&self, tape: &Tape, batch: &Pairs, weights: &[f32]) -> Result<Tensor, Failure> {
        let x = ops::embedding(&self.embedding.on(tape), &batch.inputs);
        let x = ops::dropout(&x, self.dropout);
        let logits = ops::linear(&x, &self.output.on(tape), ops::Layout::OutIn, Some(&self.bias.on(tape)));
        let target = |(row, &id): (usize, &u32)| ops::Target { row: row as u32, id, weight: weights[0] };
        Ok(ops::cross_entropy(&logits, &batch.targets.iter().enumerate().map(target).collect::<Vec<_>>()))
    }

    /// The bits of every weight.
    pub fn bits(&self) -> Vec<u32> {
        self.params.values().iter().map(|value| value.to_bits()).collect()
    }
}

#[derive(Clone)]
pub struct Pairs {
    pub inputs: Vec<u32>,
    pub targets: Vec<u32>,
}

impl MicroBatch for Pairs {
    fn tokens(&self) -> usize {
        self.inputs.len()
    }

    fn targets(&self) -> Vec<usize> {
        vec![self.targets.len()]
    }
}

/// Pairs (a, 3a + 1), some of them noise, in batches of changing size; the position is the number of batches given.
pub struct Stream {
    pub given: u64,
}

impl Stream {
    pub fn new() -> Self {
        Self { given: 0 }
    }
}

impl Batches for Stream {
    type Batch = Pairs;

    fn next(&mut self) -> Result<Pairs, Failure> {
        let mut rng = Rng::new(1000 + self.given);
        self.given += 1;
        let count = 3 + rng.next_u64() % 6;
        let token = |rng: &mut Rng| (rng.next_u64() % VOCABULARY as u64) as u32;
        let inputs: Vec<u32> = (0..count).map(|_| token(&mut rng)).collect();
        let follow = |&id: &u32| if rng.uniform() < 0.1 { 0 } else { (3 * id + 1) % VOCABULARY as u32 };
        let targets = inputs.iter().map(follow).collect();
        Ok(Pairs { inputs, targets })
    }

    fn cursor(&self) -> Value {
        json!({ "given": self.given })
    }

    fn restore(&mut self, cursor: &Value) -> Result<(), Failure> {
        self.given = cursor["given"].as_u64().ok_or("the cursor has no number of batches")?;
        Ok(())
    }
}

pub fn config(steps: u64) -> TrainConfig {
    TrainConfig {
        steps,
        accumulate: 2,
        lr: 0.05,
        schedule: Schedule::new(Decay::Cosine { total: 60, floor: 0.1, cycles: 0.5 }).with_warmup(5),
        optimizer: Rule::AdamW { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1, amsgrad: false },
        decays: Decays::Matrices,
        seed: 3,
        ..TrainConfig::default()
    }
}
