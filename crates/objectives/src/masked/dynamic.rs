//! Masking on the fly, anew each time an example is read.

use std::ops::Range;

use super::{Replacement, Unit, Vocabulary};
use crate::{Random, Targets};

/// How ids are masked on the fly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Masking {
    /// The probability that a unit is picked.
    pub pick: f64,
    /// What is picked.
    pub unit: Unit,
    /// What becomes of the picked.
    pub replacement: Replacement,
}

impl Masking {
    /// Hugging Face's `DataCollatorForLanguageModeling`: each id by itself with 15 %, and no limit.
    pub fn hf() -> Self {
        Masking { pick: 0.15, unit: Unit::Token, replacement: Replacement::google() }
    }

    /// The same with its `whole_word_mask`, which makes all that is picked `[MASK]`.
    pub fn hf_whole_word() -> Self {
        Masking { pick: 0.15, unit: Unit::Word, replacement: Replacement::mask() }
    }

    /// As the model card of `bert-base-uncased` tells it: a random id differs from the one it replaces.
    pub fn card() -> Self {
        Masking { replacement: Replacement::card(), ..Self::hf() }
    }
}

impl Default for Masking {
    fn default() -> Self {
        Self::hf()
    }
}

/// What an id is to masking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Never picked: `[CLS]`, `[SEP]`, `[PAD]`, …
    Special,
    /// The first id of a word.
    Begins,
    /// A later id of the word before it.
    Continues,
}

/// What each id is, from the ids alone: for a WordPiece vocabulary `continues` is true of the entries in `##`.
pub fn places(ids: &[u32], special: impl Fn(u32) -> bool, continues: impl Fn(u32) -> bool) -> Vec<Place> {
    let place = |&id: &u32| match id {
        id if special(id) => Place::Special,
        id if continues(id) => Place::Continues,
        _ => Place::Begins,
    };
    ids.iter().map(place).collect()
}

/// What each id is, from where in the text it came from: as in transformers 5, an id that begins where the one before it
/// ends continues its word, so a comma belongs to the word it touches.
///
/// # Panics
/// There are not as many offsets as ids.
pub fn places_by_offsets(ids: &[u32], offsets: &[Range<usize>], special: impl Fn(u32) -> bool) -> Vec<Place> {
    assert_eq!(ids.len(), offsets.len(), "{} ids, {} offsets", ids.len(), offsets.len());
    let mut end = None;
    let place = |(&id, offset): (&u32, &Range<usize>)| {
        let touches = end == Some(offset.start);
        end = (!special(id)).then_some(offset.end);
        match end {
            None => Place::Special,
            Some(_) if touches => Place::Continues,
            Some(_) => Place::Begins,
        }
    };
    ids.iter().zip(offsets).map(place).collect()
}

/// Masks ids in their places, and tells what was hidden. Each unit is picked by itself.
///
/// ```
/// use tercet_objectives::{Random, masked::{self, Masking, Place, Replacement}};
///
/// let vocabulary = masked::Vocabulary { size: 1000, cls: 101, sep: 102, mask: 103 };
/// let mut ids = vec![101, 7, 8, 9, 102];
/// let places = masked::places(&ids, |id| [101, 102].contains(&id), |_| false);
/// let all = Masking { pick: 1.0, replacement: Replacement::mask(), ..Masking::hf() };
/// let targets = masked::mask(&mut ids, &places, &vocabulary, &all, &mut Random::new(0));
/// assert_eq!(ids, [101, 103, 103, 103, 102]);
/// assert_eq!(targets.ids, [7, 8, 9]);
/// ```
///
/// # Panics
/// There are not as many places as ids, or a random id should be [another](super::Draw::Other) where the vocabulary has
/// only one.
pub fn mask(
    ids: &mut [u32],
    places: &[Place],
    vocabulary: &Vocabulary,
    masking: &Masking,
    random: &mut Random,
) -> Targets {
    assert_eq!(ids.len(), places.len(), "{} ids, {} places", ids.len(), places.len());
    let mut targets = Targets::default();
    let mut word = None; // whether the word that is being read was picked
    for (row, (id, &place)) in ids.iter_mut().zip(places).enumerate() {
        let same = word.filter(|_| masking.unit == Unit::Word && place == Place::Continues);
        word = match place {
            Place::Special => None,
            _ => Some(same.unwrap_or_else(|| random.uniform() < masking.pick)),
        };
        if word == Some(true) {
            targets.push(row, *id);
            *id = masking.replacement.of(*id, vocabulary, random);
        }
    }
    targets
}
