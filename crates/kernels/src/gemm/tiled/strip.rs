//! Products of a few rows, as in decoding with a cache: `b` is read once, in place and in its order, at the speed of memory.
//!
//! A row-major `b` is read in strips as wide as sums can be kept ([`Strip`]); one whose columns are contiguous, the weight of a layer
//! that stores (outputs, inputs), by a few columns at a time ([`Columns`]).

use std::ops::Range;

use rayon::prelude::*;

use super::grid::Grid;
use super::machine::Machine;
use super::pack::{MAX_LANES, NextLines, transpose};
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

/// A few rows by columns of `b` that are contiguous each.
pub(super) struct Columns {
    /// Positions of K, and how many of them a block has.
    pub depth: usize,
    pub block_depth: usize,
    /// The first element of `a`, and the distances of its rows and of positions of K.
    pub a: *const f32,
    pub a_strides: (usize, usize),
    /// The first element of `b`, and the distance of its columns.
    pub b: *const f32,
    pub b_stride: usize,
    /// The first element of the product, and the distance of its rows.
    pub c: *mut f32,
    pub c_stride: usize,
    pub width: usize,
    /// What the sums are added to.
    pub start: Start,
    /// The first of `width` elements to add to every row, or null.
    pub bias: *const f32,
}

/// A compiled [`run_columns`].
pub(super) type RunColumns = unsafe fn(&Columns);

/// Computes `ROWS` rows by all columns, each element the same chains of multiply-adds as in tiles.
///
/// # Safety
///
/// As for [`run`].
#[inline(always)]
pub(super) unsafe fn run_columns<V: Vector, const ROWS: usize>(columns: &Columns) {
    for first in (0..columns.width).step_by(V::LANES) {
        let count = (columns.width - first).min(V::LANES);
        let mut next = NextLines::after::<V>(
            columns.b.wrapping_add(first * columns.b_stride),
            columns.b_stride,
            columns.depth,
        );
        // SAFETY: the caller vouches for the pointers; loads and stores keep to `count` columns and the positions of K.
        unsafe {
            let c = |row: usize| columns.c.add(row * columns.c_stride + first);
            let mut totals = [V::zero(); ROWS];
            if columns.start == Start::Old {
                totals = std::array::from_fn(|row| V::load_first(c(row), count));
            }
            for block in (0..columns.depth.max(1)).step_by(columns.block_depth.max(1)) {
                let depth = block..(block + columns.block_depth).min(columns.depth);
                let sums = sums_of_block::<V, ROWS>(columns, first..first + count, depth, &mut next);
                let begins = block == 0 && columns.start == Start::Zero;
                for (total, sum) in totals.iter_mut().zip(sums) {
                    *total = if begins { sum } else { total.add(sum) };
                }
            }
            for (row, mut total) in totals.into_iter().enumerate() {
                if !columns.bias.is_null() {
                    total = total.add(V::load_first(columns.bias.add(first), count));
                }
                total.store_first(c(row), count);
            }
        }
    }
}

/// The sums of at most LANES columns over one block of K.
///
/// # Safety
///
/// As for [`run`], with the ranges inside of the columns and of K.
#[inline(always)]
unsafe fn sums_of_block<V: Vector, const ROWS: usize>(
    columns: &Columns,
    range: Range<usize>,
    depth: Range<usize>,
    next: &mut NextLines,
) -> [V; ROWS] {
    let mut steps = [0.0; MAX_LANES * MAX_LANES];
    // SAFETY: the caller vouches for the pointers; `steps` holds the largest block.
    unsafe {
        let mut sums = [V::zero(); ROWS];
        for first in depth.clone().step_by(V::LANES) {
            next.fetch::<V>();
            let count = (depth.end - first).min(V::LANES);
            let from = columns.b.add(range.start * columns.b_stride + first);
            transpose::<V>((from, columns.b_stride), (range.len(), count), (steps.as_mut_ptr(), V::LANES));
            for step in 0..count {
                let column = V::load(steps.as_ptr().add(step * V::LANES));
                for (row, sum) in sums.iter_mut().enumerate() {
                    let (row_stride, step_stride) = columns.a_strides;
                    let factor = V::splat(columns.a.add(row * row_stride + (first + step) * step_stride));
                    *sum = sum.add_product(factor, column);
                }
            }
        }
        sums
    }
}

/// `c = a·b + bias` for at most [`MAX_ROWS`] rows and a `b` whose rows or columns are contiguous.
pub(super) fn product(machine: &Machine, grid: &Grid, a: Matrix, b: Matrix, c: Out, bias: Option<&[f32]>) {
    if b.col_stride == 1 {
        by_rows(machine, grid, a, b, c, bias);
    } else {
        by_columns(machine, grid, a, b, c, bias);
    }
}

fn by_columns(machine: &Machine, grid: &Grid, a: Matrix, b: Matrix, c: Out, bias: Option<&[f32]>) {
    let start = if c.accum == Accum::Set { Start::Zero } else { Start::Old };
    let target = Destination(c.data.as_mut_ptr());
    let columns_of = |range: Range<usize>| {
        let target = &target;
        let columns = Columns {
            depth: a.cols,
            block_depth: grid.depth_range(0).len(),
            a: a.data.as_ptr(),
            a_strides: (a.row_stride, a.col_stride),
            b: b.data.as_ptr().wrapping_add(range.start * b.col_stride),
            b_stride: b.col_stride,
            c: target.0.wrapping_add(range.start),
            c_stride: b.cols,
            width: range.len(),
            start,
            bias: bias.map_or(std::ptr::null(), |bias| bias[range.start..].as_ptr()),
        };
        // SAFETY: the columns lie inside of the operands, and no other task writes them.
        unsafe { machine.run_columns(a.rows, &columns) }
    };
    in_strips(grid.threads, b.cols, usize::MAX, columns_of);
}

/// Does the columns of a product in strips of at most `most`, in parallel.
fn in_strips(threads: usize, columns: usize, most: usize, work: impl Fn(Range<usize>) + Sync) {
    let width = columns.div_ceil(2 * threads).next_multiple_of(64).min(most);
    let strip = |index: usize| work(index * width..((index + 1) * width).min(columns));
    let strips = columns.div_ceil(width);
    if threads == 1 {
        (0..strips).for_each(strip);
    } else {
        (0..strips).into_par_iter().for_each(strip);
    }
}

fn by_rows(machine: &Machine, grid: &Grid, a: Matrix, b: Matrix, c: Out, bias: Option<&[f32]>) {
    let columns = b.cols;
    let accum = c.accum;
    let target = Destination(c.data.as_mut_ptr());
    let strip = |range: Range<usize>| {
        let target = &target;
        let mut sums = Scratch::take(a.rows * MAX_COLUMNS);
        for block in 0..grid.depth_blocks() {
            let depth = grid.depth_range(block);
            let last = block + 1 == grid.depth_blocks();
            let strip = Strip {
                depth: depth.len(),
                a: a.data.as_ptr().wrapping_add(depth.start * a.col_stride),
                a_strides: (a.row_stride, a.col_stride),
                b: b.data.as_ptr().wrapping_add(depth.start * b.row_stride + range.start),
                b_stride: b.row_stride,
                sums: sums.pointer(),
                c: target.0.wrapping_add(range.start),
                c_stride: columns,
                width: range.len(),
                start: if block == 0 && accum == Accum::Set { Start::Zero } else { Start::Old },
                bias: bias.filter(|_| last).map_or(std::ptr::null(), |bias| bias[range.start..].as_ptr()),
            };
            // SAFETY: the strip lies inside of the operands and in columns of `c` that no other task writes.
            unsafe { machine.run_strip(a.rows, &strip) }
        }
    };
    in_strips(grid.threads, columns, MAX_COLUMNS, strip);
}
