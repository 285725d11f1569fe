//! Working memory that each thread keeps, and destinations that tasks share.

use super::ahead::Place;
use super::rows::{Grads, RowsMut};
use std::cell::RefCell;
use std::marker::PhantomData;

/// Sixteen numbers on a cache line of their own.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

thread_local! {
    static LINES: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// Lends `work` memory of the thread for buffers of these lengths, each aligned to a cache line. It holds what the last
/// borrower left.
pub(super) fn with_scratch<R>(
    lens: impl IntoIterator<Item = usize>,
    work: impl FnOnce(&mut [f32]) -> R,
) -> R {
    let wanted = lens.into_iter().map(|len| len.div_ceil(16)).sum();
    LINES.with_borrow_mut(|lines| {
        if lines.len() < wanted {
            *lines = vec![Line([0.0; 16]); wanted];
        }
        // SAFETY: a Line is sixteen f32 without padding, so there are 16 f32 a line, initialised and borrowed mutably.
        work(unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), 16 * wanted) })
    })
}

/// Cuts the next `len` numbers, rounded up to whole cache lines, off `scratch`.
pub(super) fn take<'a>(scratch: &mut &'a mut [f32], len: usize) -> &'a mut [f32] {
    let (head, tail) = std::mem::take(scratch).split_at_mut(len.next_multiple_of(16));
    *scratch = tail;
    &mut head[..len]
}

/// Strided rows that several tasks write, each its own rows or columns.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a, T = f32> {
    data: *mut T,
    len: usize,
    stride: usize,
    offset: usize,
    borrowed: PhantomData<&'a mut [T]>,
}

// SAFETY: a Shared only hands out slices through `slice`, whose callers answer for their being disjoint.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T: Copy> Shared<'a, T> {
    /// Shares `rows` for as long as they are borrowed.
    pub(super) fn new(rows: RowsMut<'a, T>) -> Self {
        let RowsMut { data, stride, offset } = rows;
        Self { data: data.as_mut_ptr(), len: data.len(), stride, offset, borrowed: PhantomData }
    }

    /// Shares dq, dk and dv.
    pub(super) fn parts(grads: Grads<'a, T>) -> [Self; 3] {
        match grads {
            Grads::Separate { dq, dk, dv } => [Self::new(dq), Self::new(dk), Self::new(dv)],
            Grads::Fused { data, stride, offsets } => {
                let (data, len) = (data.as_mut_ptr(), data.len());
                offsets.map(|offset| Self { data, len, stride, offset, borrowed: PhantomData })
            }
        }
    }

    /// `width` numbers of one row, from `column` on.
    ///
    /// # Safety
    /// No other slice of these numbers may live at the same time.
    ///
    /// # Panics
    /// When they lie outside the buffer.
    pub(super) unsafe fn slice(&self, row: usize, column: usize, width: usize) -> &'a mut [T] {
        let first = row * self.stride + self.offset + column;
        assert!(first + width <= self.len, "{width} numbers from {first} on, in a buffer of {}", self.len);
        // SAFETY: inside the buffer by the assertion, which is borrowed for 'a; the caller answers for exclusiveness.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(first), width) }
    }
}

impl Shared<'_> {
    /// Where it lies.
    pub(super) fn place(&self) -> Place {
        let at = self.data.wrapping_add(self.offset).cast_const();
        Place { at, stride: self.stride, rows: self.len / self.stride }
    }
}
