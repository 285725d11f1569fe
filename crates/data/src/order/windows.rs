use std::ops::Range;

use super::permutation::{Permutation, mix};
use super::{Batch, Cursor, Order};
use crate::{Error, Result, View};

/// Gives batches of windows of a view, each a function of a [`Cursor`] alone.
///
/// ```
/// use tercet_data::{Order, StoreWriter, Windows};
/// use tercet_tokenizer::Fingerprint;
///
/// let folder = tempfile::tempdir()?;
/// let hash = Fingerprint::of(b"made by hand");
/// let mut writer = StoreWriter::create(folder.path().join("numbers.ids"), 100, hash, hash)?;
/// writer.push_document(&(0..100).collect::<Vec<u32>>())?;
/// let store = writer.finish()?;
///
/// let windows = Windows::new(store.view(), Order::Blocks, 8, 4)?;
/// let mut cursor = windows.start(1);
/// let batch = windows.next_batch(&mut cursor)?.expect("shuffled orders have no end");
/// assert!(batch.windows().all(|window| window.len() == 9 && window[8] == window[0] + 8));
///
/// let mut saved = cursor;
/// assert_eq!(windows.next_batch(&mut saved)?, windows.next_batch(&mut cursor)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Windows {
    view: View,
    order: Order,
    length: u64,
    batch: usize,
    windows: u64,
}

impl Windows {
    /// Windows with at most `length` predictions each, which is `length` + 1 ids; `batch` windows at a time.
    ///
    /// # Errors
    /// When the view is too short for a single window, or a setting is 0.
    pub fn new(view: View, order: Order, length: usize, batch: usize) -> Result<Self> {
        let stride = if let Order::Sequential { stride } = order { stride } else { length };
        let settings = [("the window length", length), ("the batch size", batch), ("the stride", stride)];
        if let Some((name, _)) = settings.iter().find(|(_, value)| *value == 0) {
            return Err(Error::Setting { name, expected: "at least 1", found: "0".into() });
        }
        if stride > length {
            let expected = "at most the window length";
            return Err(Error::Setting { name: "the stride", expected, found: stride.to_string() });
        }
        let (tokens, length, stride) = (view.tokens(), length as u64, stride as u64);
        let (windows, needed) = match order {
            Order::Blocks | Order::Crops => (tokens.saturating_sub(1) / length, length.saturating_add(1)),
            // The last window is the first that reaches the end.
            Order::Sequential { .. } if tokens < 2 => (0, 2),
            Order::Sequential { .. } => ((tokens - 1).saturating_sub(length).div_ceil(stride) + 1, 2),
            Order::Documents => (view.documents(), 1),
        };
        if windows == 0 {
            return Err(Error::TooShort { tokens, needed });
        }
        Ok(Self { view, order, length, batch, windows })
    }

    /// The position before the first window.
    pub fn start(&self, seed: u64) -> Cursor {
        Cursor { seed, epoch: 0, index: 0, windows: self.windows }
    }

    /// How many windows an epoch has.
    pub fn per_epoch(&self) -> u64 {
        self.windows
    }

    /// Checks that a saved position belongs to this data.
    ///
    /// # Errors
    /// When it was saved in data with another number of windows.
    pub fn check(&self, cursor: &Cursor) -> Result<()> {
        if cursor.windows != self.windows || cursor.index > self.windows {
            return Err(Error::OtherData { expected: self.windows, found: cursor.windows });
        }
        Ok(())
    }

    /// The batch at a position, which moves on; `None` at the end of a sequential order.
    ///
    /// A batch of a shuffled order goes on into the next epoch, so all are of the same size.
    ///
    /// # Errors
    /// When the position is not of this data, or a block of the store is damaged.
    pub fn next_batch(&self, cursor: &mut Cursor) -> Result<Option<Batch>> {
        self.check(cursor)?;
        let mut at = *cursor;
        let mut batch = Batch { ids: Vec::new(), starts: vec![0], context: Vec::new(), cursor: at };
        let mut permutation = Permutation::new(self.windows, at.seed, at.epoch);
        while batch.context.len() < self.batch {
            if at.index == self.windows {
                if matches!(self.order, Order::Sequential { .. }) {
                    break;
                }
                (at.epoch, at.index) = (at.epoch + 1, 0);
                permutation = Permutation::new(self.windows, at.seed, at.epoch);
            }
            let (range, context) = self.window(&at, &permutation)?;
            self.view.read(range, &mut batch.ids)?;
            batch.starts.push(batch.ids.len());
            batch.context.push(context);
            at.index += 1;
        }
        *cursor = at;
        Ok((!batch.context.is_empty()).then_some(batch))
    }

    /// The ids of the window at a position, and how many of them are context alone.
    fn window(&self, at: &Cursor, permutation: &Permutation) -> Result<(Range<u64>, usize)> {
        let tokens = self.view.tokens();
        Ok(match self.order {
            Order::Blocks => {
                let start = permutation.at(at.index) * self.length;
                (start..start + self.length + 1, 1)
            }
            Order::Crops => {
                let places = tokens - self.length;
                let draw = mix(mix(mix(at.seed) ^ at.epoch) ^ at.index);
                // The high half of a 128-bit product is uniform up to places/2⁶⁴.
                let start = ((u128::from(draw) * u128::from(places)) >> 64) as u64;
                (start..start + self.length + 1, 1)
            }
            Order::Sequential { stride } => {
                let start = at.index * stride as u64;
                let context = if at.index == 0 { 1 } else { self.length as usize + 1 - stride };
                (start..tokens.min(start + self.length + 1), context)
            }
            Order::Documents => {
                let document = self.view.document(permutation.at(at.index))?;
                (document.start..document.end.min(document.start + self.length + 1), 1)
            }
        })
    }
}
