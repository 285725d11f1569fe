//! What may stand in the place of `[MASK]`: a small BERT learns some facts by dynamic masking, and is asked for one.
//!
//! `cargo run --release -p tercet-examples --bin fill_mask [FOLDER TEXT]`; with a folder, its model is asked instead.

use std::error::Error;

use tercet_bert::{BertBatch, BertForMaskedLm, Config, Preset};
use tercet_objectives::masked::{self, Masking};
use tercet_objectives::{Ragged, Random};
use tercet_tensor::ops::Target;
use tercet_tensor::{Params, Pool, Tape};
use tercet_tokenizer::{Special, Tokenizer, Training};
use tercet_train::{Decays, Optimizer, Rule, clip_factor};

const FACTS: [&str; 6] = [
    "the capital of france is paris.",
    "the capital of japan is tokyo.",
    "the capital of kenya is nairobi.",
    "the colour of grass is green.",
    "the colour of coal is black.",
    "the colour of snow is white.",
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (model, tokenizer, text) = match &arguments[..] {
        [folder, text] => (BertForMaskedLm::load(folder)?.model, Tokenizer::open(folder)?, text.as_str()),
        _ => {
            let (model, tokenizer) = learn()?;
            (model, tokenizer, "the capital of japan is [MASK].")
        }
    };

    let ids = tokenizer.encode(text, Special::With)?;
    let mask = tokenizer.token_to_id("[MASK]").ok_or("the tokenizer has no [MASK]")?;
    let row = ids.iter().position(|&id| id == mask).ok_or("the text has no [MASK]")?;
    let candidates = model.candidates(&BertBatch::new(&[ids]), &[row as u32], 5);
    for candidate in candidates[0].iter().rev() {
        let token = tokenizer.id_to_token(candidate.id).unwrap_or_default();
        println!("{token:<12} {:.3}", candidate.probability);
    }
    Ok(())
}

/// A BERT that knows the facts above and nothing else.
fn learn() -> Result<(BertForMaskedLm, Tokenizer), Box<dyn Error>> {
    let tokenizer = Training::word_piece(200).run(FACTS.iter())?;
    let config = Config { vocab_size: tokenizer.vocab_size(), ..Preset::TINY.config() }.without_dropout();
    let id =
        |token: &str| tokenizer.token_to_id(token).ok_or("a trained vocabulary has BERT's special tokens");
    let vocabulary = masked::Vocabulary {
        size: config.vocab_size,
        cls: id("[CLS]")?,
        sep: id("[SEP]")?,
        mask: id("[MASK]")?,
    };
    let ids = tokenizer.encode_batch(&FACTS, Special::With)?;
    let special = |id| id == vocabulary.cls || id == vocabulary.sep;
    let places: Vec<_> = ids.iter().flat_map(|ids| masked::places(ids, special, |_| false)).collect();
    let facts = Ragged::from_sequences(&ids);
    let lengths: Vec<usize> = facts.lengths().collect();

    let params = Params::new();
    let model = BertForMaskedLm::new(&params, &config);
    params.init(0);
    let mut optimizer = Optimizer::new(Rule::adam_w(0.01), Decays::NotBiasOrNorm, &params);
    let (pool, mut random) = (Pool::new(), Random::new(0));
    for step in 0..200 {
        // All facts at once, other ids hidden at each step.
        let mut ids = facts.ids.clone();
        let targets = masked::mask(&mut ids, &places, &vocabulary, &Masking::hf(), &mut random);
        if targets.is_empty() {
            continue;
        }
        let weight = 1.0 / targets.len() as f32;
        let targets: Vec<Target> = targets.iter().map(|(row, id)| Target { row, id, weight }).collect();
        let types = vec![0; ids.len()];
        params.zero_grad();
        let loss = {
            let tape = Tape::train_in(&pool, step);
            let loss = model.loss(&tape, &BertBatch::packed(ids, types, &lengths), &targets).total;
            tape.backward(&loss);
            loss.item()
        };
        let clip = clip_factor(optimizer.grad_norm(&params), 1.0);
        optimizer.step(&params, 1e-3, clip);
        if (step + 1) % 50 == 0 {
            println!("step {:3}  loss {loss:.3}", step + 1);
        }
    }
    Ok((model, tokenizer))
}
