use std::path::Path;

use serde::{Deserialize, Serialize};
use tercet_data::Permutation;
use tercet_objectives::spans;

use crate::{Denoising, Error, Example, Examples, Result, Split, Task, TextPosition};

/// One member of a mixture: a task with its examples, or text without labels.
#[derive(Clone, Debug)]
pub struct Member {
    name: String,
    rate: Option<f64>,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Task { examples: Examples, taken: u64 },
    Text(Box<Denoising>),
}

/// An example, as its member has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Of a task: still text.
    Text(Example),
    /// Of the unsupervised objective: ids, without start and end.
    Ids(spans::Example),
}

/// Where a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Examples of a task.
    Task {
        /// How many there are; none where they have no end.
        examples: Option<u64>,
        /// How many have been taken, in all epochs.
        taken: u64,
    },
    /// Text.
    Text(TextPosition),
}

impl Member {
    /// A task with the examples of a split: from `path`, or generated from `seed`.
    ///
    /// # Errors
    /// As [`Task::open`].
    pub fn of_task(task: &'static Task, path: Option<&Path>, split: Split, seed: u64) -> Result<Self> {
        let examples = task.open(path, split, seed)?;
        Ok(Self { name: task.name.to_owned(), rate: None, source: Source::Task { examples, taken: 0 } })
    }

    /// Text without labels.
    pub fn of_text(name: impl Into<String>, text: Denoising) -> Self {
        Self { name: name.into(), rate: None, source: Source::Text(Box::new(text)) }
    }

    /// The same member with a rate of its own, whatever the number of its examples.
    pub fn with_rate(self, rate: f64) -> Self {
        Self { rate: Some(rate), ..self }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its own rate, if it has one.
    pub fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// How many examples it has; none where they have no end.
    pub fn number(&self) -> Option<u64> {
        match &self.source {
            Source::Task { examples, .. } => examples.number(),
            Source::Text(text) => Some(text.number()),
        }
    }

    /// Where its next example is.
    pub fn place(&self) -> Place {
        match &self.source {
            Source::Task { examples, taken } => Place::Task { examples: examples.number(), taken: *taken },
            Source::Text(text) => Place::Text(text.position()),
        }
    }

    pub(super) fn restore(&mut self, place: Place) -> Result<()> {
        let other = |expected: String, found: String| Error::OtherMixture { expected, found };
        match (&mut self.source, place) {
            (Source::Task { examples, taken }, Place::Task { examples: number, taken: saved }) => {
                if examples.number() != number {
                    let count = |n: Option<u64>| n.map_or("without end".to_owned(), |n| n.to_string());
                    let of = |n| format!("{} with examples: {}", self.name, count(n));
                    return Err(other(of(examples.number()), of(number)));
                }
                *taken = saved;
                Ok(())
            }
            (Source::Text(text), Place::Text(position)) => text.restore(position),
            (Source::Task { .. }, Place::Text(_)) => {
                Err(other(format!("{}, a task", self.name), format!("{}, a text", self.name)))
            }
            (Source::Text(_), Place::Task { .. }) => {
                Err(other(format!("{}, a text", self.name), format!("{}, a task", self.name)))
            }
        }
    }

    /// The next example; `seed` decides the order of those that are read.
    pub(super) fn next_content(&mut self, seed: u64) -> Result<Content> {
        match &mut self.source {
            Source::Task { examples, taken } => {
                let index = match examples.number() {
                    Some(number) => Permutation::new(number, seed, *taken / number).at(*taken % number),
                    None => *taken,
                };
                *taken += 1;
                Ok(Content::Text(examples.example(index)))
            }
            Source::Text(text) => Ok(Content::Ids(text.next_example()?)),
        }
    }
}
