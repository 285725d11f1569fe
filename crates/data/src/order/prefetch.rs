use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

use super::{Batch, Cursor, Windows};
use crate::Result;

/// Makes the next batches in a background thread.
///
/// The position that it tells is that of the last batch taken, however many are waiting.
pub struct Prefetch<T> {
    /// Taken on drop, so that the thread sees that nobody listens.
    made: Option<Receiver<(Result<Option<T>>, Cursor)>>,
    thread: Option<JoinHandle<()>>,
    cursor: Cursor,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts at a position, with at most `depth` batches waiting; `make` turns a batch into what the training step
    /// needs.
    ///
    /// # Errors
    /// When the position is not of this data.
    pub fn new(
        windows: Windows,
        cursor: Cursor,
        depth: usize,
        mut make: impl FnMut(Batch) -> T + Send + 'static,
    ) -> Result<Self> {
        windows.check(&cursor)?;
        let (sender, made) = sync_channel(depth);
        let thread = thread::spawn(move || {
            let mut at = cursor;
            loop {
                let batch = windows.next_batch(&mut at).map(|batch| batch.map(&mut make));
                let last = !matches!(batch, Ok(Some(_)));
                if sender.send((batch, at)).is_err() || last {
                    break;
                }
            }
        });
        Ok(Self { made: Some(made), thread: Some(thread), cursor })
    }

    /// The position after the last batch that was taken.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = Result<T>;

    /// Takes the next batch, waiting for it if need be; `None` at the end of a sequential order and after an error.
    ///
    /// # Panics
    /// When `make` has panicked.
    fn next(&mut self) -> Option<Self::Item> {
        if let Ok((batch, cursor)) = self.made.as_ref().expect("there until dropped").recv() {
            self.cursor = cursor;
            return batch.transpose();
        }
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
        None
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        drop(self.made.take());
        if let Some(thread) = self.thread.take() {
            // A panic of `make` that nobody asked for a batch after has nothing left to spoil.
            let _ = thread.join();
        }
    }
}
