//! Inputs and targets from one's own ids: the objectives crate alone, for a model in any framework.
//!
//! `cargo run -p tercet-examples --bin objective_only`

use tercet_objectives::causal::{self, Documents};
use tercet_objectives::{IGNORE, Ragged};

/// The id that stands between documents.
const END: u32 = 0;

fn main() -> Result<(), tercet_objectives::Error> {
    // Windows cut from a stream of documents, of different lengths if need be.
    let windows = Ragged::from_sequences([&[5, 6, 7, END, 8, 9][..], &[9, 8, END]]);

    // To pretrain: each id from those before it in the window, or only those of its document.
    for documents in [Documents::Cross, Documents::Split { separator: END }] {
        let batch = causal::next_token(&windows, documents);
        println!("{documents:?}");
        println!("  sequences {:?}", batch.inputs.sequences().collect::<Vec<_>>());
        println!("  targets   {:?}", batch.targets.iter().collect::<Vec<_>>());
    }

    // From padded arrays with Hugging Face's labels, here of one row: the padding is gone afterwards.
    let labels = [IGNORE, IGNORE, 7, 8, IGNORE];
    let batch = causal::from_hugging_face(&[5, 6, 7, 8, END], &[1, 1, 1, 1, 0], &labels, 5)?;
    println!("of a padded row: {:?} say {:?}", batch.targets.rows, batch.targets.ids);

    // To measure perplexity: every id but the first is a target exactly once.
    let text: Vec<u32> = (1..=1000).collect();
    let targets: usize = causal::sliding_windows(&text, 128, 64).map(|window| window.targets.len()).sum();
    println!("targets {targets}");
    Ok(())
}
