use serde_json::Value;

use crate::error::Failure;

/// What the trainer must know of a micro-batch.
pub trait MicroBatch {
    /// Tokens that the model reads, for the speed.
    fn tokens(&self) -> usize;

    /// How many targets each term of the loss has here: one number for a language model, two for a loss with a
    /// second term of its own.
    ///
    /// The trainer adds them up over all micro-batches of a step, and gives the loss 1 over each sum as the weight of
    /// a target. So a target weighs the same in whichever micro-batch it lies, and accumulating is exactly a larger
    /// batch.
    fn targets(&self) -> Vec<usize>;
}

/// An endless, repeatable stream of micro-batches.
pub trait Batches {
    /// What it gives.
    type Batch: MicroBatch;

    /// The next micro-batch.
    ///
    /// # Errors
    /// When it cannot be read.
    fn next(&mut self) -> Result<Self::Batch, Failure>;

    /// Where the stream stands: after the last micro-batch that [`Batches::next`] returned, whatever was fetched
    /// ahead.
    fn cursor(&self) -> Value;

    /// Goes on from a position that [`Batches::cursor`] gave.
    ///
    /// # Errors
    /// When the position is not one of this stream.
    fn restore(&mut self, cursor: &Value) -> Result<(), Failure>;
}
