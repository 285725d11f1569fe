use tercet_data::{Cursor, Prefetch, Windows};
use tercet_objectives::causal::Documents;
use tercet_train::{Batches, Failure};

use crate::lm_batch::LmBatch;

/// Batches that wait while the model is busy.
const AHEAD: usize = 4;

/// The training text as an endless stream of batches, made in a thread of its own.
pub struct Stream {
    windows: Windows,
    documents: Documents,
    ahead: Prefetch<LmBatch>,
}

impl Stream {
    /// The stream from its beginning, in the order that `seed` decides.
    ///
    /// # Errors
    /// Never for the position that is the beginning.
    pub fn new(windows: Windows, documents: Documents, seed: u64) -> Result<Self, tercet_data::Error> {
        let start = windows.start(seed);
        let ahead = prefetch(&windows, documents, start)?;
        Ok(Self { windows, documents, ahead })
    }
}

fn prefetch(
    windows: &Windows,
    documents: Documents,
    cursor: Cursor,
) -> Result<Prefetch<LmBatch>, tercet_data::Error> {
    Prefetch::new(windows.clone(), cursor, AHEAD, move |batch| LmBatch::next_token(&batch, documents))
}

impl Batches for Stream {
    type Batch = LmBatch;

    fn next(&mut self) -> Result<LmBatch, Failure> {
        let batch = self.ahead.next().ok_or("the training text has come to an end")?;
        Ok(batch?)
    }

    fn cursor(&self) -> serde_json::Value {
        serde_json::to_value(self.ahead.cursor()).expect("a position is plain data")
    }

    fn restore(&mut self, cursor: &serde_json::Value) -> Result<(), Failure> {
        let cursor: Cursor = serde_json::from_value(cursor.clone())?;
        self.ahead = prefetch(&self.windows, self.documents, cursor)?;
        Ok(())
    }
}
