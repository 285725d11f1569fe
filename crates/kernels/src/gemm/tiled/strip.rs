//! Products of a few rows, as in decoding with a cache: `b` is read once, in place, at the speed of memory.

use rayon::prelude::*;

use super::grid::Grid;
use super::machine::Machine;
use super::tile::{Start, Store, store};
use super::vector::Vector;
use crate::gemm::{Destination, Matrix};
use crate::{Accum, Out};

/// The most rows that are multiplied this way.
pub(super) const MAX_ROWS: usize = 4;
/// Steps that rows of `b` are prefetched ahead, since they are too far apart for the processor to foresee.
const AHEAD: usize = 8;

/// A few rows by as many columns as their sums leave registers for.
pub(super) struct Strip {
    /// Positions of K.
    pub depth: usize,
    /// The first element of `a`, and the distances of its rows and of positions of K.
    pub a: *const f32,
    pub a_strides: (usize, usize),
    /// The first element of `b`, and the distance of its rows.
    pub b: *const f32,
    pub b_stride: usize,
    /// Where the sums go.
    pub store: Store,
}

/// A compiled [`run`].
pub(super) type Run = unsafe fn(&Strip);

/// Computes a strip of `ROWS` rows and up to `VECTORS` registers of columns, each element the same chain of multiply-adds as in a tile.
///
/// # Safety
///
/// The processor has the instructions of `V`, and the pointers are valid for what their descriptions say.
#[inline(always)]
pub(super) unsafe fn run<V: Vector, const ROWS: usize, const VECTORS: usize>(strip: &Strip) {
    let whole = strip.store.width == VECTORS * V::LANES;
    // SAFETY: the caller vouches for the pointers; `load_first` keeps to the columns of the strip.
    unsafe {
        let mut sums = [[V::zero(); VECTORS]; ROWS];
        let (mut a, mut b) = (strip.a, strip.b);
        for _ in 0..strip.depth {
            let mut factors = [V::zero(); ROWS];
            for (i, factor) in factors.iter_mut().enumerate() {
                *factor = V::splat(a.wrapping_add(i * strip.a_strides.0));
            }
            let ahead = b.wrapping_add(AHEAD * strip.b_stride);
            for v in 0..VECTORS {
                let from = b.wrapping_add(v * V::LANES);
                V::prefetch(ahead.wrapping_add(v * V::LANES));
                let column = match whole {
                    true => V::load(from),
                    false => V::load_first(from, strip.store.width.saturating_sub(v * V::LANES)),
                };
                for (row, &factor) in sums.iter_mut().zip(&factors) {
                    row[v] = row[v].add_product(factor, column);
                }
            }
            a = a.wrapping_add(strip.a_strides.1);
            b = b.wrapping_add(strip.b_stride);
        }
        store(sums, &strip.store);
    }
}

/// `c = a·b + bias` for at most [`MAX_ROWS`] rows and a row-major `b`.
pub(super) fn product(machine: &Machine, grid: &Grid, a: Matrix, b: Matrix, c: Out, bias: Option<&[f32]>) {
    let (rows, columns) = (a.rows, b.cols);
    let width = machine.strip_columns(rows);
    let accum = c.accum;
    let target = Destination(c.data.as_mut_ptr());
    let strip = |first: usize| {
        let target = &target;
        for block in 0..grid.depth_blocks() {
            let depth = grid.depth_range(block);
            let last = block + 1 == grid.depth_blocks();
            let strip = Strip {
                depth: depth.len(),
                a: a.data.as_ptr().wrapping_add(depth.start * a.col_stride),
                a_strides: (a.row_stride, a.col_stride),
                b: b.data.as_ptr().wrapping_add(depth.start * b.row_stride + first),
                b_stride: b.row_stride,
                store: Store {
                    c: target.0.wrapping_add(first),
                    c_stride: columns,
                    width: width.min(columns - first),
                    start: if block == 0 && accum == Accum::Set { Start::Zero } else { Start::Old },
                    bias: bias.filter(|_| last).map_or(std::ptr::null(), |bias| bias[first..].as_ptr()),
                },
            };
            // SAFETY: the strip lies inside of the operands and in columns of `c` that no other task writes.
            unsafe { machine.run_strip(rows, &strip) }
        }
    };
    let strips = columns.div_ceil(width);
    if grid.threads == 1 {
        (0..strips).for_each(|index| strip(index * width));
    } else {
        (0..strips).into_par_iter().for_each(|index| strip(index * width));
    }
}
