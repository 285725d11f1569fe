//! Strided views of packed buffers.

use super::ahead::Place;

/// Rows to read: row r is the `heads·head_dim` numbers from `data[r·stride + offset]` on.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T = f32> {
    /// The whole buffer.
    pub data: &'a [T],
    /// From one row to the next.
    pub stride: usize,
    /// The first column.
    pub offset: usize,
}

impl<'a, T> Rows<'a, T> {
    /// The rows of a buffer that holds nothing else.
    pub fn contiguous(data: &'a [T], width: usize) -> Self {
        Self { data, stride: width, offset: 0 }
    }

    /// Columns `head·dim ..` of one row.
    #[inline(always)]
    pub(super) fn head(&self, row: usize, head: usize, dim: usize) -> &'a [T] {
        &self.data[row * self.stride + self.offset + head * dim..][..dim]
    }
}

impl Rows<'_> {
    /// Where it lies.
    pub(super) fn place(&self) -> Place {
        let at = self.data.as_ptr().wrapping_add(self.offset);
        Place { at, stride: self.stride, rows: self.data.len() / self.stride }
    }
}

/// Rows to write, laid out as [`Rows`].
#[derive(Debug)]
pub struct RowsMut<'a, T = f32> {
    /// The whole buffer.
    pub data: &'a mut [T],
    /// From one row to the next.
    pub stride: usize,
    /// The first column.
    pub offset: usize,
}

impl<'a, T> RowsMut<'a, T> {
    /// The rows of a buffer that holds nothing else.
    pub fn contiguous(data: &'a mut [T], width: usize) -> Self {
        Self { data, stride: width, offset: 0 }
    }

    /// Columns `head·dim ..` of one row.
    pub(super) fn head(&mut self, row: usize, head: usize, dim: usize) -> &mut [T] {
        &mut self.data[row * self.stride + self.offset + head * dim..][..dim]
    }

    /// All rows, each `width` wide.
    pub(super) fn iter_mut(&mut self, width: usize) -> impl Iterator<Item = &mut [T]> {
        let offset = self.offset;
        self.data.chunks_mut(self.stride).filter_map(move |row| row.get_mut(offset..offset + width))
    }
}

/// Queries, keys and values.
#[derive(Clone, Copy, Debug)]
pub struct Qkv<'a, T = f32> {
    /// Queries (N_q, heads·head_dim).
    pub q: Rows<'a, T>,
    /// Keys (N_kv, heads·head_dim).
    pub k: Rows<'a, T>,
    /// Values (N_kv, heads·head_dim).
    pub v: Rows<'a, T>,
}

impl<'a, T> Qkv<'a, T> {
    /// The three side by side in one (N, 3·width) buffer, as one projection makes them.
    pub fn fused(data: &'a [T], width: usize) -> Self {
        let part = |i| Rows { data, stride: 3 * width, offset: i * width };
        Self { q: part(0), k: part(1), v: part(2) }
    }
}

/// What the forward left for the backward.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a, T = f32> {
    /// The output (N_q, heads·head_dim).
    pub y: &'a [T],
    /// The log-sum-exp of each score row (heads, N_q).
    pub lse: &'a [T],
}

/// Where the gradients of queries, keys and values go. They are overwritten, never added to.
#[derive(Debug)]
pub enum Grads<'a, T = f32> {
    /// Into buffers of their own.
    Separate {
        /// Gradient of the queries.
        dq: RowsMut<'a, T>,
        /// Gradient of the keys.
        dk: RowsMut<'a, T>,
        /// Gradient of the values.
        dv: RowsMut<'a, T>,
    },
    /// Into disjoint columns of one buffer.
    Fused {
        /// The whole buffer.
        data: &'a mut [T],
        /// From one row to the next.
        stride: usize,
        /// The first columns of dq, dk and dv.
        offsets: [usize; 3],
    },
}

impl<'a, T> Grads<'a, T> {
    /// The three side by side in one (N, 3·width) buffer, the twin of [`Qkv::fused`].
    pub fn fused(data: &'a mut [T], width: usize) -> Self {
        Grads::Fused { data, stride: 3 * width, offsets: [0, width, 2 * width] }
    }

    /// Part 0 (dq), 1 (dk) or 2 (dv).
    pub(super) fn part(&mut self, part: usize) -> RowsMut<'_, T> {
        match self {
            Grads::Fused { data, stride, offsets } => {
                RowsMut { data, stride: *stride, offset: offsets[part] }
            }
            Grads::Separate { dq, dk, dv } => {
                let rows = [dq, dk, dv].into_iter().nth(part).expect("a gradient has three parts");
                RowsMut { data: rows.data, stride: rows.stride, offset: rows.offset }
            }
        }
    }

    /// Length, stride and offset of part 0 (dq), 1 (dk) or 2 (dv).
    pub(super) fn layout(&self, part: usize) -> (usize, usize, usize) {
        match self {
            Grads::Fused { data, stride, offsets } => (data.len(), *stride, offsets[part]),
            Grads::Separate { dq, dk, dv } => {
                let rows = [dq, dk, dv][part];
                (rows.data.len(), rows.stride, rows.offset)
            }
        }
    }
}
