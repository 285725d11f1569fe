//! Documents to a trained BERT, on both tasks of its paper, with the loop in sight.
//!
//! `cargo run --release -p tercet-examples --bin pretrain_bert [STEPS]`

use std::error::Error;

use tercet_bert::{BertBatch, BertForPreTraining, Config, Preset};
use tercet_data::stories::Stories;
use tercet_objectives::masked::{self, Instance, Settings, Vocabulary};
use tercet_objectives::{Random, Targets};
use tercet_tensor::ops::Target;
use tercet_tensor::{Params, Pool, Tape};
use tercet_tokenizer::{Special, Tokenizer, Training};
use tercet_train::{Decay, Decays, Optimizer, Rule, Schedule, clip_factor};

/// Tokens of a sentence pair at most, and pairs of a step.
const LENGTH: usize = 64;
const BATCH: usize = 16;
/// Stories to learn from, and stories to judge by.
const STORIES: u64 = 1000;
const HELD_OUT: u64 = 40;

fn main() -> Result<(), Box<dyn Error>> {
    let steps: u64 = std::env::args().nth(1).map_or(Ok(300), |steps| steps.parse())?;

    // A story is a document, and knows its sentences.
    let stories = Stories::new(1);
    let tokenizer = Training::word_piece(1024).run((0..STORIES).map(|i| stories.story(i).text))?;
    let document = |i: u64| -> Result<Vec<Vec<u32>>, Box<dyn Error>> {
        let story = stories.story(i);
        let sentences = story.sentences.iter().map(|range| &story.text[range.clone()]);
        Ok(sentences.map(|text| tokenizer.encode(text, Special::Without)).collect::<Result<_, _>>()?)
    };
    let documents: Vec<_> = (0..STORIES).map(document).collect::<Result<_, _>>()?;
    let held_out: Vec<_> = (STORIES..STORIES + HELD_OUT).map(document).collect::<Result<_, _>>()?;

    // Sentence pairs with hidden tokens, as the published pipeline makes them: id for id those of its script.
    let vocabulary =
        vocabulary(&tokenizer).ok_or("a trained WordPiece vocabulary has BERT's special tokens")?;
    let settings = Settings { max_seq_length: LENGTH, max_predictions_per_seq: 10, ..Settings::default() };
    let pairs = |documents: &[Vec<Vec<u32>>], seed| {
        masked::instances(documents, &vocabulary, &settings, |_| false, &mut Random::new(seed))
    };
    let (train, held_out) = (pairs(&documents, 12345)?, pairs(&held_out, 0)?);

    let config = Config {
        vocab_size: tokenizer.vocab_size(),
        max_position_embeddings: LENGTH,
        ..Preset::TINY.config()
    };
    let params = Params::new();
    let model = BertForPreTraining::new(&params, &config);
    params.init(0);
    println!("{} parameters, {} sentence pairs", params.len(), train.len());

    // Adam as released with BERT: no bias correction, and no decay of biases and norms.
    let rule = Rule::AdamWeightDecay { beta1: 0.9, beta2: 0.999, eps: 1e-6, weight_decay: 0.01 };
    let mut optimizer = Optimizer::new(rule, Decays::NotBiasOrNorm, &params);
    let schedule = Schedule::new(Decay::LinearFromStart { total: steps }).with_warmup(steps / 10);
    let pool = Pool::new();
    let mut batches = train.chunks_exact(BATCH).cycle();

    for step in 0..steps {
        let (batch, targets, next) = model_input(batches.next().expect("more pairs than a batch"));
        params.zero_grad();
        let loss = {
            let tape = Tape::train_in(&pool, step);
            // The hidden positions alone go through the vocabulary.
            let loss = model.loss(&tape, &batch, &mean(targets.iter()), &mean((0..).zip(next)));
            let total = loss.masked.total + loss.next_sentence;
            tape.backward(&total);
            total.item()
        };
        let norm = optimizer.grad_norm(&params);
        let lr = 2e-3 * schedule.factor(step);
        optimizer.step(&params, lr, clip_factor(norm, 1.0));
        if (step + 1) % (steps / 10).max(1) == 0 {
            println!("step {:4}  loss {loss:.3}  lr {lr:.1e}  |g| {norm:.2}", step + 1);
        }
    }

    // How often the model is right about stories that it has not seen.
    let (mut words, mut sentences) = (Accuracy::default(), Accuracy::default());
    for pairs in held_out.chunks(BATCH) {
        let (batch, targets, next) = model_input(pairs);
        let (hidden, follows) = model.logits(&Tape::off_in(&pool), &batch, &targets.rows);
        words.add(&hidden, hidden.cols(), &targets.ids);
        sentences.add(&follows, 2, &next);
    }
    println!("next sentence accuracy {:.3}", sentences.value());
    println!("hidden token accuracy {:.3}", words.value());
    Ok(())
}

fn vocabulary(tokenizer: &Tokenizer) -> Option<Vocabulary> {
    let id = |token| tokenizer.token_to_id(token);
    let (cls, sep, mask) = (id("[CLS]")?, id("[SEP]")?, id("[MASK]")?);
    Some(Vocabulary { size: tokenizer.vocab_size(), cls, sep, mask })
}

/// What the objective gives, as what the model takes.
fn model_input(pairs: &[Instance]) -> (BertBatch, Targets, Vec<u32>) {
    let batch = masked::batch(pairs);
    let lengths: Vec<usize> = batch.inputs.lengths().collect();
    (BertBatch::packed(batch.inputs.ids, batch.segments, &lengths), batch.targets, batch.next_sentence)
}

/// Every target with the weight that makes the sum a mean.
fn mean(targets: impl Iterator<Item = (u32, u32)>) -> Vec<Target> {
    let targets: Vec<_> = targets.collect();
    let weight = 1.0 / targets.len() as f32;
    targets.into_iter().map(|(row, id)| Target { row, id, weight }).collect()
}

#[derive(Default)]
struct Accuracy {
    right: usize,
    all: usize,
}

impl Accuracy {
    /// Counts the rows of logits (rows, `classes`) whose target has the highest.
    fn add(&mut self, logits: &[f32], classes: usize, targets: &[u32]) {
        for (logits, &target) in logits.chunks(classes).zip(targets) {
            let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            self.right += usize::from(logits[target as usize] == highest);
            self.all += 1;
        }
    }

    fn value(&self) -> f64 {
        self.right as f64 / self.all as f64
    }
}
