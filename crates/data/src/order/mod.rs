//! Which ids come next.

mod permutation;
mod prefetch;
mod windows;

pub use permutation::Permutation;
pub use prefetch::Prefetch;
use serde::{Deserialize, Serialize};
pub use windows::Windows;

/// The order in which a view is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Order {
    /// Blocks of T + 1 ids, one beginning at the last id of the one before, each once an epoch in a shuffled order.
    /// What is left at the end of the view and does not fill a block is not read.
    Blocks,
    /// T + 1 ids from anywhere, as in nanoGPT. An epoch is as many windows as there are blocks.
    Crops,
    /// T + 1 ids from every `stride`-th place in order, to the end of the view, once. For evaluation.
    Sequential {
        /// The distance between windows: T to predict every id once; less to give each more context.
        stride: usize,
    },
    /// The first T + 1 ids of every document, each once an epoch in a shuffled order.
    Documents,
}

/// A position in an order: all that must be saved to go on exactly where a run was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Decides the shuffled order of every epoch.
    pub seed: u64,
    /// How many epochs have been completed.
    pub epoch: u64,
    /// How many windows of this epoch have been read.
    pub index: u64,
    /// How many windows an epoch has.
    pub windows: u64,
}

impl Cursor {
    /// Epochs read, with the fraction of the current one.
    pub fn epochs(&self) -> f64 {
        self.epoch as f64 + self.index as f64 / self.windows as f64
    }
}

/// Some windows of ids laid end to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The ids of all windows, (N).
    pub ids: Vec<u32>,
    /// Where each window begins in `ids`, and N at the end.
    pub starts: Vec<usize>,
    /// How many ids at the start of each window are context alone: of its targets, those among them were targets of an
    /// earlier window. 1 where windows do not overlap, as the first id of a window is never a target.
    pub context: Vec<usize>,
    /// The position before this batch, for randomness that must be the same after a resume.
    pub cursor: Cursor,
}

impl Batch {
    /// The windows one by one.
    pub fn windows(&self) -> impl Iterator<Item = &[u32]> {
        self.starts.windows(2).map(|ends| &self.ids[ends[0]..ends[1]])
    }
}
