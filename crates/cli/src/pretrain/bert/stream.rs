use serde::{Deserialize, Serialize};
use tercet_objectives::masked::{self, Instance};
use tercet_train::{Batches, Failure};

use super::batch::PairBatch;
use super::examples::Maker;
use super::phase::Stretch;

/// The examples of a run, phase after phase and epoch after epoch, in batches.
pub struct Stream {
    maker: Maker,
    stretches: Vec<Stretch>,
    /// Micro-batches of a step.
    accumulate: u64,
    at: Cursor,
    /// The examples of the epoch that `at` is in.
    made: Vec<Instance>,
}

/// Where a stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    phase: usize,
    /// Micro-batches of this phase that have been read.
    batches: u64,
    epoch: u64,
    /// Examples of this epoch that have been read.
    index: usize,
    /// How many examples the epoch has; 0 before they are made.
    examples: usize,
}

impl Stream {
    /// The stream from its beginning. Examples are made when the first of them is read.
    pub fn new(maker: Maker, stretches: Vec<Stretch>, accumulate: usize) -> Self {
        Self { maker, stretches, accumulate: accumulate as u64, at: Cursor::default(), made: Vec::new() }
    }

    fn make(&mut self) -> Result<(), Failure> {
        // The old ones go first: both need not fit.
        self.made = Vec::new();
        let Cursor { phase, epoch, .. } = self.at;
        self.made = self.maker.epoch(self.stretches[phase].length, phase, epoch)?;
        self.at.examples = self.made.len();
        Ok(())
    }

    /// Goes on to the phase that the next batch is of.
    fn enter_phase(&mut self) {
        let Stretch { begin, end, .. } = self.stretches[self.at.phase];
        let over = self.at.batches >= (end - begin) * self.accumulate;
        if over && self.at.phase + 1 < self.stretches.len() {
            self.at = Cursor { phase: self.at.phase + 1, ..Cursor::default() };
            self.made = Vec::new();
        }
    }

    fn example(&mut self) -> Result<Instance, Failure> {
        if self.at.index == self.made.len() {
            if !self.made.is_empty() {
                (self.at.epoch, self.at.index) = (self.at.epoch + 1, 0);
            }
            self.make()?;
        }
        let Cursor { phase, epoch, index, .. } = self.at;
        self.at.index += 1;
        Ok(self.maker.example(&self.made[index], phase, epoch, index))
    }
}

impl Batches for Stream {
    type Batch = PairBatch;

    fn next(&mut self) -> Result<PairBatch, Failure> {
        self.enter_phase();
        let size = self.stretches[self.at.phase].batch;
        let examples: Vec<Instance> = (0..size).map(|_| self.example()).collect::<Result<_, _>>()?;
        self.at.batches += 1;
        Ok(masked::batch(&examples).into())
    }

    fn cursor(&self) -> serde_json::Value {
        serde_json::to_value(self.at).expect("a position is plain data")
    }

    fn restore(&mut self, cursor: &serde_json::Value) -> Result<(), Failure> {
        let at: Cursor = serde_json::from_value(cursor.clone())?;
        if at.phase >= self.stretches.len() {
            return Err(format!("phase {} of {}", at.phase + 1, self.stretches.len()).into());
        }
        self.at = at;
        if at.examples > 0 {
            self.make()?;
        }
        if self.at.examples != at.examples {
            let found = self.at.examples;
            let reason =
                format!("the text or the way examples are made has changed: {found} of them in an epoch");
            return Err(format!("{reason}, {} when this was saved", at.examples).into());
        }
        Ok(())
    }
}
