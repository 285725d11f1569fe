//! What becomes of an id that was picked.

use super::Vocabulary;
use crate::{Error, Random};

/// The shares of the picked ids that become `[MASK]`, become a random id, or stay. They sum to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Replacement {
    /// The share that becomes `[MASK]`.
    pub mask: f64,
    /// The share that becomes a random id.
    pub random: f64,
    /// The share that stays.
    pub keep: f64,
    /// Which ids a random one may be.
    pub draw: Draw,
}

/// Which ids a random replacement may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// All of the vocabulary, special ids and the replaced one included.
    Any,
    /// All but the one that is replaced.
    Other,
}

impl Replacement {
    /// As Google's code and Hugging Face's collator have it: 80 %, 10 % any id, 10 %.
    pub fn google() -> Self {
        Replacement { mask: 0.8, random: 0.1, keep: 0.1, draw: Draw::Any }
    }

    /// As the model card of `bert-base-uncased` has it: a random id differs from the one it replaces.
    pub fn card() -> Self {
        Replacement { draw: Draw::Other, ..Self::google() }
    }

    /// `[MASK]` always.
    pub fn mask() -> Self {
        Replacement { mask: 1.0, random: 0.0, keep: 0.0, draw: Draw::Any }
    }

    /// Whether the shares have a meaning.
    ///
    /// # Errors
    /// A share is not in [0, 1], or they do not sum to 1.
    pub fn check(&self) -> Result<(), Error> {
        for (name, share) in [("mask", self.mask), ("random", self.random), ("keep", self.keep)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::Setting {
                    name,
                    expected: "a number from 0 to 1",
                    found: share.to_string(),
                });
            }
        }
        let sum = self.mask + self.random + self.keep;
        if (sum - 1.0).abs() > 1e-9 {
            let (name, expected) = ("mask + random + keep", "a sum of 1");
            return Err(Error::Setting { name, expected, found: sum.to_string() });
        }
        Ok(())
    }

    /// What stands in the place of `id`, with the draws of the original: one for `[MASK]` or not, a second for what is
    /// left, a third for which id.
    pub(super) fn of(&self, id: u32, vocabulary: &Vocabulary, random: &mut Random) -> u32 {
        if random.uniform() < self.mask {
            return vocabulary.mask;
        }
        if random.uniform() < self.keep / (self.keep + self.random) {
            return id;
        }
        match self.draw {
            Draw::Any => random.below(vocabulary.size) as u32,
            Draw::Other => {
                let drawn = random.below(vocabulary.size - 1) as u32;
                drawn + u32::from(drawn >= id)
            }
        }
    }
}

impl Default for Replacement {
    fn default() -> Self {
        Self::google()
    }
}
