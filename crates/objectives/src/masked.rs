//! Masked language modelling and next-sentence prediction (Devlin et al. 2019, section 3.1 and appendix A.2).
//!
//! There are three published ways to hide ids, and each is a value here:
//!
//! | who | call | picks | of the picked |
//! |---|---|---|---|
//! | Google's `create_pretraining_data.py` | [`instances`] with [`Settings::default`] | a fixed share of each instance, once | 80 % `[MASK]`, 10 % any id, 10 % stay |
//! | Hugging Face's collator | [`mask`] with [`Masking::hf`] | each id by itself, anew each time | the same |
//! | the same, whole words | [`mask`] with [`Masking::hf_whole_word`] | each word by itself, anew each time | all `[MASK]` |
//! | the model card of `bert-base-uncased` | [`Replacement::card`] in either | | 80 % `[MASK]`, 10 % any *other* id, 10 % stay |
//!
//! Given the same documents and seed, [`instances`] returns those of the original, id for id. For sentence pairs that are
//! masked anew at each epoch, make them with a `max_predictions_per_seq` of 0, and [`mask`] a copy of each when it is
//! its turn.

mod dynamic;
mod pipeline;
mod replacement;

pub use dynamic::{Masking, Place, mask, places, places_by_offsets};
pub use pipeline::{Settings, instances};
pub use replacement::{Draw, Replacement};

use crate::{Error, Ragged, Targets};

/// What the pipeline must know of a vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// How many ids there are; a random replacement is any of them, special ids included.
    pub size: usize,
    /// `[CLS]`.
    pub cls: u32,
    /// `[SEP]`.
    pub sep: u32,
    /// `[MASK]`.
    pub mask: u32,
}

impl Vocabulary {
    fn check(&self) -> Result<(), Error> {
        let [a, b, c] = [self.cls, self.sep, self.mask];
        if a == b || b == c || a == c || [a, b, c].iter().any(|&id| id as usize >= self.size) {
            let found = format!("{a}, {b} and {c} of {} ids", self.size);
            let expected = "three ids of the vocabulary";
            return Err(Error::Setting { name: "[CLS], [SEP] and [MASK]", expected, found });
        }
        Ok(())
    }
}

/// What is picked for prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Single ids.
    Token,
    /// Whole words: an id that continues a word is picked with those before it.
    Word,
}

/// One training example: `[CLS] A [SEP] B [SEP]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The ids, masked.
    pub ids: Vec<u32>,
    /// Where segment 1 (B and its `[SEP]`) begins.
    pub second_segment: usize,
    /// Whether B was drawn from somewhere else, instead of following A.
    pub is_random_next: bool,
    /// The masked positions, and what stood there.
    pub targets: Targets,
}

/// Instances laid end to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The ids, (N).
    pub inputs: Ragged,
    /// The segment of each id, (N): 0 for A, 1 for B.
    pub segments: Vec<u32>,
    /// What to predict, by row of the batch.
    pub targets: Targets,
    /// The next-sentence label of each instance: 0 where B follows A, 1 where it does not.
    pub next_sentence: Vec<u32>,
}

/// Lays instances end to end.
pub fn batch<'a>(instances: impl IntoIterator<Item = &'a Instance>) -> Batch {
    let mut batch = Batch::default();
    for instance in instances {
        let first = batch.inputs.ids.len();
        for (row, id) in instance.targets.iter() {
            batch.targets.push(first + row as usize, id);
        }
        batch.segments.extend((0..instance.ids.len()).map(|at| u32::from(at >= instance.second_segment)));
        batch.next_sentence.push(u32::from(instance.is_random_next));
        batch.inputs.push(instance.ids.iter().copied());
    }
    batch
}
