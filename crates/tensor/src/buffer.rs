use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Buffers of at least this many floats (64 KiB) are recycled and counted; smaller ones are left to the allocator.
const LARGE: usize = 16 * 1024;

/// Keeps the buffers of finished passes and hands them out again.
///
/// A fresh large allocation costs a page fault for every 4 KiB touched, as much as a slow kernel; a training loop
/// that makes every pass with [`Tape::train_in`](crate::Tape::train_in) on the same pool allocates nothing large after
/// its first step, which [`Pool::large_allocations`] shows.
#[derive(Clone, Default)]
pub struct Pool(Arc<Shelves>);

#[derive(Default)]
struct Shelves {
    free: Mutex<BTreeMap<usize, Vec<Vec<f32>>>>,
    large_allocations: AtomicU64,
}

impl Pool {
    /// An empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// A buffer of `len` floats with arbitrary contents.
    pub fn take(&self, len: usize) -> Buffer {
        if len < LARGE {
            return Buffer { data: vec![0.0; len], len, pool: None };
        }
        let class = size_class(len);
        let recycled = {
            let mut free = self.0.free.lock().expect("pool poisoned");
            // A buffer up to a quarter larger serves as well: ragged batches differ a little from step to step.
            let size = free
                .range(class..=class + class / 4)
                .find(|(_, shelf)| !shelf.is_empty())
                .map(|(&size, _)| size);
            size.and_then(|size| free.get_mut(&size).and_then(Vec::pop))
        };
        let data = recycled.unwrap_or_else(|| {
            self.0.large_allocations.fetch_add(1, Ordering::Relaxed);
            vec![0.0; class]
        });
        Buffer { data, len, pool: Some(self.clone()) }
    }

    /// A buffer of `len` zeros.
    pub fn zeros(&self, len: usize) -> Buffer {
        let mut buffer = self.take(len);
        if len >= LARGE {
            buffer.fill(0.0);
        }
        buffer
    }

    /// A buffer that holds a copy of `data`.
    pub fn copy_of(&self, data: &[f32]) -> Buffer {
        let mut buffer = self.take(data.len());
        buffer.copy_from_slice(data);
        buffer
    }

    /// How many large buffers (64 KiB and more) have been allocated, rather than recycled, since the pool was made.
    pub fn large_allocations(&self) -> u64 {
        self.0.large_allocations.load(Ordering::Relaxed)
    }
}

/// Rounds up to a multiple of an eighth of the power of two above, so that like sizes share a shelf.
fn size_class(len: usize) -> usize {
    len.next_multiple_of((len.next_power_of_two() / 8).max(1))
}

/// Floats on loan from a [`Pool`], returned to it when dropped.
pub struct Buffer {
    data: Vec<f32>,
    len: usize,
    pool: Option<Pool>,
}

impl From<Vec<f32>> for Buffer {
    fn from(data: Vec<f32>) -> Self {
        let len = data.len();
        Self { data, len, pool: None }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            let data = std::mem::take(&mut self.data);
            // A poisoned pool only means that another thread panicked: the buffer goes to the allocator instead.
            if let Ok(mut free) = pool.0.free.lock() {
                free.entry(data.len()).or_default().push(data);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_handed_out_again() {
        let pool = Pool::new();
        drop(pool.take(100_000));
        drop(pool.take(99_000));
        assert_eq!(pool.large_allocations(), 1);
        let (_a, _b) = (pool.take(100_000), pool.take(100_000));
        assert_eq!(pool.large_allocations(), 2);
    }

    #[test]
    fn zeros_are_zeros_after_use() {
        let pool = Pool::new();
        pool.take(50_000).fill(7.0);
        assert!(pool.zeros(50_000).iter().all(|&x| x == 0.0));
        assert_eq!(pool.large_allocations(), 1);
    }
}
