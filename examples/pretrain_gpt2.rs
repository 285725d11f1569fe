//! Text to a trained GPT-2, with the loop in sight.
//!
//! `cargo run --release -p tercet-examples --bin pretrain_gpt2 [STEPS]`

use std::error::Error;

use tercet_attention::Batch;
use tercet_data::stories::Stories;
use tercet_gpt2::{Config, Gpt2LmHead, InitPreset, Preset};
use tercet_objectives::causal::{self, Documents};
use tercet_objectives::{Ragged, Targets};
use tercet_tensor::ops::Target;
use tercet_tensor::{Params, Pool, Rng, Tape};
use tercet_tokenizer::{Special, Training};
use tercet_train::{Decay, Decays, Optimizer, Rule, Schedule, clip_factor};

/// Tokens of a sequence, and sequences of a step.
const LENGTH: usize = 64;
const BATCH: usize = 8;
/// Stories to learn from, and stories to predict at the end.
const STORIES: u64 = 1000;
const HELD_OUT: u64 = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let steps: u64 = std::env::args().nth(1).map_or(Ok(300), |steps| steps.parse())?;

    // Text to ids: every story ends with the end-of-text token.
    let stories = Stories::new(1);
    let tokenizer = Training::byte_level_bpe(1024).run((0..STORIES).map(|i| stories.story(i).text))?;
    let end = tokenizer.end_of_text().expect("a trained byte-level vocabulary has one");
    let ids_of = |stories_of: std::ops::Range<u64>| -> Result<Vec<u32>, Box<dyn Error>> {
        let mut ids = Vec::new();
        for i in stories_of {
            ids.extend(tokenizer.encode(&stories.story(i).text, Special::Without)?);
            ids.push(end);
        }
        Ok(ids)
    };
    let text = ids_of(0..STORIES)?;
    let held_out = ids_of(STORIES..STORIES + HELD_OUT)?;

    // A model is a set of named parameters and the functions that read them.
    let config = Config { vocab_size: tokenizer.vocab_size(), n_positions: LENGTH, ..Preset::Tiny.config() };
    let config = config.without_dropout();
    let params = Params::new();
    let model = Gpt2LmHead::new(&params, &config, InitPreset::Hf);
    params.init(0);
    println!("{} parameters, {} tokens of text", params.len(), text.len());

    let mut optimizer = Optimizer::new(Rule::adam_w(0.1), Decays::Matrices, &params);
    let decay = Decay::Cosine { total: steps, floor: 0.1, cycles: 0.5 };
    let schedule = Schedule::new(decay).with_warmup(steps / 10);
    let (pool, mut rng) = (Pool::new(), Rng::named(0, "order"));

    for step in 0..steps {
        // Sequences from anywhere in the text; each token but the first of a window is a target.
        let crop = |_| {
            let start = (rng.uniform() * (text.len() - LENGTH - 1) as f64) as usize;
            &text[start..start + LENGTH + 1]
        };
        let windows = Ragged::from_sequences((0..BATCH).map(crop));
        let (batch, targets) = model_input(causal::next_token(&windows, Documents::Cross));

        // Forward and backward. The tape must be gone before the parameters change.
        params.zero_grad();
        let loss = {
            let tape = Tape::train_in(&pool, step);
            let loss = model.loss(&tape, &batch, &mean(&targets)).total;
            tape.backward(&loss);
            loss.item()
        };

        // Clip to norm 1, and step.
        let norm = optimizer.grad_norm(&params);
        let lr = 2e-3 * schedule.factor(step);
        optimizer.step(&params, lr, clip_factor(norm, 1.0));
        if (step + 1) % (steps / 10).max(1) == 0 {
            println!("step {:4}  loss {loss:.3}  lr {lr:.1e}  |g| {norm:.2}", step + 1);
        }
    }

    // Every held-out token once, with at least half a window before it.
    let (mut nats, mut tokens) = (0.0, 0);
    for window in causal::sliding_windows(&held_out, LENGTH, LENGTH / 2) {
        let (batch, targets) = model_input(window);
        let loss = model.loss(&Tape::off_in(&pool), &batch, &mean(&targets));
        nats += loss.nll.iter().sum::<f32>();
        tokens += targets.len();
    }
    println!("held-out loss {:.3}", nats / tokens as f32);
    Ok(())
}

/// What the objective gives, as what the model takes.
fn model_input(batch: causal::Batch) -> (Batch, Targets) {
    let lengths: Vec<usize> = batch.inputs.lengths().collect();
    (Batch::packed(batch.inputs.ids, &lengths), batch.targets)
}

/// Every target with the weight that makes the sum a mean.
fn mean(targets: &Targets) -> Vec<Target> {
    let weight = 1.0 / targets.len() as f32;
    targets.iter().map(|(row, id)| Target { row, id, weight }).collect()
}
