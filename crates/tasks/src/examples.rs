use tercet_data::stories::{Exercise, Side};

use crate::{Example, Split};

/// The examples of a split of a task.
#[derive(Clone, Debug)]
pub struct Examples(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Read(Vec<Example>),
    Generated { exercise: Exercise, side: Side, seed: u64 },
}

impl Examples {
    pub(crate) fn read(examples: Vec<Example>) -> Self {
        Self(Kind::Read(examples))
    }

    pub(crate) fn generated(exercise: Exercise, split: Split, seed: u64) -> Self {
        let side = if split == Split::Train { Side::Train } else { Side::HeldOut };
        // Validation and test are different questions, none of them among those to learn from.
        let seed = if split == Split::Test { !seed } else { seed };
        Self(Kind::Generated { exercise, side, seed })
    }

    /// How many there are; none where they have no end.
    pub fn number(&self) -> Option<u64> {
        match &self.0 {
            Kind::Read(examples) => Some(examples.len() as u64),
            Kind::Generated { .. } => None,
        }
    }

    /// Example `index`.
    ///
    /// # Panics
    /// There are not so many.
    pub fn example(&self, index: u64) -> Example {
        match &self.0 {
            Kind::Read(examples) => examples[index as usize].clone(),
            Kind::Generated { exercise, side, seed } => {
                let (question, answer) = exercise.ask(*seed, *side, index);
                Example::new(question, answer)
            }
        }
    }

    /// The first examples, at most `most` of them.
    pub fn first(&self, most: u64) -> Vec<Example> {
        (0..most.min(self.number().unwrap_or(most))).map(|index| self.example(index)).collect()
    }
}
