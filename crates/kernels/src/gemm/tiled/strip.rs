//! Products of a few rows, as in decoding with a cache: `b` is read once, in place and in its order, at the speed of memory.

use rayon::prelude::*;

use super::grid::Grid;
use super::machine::Machine;
use super::scratch::Scratch;
use super::tile::Start;
use super::vector::Vector;
use crate::gemm::{Destination, Matrix};
use crate::{Accum, Out};

/// The most rows that are multiplied this way.
pub(super) const MAX_ROWS: usize = 4;
/// The most columns of a strip: its sums stay in the first-level cache, and a row of `b` spans whole pages.
const MAX_COLUMNS: usize = 2048;
/// Rows of `b` that are read side by side, for one reading and writing of the sums.
const STEPS: usize = 4;

/// A few rows by many columns.
pub(super) struct Strip {
    /// Positions of K.
    pub depth: usize,
    /// The first element of `a`, and the distances of its rows and of positions of K.
    pub a: *const f32,
    pub a_strides: (usize, usize),
    /// The first element of `b`, and the distance of its rows.
    pub b: *const f32,
    pub b_stride: usize,
    /// Room for the sums of each row, [`MAX_COLUMNS`] apart.
    pub sums: *mut f32,
    /// The first element of the product, and the distance of its rows.
    pub c: *mut f32,
    pub c_stride: usize,
    pub width: usize,
    /// What the sums are added to.
    pub start: Start,
    /// The first of `width` elements to add to every row, or null.
    pub bias: *const f32,
}

/// A compiled [`run`].
pub(super) type Run = unsafe fn(&Strip);

/// Computes a strip of `ROWS` rows, each element the same chain of multiply-adds as in a tile.
///
/// # Safety
///
/// The processor has the instructions of `V`, and the pointers are valid for what their descriptions say.
#[inline(always)]
pub(super) unsafe fn run<V: Vector, const ROWS: usize>(strip: &Strip) {
    // SAFETY: the caller vouches for the pointers; loads and stores at `c` and `bias` keep to the columns of the strip.
    unsafe {
        for row in 0..ROWS {
            for column in (0..strip.width).step_by(V::LANES) {
                V::zero().store(strip.sums.add(row * MAX_COLUMNS + column));
            }
        }
        let together = strip.depth / STEPS * STEPS;
        for step in (0..together).step_by(STEPS) {
            add_steps::<V, ROWS, STEPS>(strip, step);
        }
        for step in together..strip.depth {
            add_steps::<V, ROWS, 1>(strip, step);
        }
        for row in 0..ROWS {
            for column in (0..strip.width).step_by(V::LANES) {
                let (c, count) = (strip.c.wrapping_add(row * strip.c_stride + column), strip.width - column);
                let mut sum = V::load(strip.sums.add(row * MAX_COLUMNS + column));
                if strip.start == Start::Old {
                    sum = V::load_first(c, count.min(V::LANES)).add(sum);
                }
                if !strip.bias.is_null() {
                    sum = sum.add(V::load_first(strip.bias.add(column), count.min(V::LANES)));
                }
                sum.store_first(c, count.min(V::LANES));
            }
        }
    }
}

/// Adds the products of a few steps to all sums.
///
/// # Safety
///
/// As for [`run`], with the steps inside of its depth.
#[inline(always)]
unsafe fn add_steps<V: Vector, const ROWS: usize, const STEPS: usize>(strip: &Strip, first: usize) {
    // SAFETY: the caller vouches for the pointers; loads of `b` keep to the columns of the strip.
    unsafe {
        let mut factors = [[V::zero(); STEPS]; ROWS];
        for (i, factors) in factors.iter_mut().enumerate() {
            for (s, factor) in factors.iter_mut().enumerate() {
                *factor = V::splat(strip.a.add(i * strip.a_strides.0 + (first + s) * strip.a_strides.1));
            }
        }
        let b = strip.b.add(first * strip.b_stride);
        for column in (0..strip.width).step_by(V::LANES) {
            let count = strip.width - column;
            let mut rows = [V::zero(); STEPS];
            for (s, row) in rows.iter_mut().enumerate() {
                let from = b.add(s * strip.b_stride + column);
                V::prefetch(from.wrapping_add(STEPS * strip.b_stride));
                *row = if count >= V::LANES { V::load(from) } else { V::load_first(from, count) };
            }
            for (i, factors) in factors.iter().enumerate() {
                let sums = strip.sums.add(i * MAX_COLUMNS + column);
                let mut sum = V::load(sums);
                for (&factor, &row) in factors.iter().zip(&rows) {
                    sum = sum.add_product(factor, row);
                }
                sum.store(sums);
            }
        }
    }
}

/// `c = a·b + bias` for at most [`MAX_ROWS`] rows and a row-major `b`.
pub(super) fn product(machine: &Machine, grid: &Grid, a: Matrix, b: Matrix, c: Out, bias: Option<&[f32]>) {
    let columns = b.cols;
    let accum = c.accum;
    let target = Destination(c.data.as_mut_ptr());
    let width = columns.div_ceil(2 * grid.threads).next_multiple_of(64).min(MAX_COLUMNS);
    let strip = |first: usize| {
        let target = &target;
        let mut sums = Scratch::take(a.rows * MAX_COLUMNS);
        for block in 0..grid.depth_blocks() {
            let depth = grid.depth_range(block);
            let last = block + 1 == grid.depth_blocks();
            let strip = Strip {
                depth: depth.len(),
                a: a.data.as_ptr().wrapping_add(depth.start * a.col_stride),
                a_strides: (a.row_stride, a.col_stride),
                b: b.data.as_ptr().wrapping_add(depth.start * b.row_stride + first),
                b_stride: b.row_stride,
                sums: sums.pointer(),
                c: target.0.wrapping_add(first),
                c_stride: columns,
                width: width.min(columns - first),
                start: if block == 0 && accum == Accum::Set { Start::Zero } else { Start::Old },
                bias: bias.filter(|_| last).map_or(std::ptr::null(), |bias| bias[first..].as_ptr()),
            };
            // SAFETY: the strip lies inside of the operands and in columns of `c` that no other task writes.
            unsafe { machine.run_strip(a.rows, &strip) }
        }
    };
    let strips = columns.div_ceil(width);
    if grid.threads == 1 {
        (0..strips).for_each(|index| strip(index * width));
    } else {
        (0..strips).into_par_iter().for_each(|index| strip(index * width));
    }
}
