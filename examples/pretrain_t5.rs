//! Text to a trained T5: span corruption, Adafactor and the inverse square root, with the loop in sight.
//!
//! `cargo run --release -p tercet-examples --bin pretrain_t5 [STEPS]`

use std::error::Error;

use tercet_attention::Batch;
use tercet_data::stories::Stories;
use tercet_objectives::denoising::{self, Objective};
use tercet_objectives::spans::{self, Noise};
use tercet_objectives::{Ragged, Random};
use tercet_t5::{Config, InitPreset, Preset, T5Batch, T5ForConditionalGeneration, Version};
use tercet_tensor::ops::LossTerms;
use tercet_tensor::{Params, Pool, Tape};
use tercet_tokenizer::{Special, Training};
use tercet_train::{Adafactor, Decay, Decays, Optimizer, Rule, Schedule};

/// Ids that the encoder reads at most, and texts of a step.
const LENGTH: usize = 64;
const BATCH: usize = 16;
/// Stories to learn from, and stories to fill in at the end.
const STORIES: u64 = 1000;
const HELD_OUT: u64 = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let steps: u64 = std::env::args().nth(1).map_or(Ok(300), |steps| steps.parse())?;

    // Text to ids: pieces with probabilities, and after them the sentinels.
    let stories = Stories::new(1);
    let tokenizer = Training::unigram(1024).run((0..STORIES).map(|i| stories.story(i).text))?;
    let (start, end) = (0, tokenizer.end_of_text().expect("a trained Unigram vocabulary has one"));
    let vocabulary = tokenizer.vocab_size() as u32;

    // Documents end to end, cut into pieces that fill inputs of LENGTH once their spans are hidden.
    let objective = Objective::Spans(Noise::default());
    let mut random = Random::new(0);
    let mut pieces_of = |stories_of: std::ops::Range<u64>| -> Result<Vec<Vec<u32>>, Box<dyn Error>> {
        let encode = |i| tokenizer.encode(&stories.story(i).text, Special::Without);
        let documents = stories_of.map(encode).collect::<Result<Vec<_>, _>>()?;
        let pieces = denoising::pieces(&documents, objective.piece(LENGTH)?, &[], &mut random);
        Ok(pieces.into_iter().filter(|piece| piece.len() > 1).collect())
    };
    let text = pieces_of(0..STORIES)?;
    let held_out = pieces_of(STORIES..STORIES + HELD_OUT)?;

    let config = Config { vocab_size: tokenizer.vocab_size(), ..Preset::Tiny.config(Version::V1_1) };
    let config = config.without_dropout();
    let params = Params::new();
    let model = T5ForConditionalGeneration::new(&params, &config, InitPreset::T5x);
    params.init(0);
    println!("{} parameters, {} pieces of text", params.len(), text.len());

    // The rate is relative to the size of each matrix, so that one rate serves all.
    let mut optimizer = Optimizer::new(Rule::Adafactor(Adafactor::default()), Decays::Matrices, &params);
    let schedule = Schedule::new(Decay::ReciprocalSqrt { plateau: 10_000 });
    let (pool, terms) = (Pool::new(), LossTerms { z_loss: 1e-4, ..LossTerms::default() });

    for step in 0..steps {
        // What is hidden of a piece is drawn anew each time.
        let draw = |_| objective.corrupt(&text[random.below(text.len())], vocabulary, &mut random);
        let examples = (0..BATCH).map(draw).collect::<Result<Vec<_>, _>>()?;
        let batch = model_input(spans::Batch::of(&examples, start, end));

        params.zero_grad();
        let loss = {
            let tape = Tape::train_in(&pool, step);
            let targets = batch.targets(1.0 / batch.labels.len() as f32);
            let loss = model.loss(&tape, &batch, &targets, terms).total;
            tape.backward(&loss);
            loss.item()
        };
        optimizer.step(&params, schedule.factor(step), 1.0);
        if (step + 1) % (steps / 10).max(1) == 0 {
            println!("step {:4}  loss {loss:.3}", step + 1);
        }
    }

    let (mut nats, mut tokens) = (0.0, 0);
    for pieces in held_out.chunks(BATCH) {
        let examples = pieces.iter().map(|piece| objective.corrupt(piece, vocabulary, &mut random));
        let examples = examples.collect::<Result<Vec<_>, _>>()?;
        let batch = model_input(spans::Batch::of(&examples, start, end));
        let loss = model.loss(&Tape::off_in(&pool), &batch, &batch.targets(1.0), LossTerms::default());
        nats += loss.nll.iter().sum::<f32>();
        tokens += batch.labels.len();
    }
    println!("held-out loss {:.3}", nats / tokens as f32);
    Ok(())
}

/// What the objective gives, as what the model takes.
fn model_input(batch: spans::Batch) -> T5Batch {
    let packed = |side: Ragged| {
        let lengths: Vec<usize> = side.lengths().collect();
        Batch::packed(side.ids, &lengths)
    };
    T5Batch {
        inputs: packed(batch.inputs),
        decoder_inputs: packed(batch.decoder_inputs),
        labels: batch.targets,
    }
}
