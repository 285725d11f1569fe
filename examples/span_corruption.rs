//! What T5 learns from text without labels: spans are hidden, and the answer spells them out.
//!
//! `cargo run -p tercet-examples --bin span_corruption [SENTENCE]`

use std::error::Error;

use tercet_objectives::Random;
use tercet_objectives::denoising::Objective;
use tercet_objectives::spans::{Example, Noise};
use tercet_tokenizer::{Special, Tokenizer, Training};

/// The paper's own sentence (Raffel et al. 2020, figure 2).
const SENTENCE: &str = "Thank you for inviting me to your party last week.";

fn main() -> Result<(), Box<dyn Error>> {
    let sentence = std::env::args().nth(1).unwrap_or_else(|| SENTENCE.to_owned());

    // A small vocabulary with 100 sentinels, <extra_id_0> to <extra_id_99>, at its end.
    let tokenizer = Training::unigram(300).run(std::iter::repeat_n(sentence.as_str(), 20))?;
    let ids = tokenizer.encode(&sentence, Special::Without)?;
    let vocabulary = tokenizer.vocab_size() as u32;
    println!("text     {}", spelt(&tokenizer, &ids)?);

    // 15 % of the ids in spans of three, as the paper found best; then each id by itself; then a beginning to go on from.
    let spans = Objective::Spans(Noise::default());
    let objectives = [
        ("spans", spans),
        ("iid", Objective::Iid { density: 0.15 }),
        ("prefix", Objective::PrefixLm { density: 0.5 }),
    ];
    for (name, objective) in objectives {
        let Example { inputs, targets } = objective.corrupt(&ids, vocabulary, &mut Random::new(1))?;
        println!("{name}\n  inputs  {}", spelt(&tokenizer, &inputs)?);
        println!("  targets {}", spelt(&tokenizer, &targets)?);
    }

    // Pieces of 568 ids fill inputs of 512: what is hidden is longer than the sentinels that stand for it.
    let lengths = Noise::default().lengths(512)?;
    println!(
        "inputs of {} and targets of {} come from pieces of {}",
        lengths.inputs,
        lengths.targets,
        spans.piece(512)?
    );
    Ok(())
}

/// Ids as text, sentinels included.
fn spelt(tokenizer: &Tokenizer, ids: &[u32]) -> Result<String, tercet_tokenizer::Error> {
    tokenizer.decode(ids, Special::With)
}
