//! What forward and backward share: a block of up to 32 queries of one head, side by side in vectors.

use super::ahead::{Place, Region};
use super::lanes::{LANES, Lanes};
use super::product::{Scalars, Vectors, along, rounded_len};
use super::rows::Rows;
use super::shape::{Mask, Shape, Span};
use crate::gemm::Precision;
use std::ops::Range;

/// Vectors of queries in a full block.
pub(super) const VECTORS: usize = 2;
/// Queries of a full block.
pub(super) const QUERIES: usize = VECTORS * LANES;
/// Rows that are read by at least so many others are copied together: in place they fall on few sets of the cache.
const REUSED: usize = 192;

/// One head of one sequence.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub shape: &'a Shape<'a>,
    pub span: &'a Span,
    pub head: usize,
}

impl<'a> Head<'a> {
    /// Queries and keys of the sequence.
    pub(super) fn lengths(&self) -> (usize, usize) {
        (self.span.q.len(), self.span.kv.len())
    }

    /// Keys that query `i` sees.
    pub(super) fn visible(&self, i: usize) -> usize {
        let (tq, tk) = self.lengths();
        self.shape.mask.visible(i, tq, tk)
    }

    /// The last key that query `i` sees; negative when it sees none.
    pub(super) fn last_seen(&self, i: usize) -> isize {
        match self.shape.mask {
            Mask::Full => isize::MAX,
            Mask::Causal => {
                let (tq, tk) = self.lengths();
                self.shape.mask.position(i, tq, tk)
            }
        }
    }

    /// The head's columns of `count` rows from `first` on, for reading element by element: in place, or rounded into `room`.
    #[inline(always)]
    pub(super) fn scalars<'p, L: Lanes>(
        &self,
        l: L,
        rows: &Rows<'a>,
        (first, count): (usize, usize),
        room: &'p mut [f32],
    ) -> Scalars<'p>
    where
        'a: 'p,
    {
        let data = if count > 0 { self.tail(rows, first) } else { &[] };
        along(l, (count, self.shape.head_dim), Scalars { data, row: rows.stride, col: 1 }, room)
    }

    /// What follows the head's first column in row `first`.
    fn tail(&self, rows: &Rows<'a>, first: usize) -> &'a [f32] {
        &rows.data[first * rows.stride + rows.offset + self.head * self.shape.head_dim..]
    }

    /// Room for the elements of (rows, depth) numbers, if products round their operands.
    pub(super) fn rounded_len(&self, rows: usize, depth: usize) -> usize {
        match self.shape.precision {
            Precision::F32 => 0,
            Precision::Bf16 => rounded_len(rows, depth),
        }
    }

    /// Columns of a head, rounded up to whole vectors.
    pub(super) fn padded_dim(&self) -> usize {
        self.shape.head_dim.next_multiple_of(LANES)
    }

    /// Rows `first .. first + count` for reading by the vector: copied to `pack` and padded with zeros, or in place where
    /// `pack` is empty.
    pub(super) fn vectors<'p>(
        &self,
        rows: &Rows<'a>,
        first: usize,
        count: usize,
        pack: &'p mut [f32],
    ) -> Vectors<'p>
    where
        'a: 'p,
    {
        let (dim, padded) = (self.shape.head_dim, self.padded_dim());
        if pack.is_empty() {
            let data = if count > 0 { self.tail(rows, first) } else { &[] };
            return Vectors { data, row: rows.stride };
        }
        for (i, to) in pack.chunks_exact_mut(padded).take(count).enumerate() {
            let (head, tail) = to.split_at_mut(dim);
            head.copy_from_slice(rows.head(first + i, self.head, dim));
            tail.fill(0.0);
        }
        Vectors { data: pack, row: padded }
    }

    /// What the next task, the next head or the next sequence's first, will touch of `rows`.
    pub(super) fn next(&self, place: Place, rows: &Range<usize>) -> Region {
        let (dim, width) = (self.shape.head_dim, self.shape.width());
        if self.head + 1 < self.shape.heads {
            Region::new(place, rows, (self.head + 1) * dim, dim, width)
        } else {
            Region::new(place, &(rows.end..rows.end + rows.len()), 0, dim, width)
        }
    }

    /// Register tiles of the two products of the forward with some queries, roughly.
    pub(super) fn steps(&self, queries: Range<usize>) -> usize {
        let end = queries.end;
        let per_block = |first: usize| {
            let (count, seen) = (QUERIES.min(end - first), self.visible(end.min(first + QUERIES) - 1));
            seen.div_ceil(8) + count.div_ceil(8) * self.padded_dim().div_ceil(QUERIES)
        };
        queries.step_by(QUERIES).map(per_block).sum()
    }

    /// Numbers that [`vectors`](Self::vectors) needs for `count` rows that `readers` others read: none where a head is
    /// whole vectors and copying would not pay.
    pub(super) fn pack_len(&self, count: usize, readers: usize) -> usize {
        let in_place = self.padded_dim() == self.shape.head_dim && readers < REUSED;
        if in_place { 0 } else { count * self.padded_dim() }
    }

    /// Writes `count` rows from `first` on as the columns of `to` (head_dim, 16·C), times `scale`, and zeros after them.
    #[inline(always)]
    pub(super) fn transpose<L: Lanes, const C: usize>(
        &self,
        l: L,
        rows: &Rows<'a>,
        (first, count): (usize, usize),
        scale: f32,
        to: &mut [f32],
    ) {
        let (dim, width) = (self.shape.head_dim, C * LANES);
        let factor = l.splat(scale);
        for block in 0..C {
            let column = block * LANES;
            let whole = if count >= column + LANES { dim / LANES * LANES } else { 0 };
            for d in (0..whole).step_by(LANES) {
                let mut block = [factor; LANES];
                for (i, x) in block.iter_mut().enumerate() {
                    let row = rows.head(first + column + i, self.head, dim);
                    *x = l.mul(factor, l.load(vector(row, d)));
                }
                let columns = l.transpose(block);
                for (i, &x) in columns.iter().enumerate() {
                    l.store(x, vector_mut(to, (d + i) * width + column));
                }
            }
            for i in column..column + LANES {
                let row = if i < count { Some(rows.head(first + i, self.head, dim)) } else { None };
                for d in whole..dim {
                    to[d * width + i] = row.map_or(0.0, |row| row[d] * scale);
                }
            }
        }
    }
}

/// The sixteen numbers from `data[i]` on.
#[inline(always)]
pub(super) fn vector(data: &[f32], i: usize) -> &[f32; LANES] {
    data[i..].first_chunk().expect("a whole vector")
}

/// The sixteen numbers from `data[i]` on.
#[inline(always)]
pub(super) fn vector_mut(data: &mut [f32], i: usize) -> &mut [f32; LANES] {
    data[i..].first_chunk_mut().expect("a whole vector")
}

/// Fills `to` with `factor` times the first numbers of `from`.
#[inline(always)]
pub(super) fn write_scaled<L: Lanes>(l: L, to: &mut [f32], from: &[f32], factor: f32) {
    let from = &from[..to.len()];
    let factors = l.splat(factor);
    let ((to, to_rest), (from, from_rest)) = (to.as_chunks_mut::<LANES>(), from.as_chunks::<LANES>());
    for (to, from) in to.iter_mut().zip(from) {
        l.store(l.mul(factors, l.load(from)), to);
    }
    for (to, from) in to_rest.iter_mut().zip(from_rest) {
        *to = factor * from;
    }
}

/// The bias of one head by the offset from key to query, so that neighbouring queries find it side by side.
pub(super) struct Distances {
    /// Add it to (position of the query − key) to find the place.
    shift: isize,
    /// Numbers.
    pub len: usize,
    /// Position of query 0 among the keys.
    align: isize,
}

impl Distances {
    pub(super) fn new(head: &Head) -> Self {
        let (tq, tk) = head.lengths();
        let align = head.shape.mask.position(0, tq, tk);
        let shift = tk.max(1) as isize - 1 + (-align).max(0);
        let len = (shift + align) as usize + tq.next_multiple_of(QUERIES);
        Self { shift, len, align }
    }

    /// Where the bias of query `i` and key `j` stands.
    #[inline(always)]
    pub(super) fn place(&self, i: usize, j: usize) -> usize {
        (i as isize + self.align - j as isize + self.shift) as usize
    }

    /// Writes the table of `head` out by distance.
    pub(super) fn unroll(&self, head: &Head, to: &mut [f32]) {
        let Some(bias) = &head.shape.bias else { return };
        let table = &bias.table[head.head * bias.width()..][..bias.width()];
        for (x, to) in to.iter_mut().enumerate() {
            *to = table[bias.column(self.shift - x as isize)];
        }
    }

    /// Adds what stands at each distance to the table of `head`.
    pub(super) fn roll_up(&self, head: &Head, from: &[f32], table: &mut [f64]) {
        let Some(bias) = &head.shape.bias else { return };
        for (x, &from) in from.iter().enumerate() {
            table[bias.column(self.shift - x as isize)] += f64::from(from);
        }
    }
}

/// Dropout of one block: a key for each query.
pub(super) struct Drops {
    pub keys: [[u32; LANES]; VECTORS],
    pub threshold: u32,
    /// Row of key 0 in the packed buffers.
    pub first_row: usize,
    pub scale: f32,
}

impl Drops {
    pub(super) fn new(head: &Head, first: usize) -> Option<Self> {
        head.shape.dropout.map(|dropout| Self {
            keys: std::array::from_fn(|c| {
                std::array::from_fn(|i| dropout.row_key(head.head, head.span.q.start + first + c * LANES + i))
            }),
            threshold: dropout.threshold(),
            first_row: head.span.kv.start,
            scale: dropout.scale(),
        })
    }

    /// What is kept of vector `c` of the queries with key `j`.
    #[inline(always)]
    pub(super) fn keep<L: Lanes>(&self, l: L, c: usize, j: usize) -> L::M {
        l.keep(l.load_keys(&self.keys[c]), (self.first_row + j) as u32, self.threshold)
    }
}
