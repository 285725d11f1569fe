//! Packing: blocks of the operands copied into the order in which a tile reads them.

use std::ops::Range;

use super::tile::{PANEL_VECTORS, ROW_STRIDE};
use super::vector::Vector;

/// A block of an operand in place: `lines` rows of `a` or columns of `b`, and `depth` positions of K.
pub(super) struct Source {
    /// The first element.
    pub data: *const f32,
    /// Distance of lines.
    pub line_stride: usize,
    /// Distance of positions of K.
    pub depth_stride: usize,
    /// Rows of `a` or columns of `b`.
    pub lines: usize,
    /// Positions of K.
    pub depth: usize,
    /// What the elements at each position of K are multiplied by on the way, or null.
    pub factors: *const f32,
}

/// Rows of a matrix that a packing function prefetches ahead, since the processor foresees no steps from page to page.
const AHEAD: usize = 8;

/// Elements that the transposition of rows prefetches ahead in each, as they are more than the processor follows.
const AHEAD_IN_ROW: usize = 64;

/// A compiled function that packs a panel.
pub(super) type PackPanel = unsafe fn(&Source, *mut f32);
/// A compiled function that packs tiles.
pub(super) type PackTiles = unsafe fn(&Source, &[Range<usize>], usize, *mut f32);

/// Packs rows of `a` that are contiguous into the layout `ByRow`; `tiles` are ranges of the source's lines.
///
/// # Safety
///
/// The source is valid, its `depth_stride` 1, and `to` has room for `tiles` that start `tile_floats` apart.
pub(super) unsafe fn rows_by_row(source: &Source, tiles: &[Range<usize>], tile_floats: usize, to: *mut f32) {
    for (index, lines) in tiles.iter().enumerate() {
        for (row, line) in lines.clone().enumerate() {
            // SAFETY: the caller vouches for both; a row has at most `MAX_DEPTH` elements.
            unsafe {
                let from = source.data.add(line * source.line_stride);
                let to = to.add(index * tile_floats + row * ROW_STRIDE);
                std::ptr::copy_nonoverlapping(from, to, source.depth);
            }
        }
    }
}

/// Packs rows of `a` that are the columns of a row-major matrix into the layout `ByStep`, times the factors of the steps.
///
/// # Safety
///
/// The processor has the instructions of `V`; the source is valid, its `line_stride` 1; `to` is as for [`rows_by_row`].
#[inline(always)]
pub(super) unsafe fn rows_by_step<V: Vector>(
    source: &Source,
    tiles: &[Range<usize>],
    tile_floats: usize,
    to: *mut f32,
) {
    for step in 0..source.depth {
        let from = source.data.wrapping_add(step * source.depth_stride);
        let ahead = from.wrapping_add(AHEAD * source.depth_stride);
        for line in (0..source.lines + 15).step_by(16) {
            V::prefetch(ahead.wrapping_add(line));
        }
        for (index, lines) in tiles.iter().enumerate() {
            // SAFETY: the caller vouches for both; a load reads the elements of one tile.
            unsafe {
                let mut vector = V::load_first(from.add(lines.start), lines.len());
                if !source.factors.is_null() {
                    vector = vector.times(V::splat(source.factors.add(step)));
                }
                vector.store(to.add(index * tile_floats + step * V::LANES));
            }
        }
    }
}

/// Packs a panel of columns of `b` that lie side by side.
///
/// # Safety
///
/// As for [`rows_by_step`], with room for `depth` panel rows.
#[inline(always)]
pub(super) unsafe fn panel_copied<V: Vector>(source: &Source, to: *mut f32) {
    let width = PANEL_VECTORS * V::LANES;
    // SAFETY: the caller vouches for both; loads read `lines` elements.
    unsafe {
        for step in 0..source.depth {
            let from = source.data.add(step * source.depth_stride);
            let to = to.add(step * width);
            for v in 0..PANEL_VECTORS {
                let (offset, count) = (v * V::LANES, source.lines.saturating_sub(v * V::LANES));
                let vector = match source.lines == width {
                    true => V::load(from.add(offset)),
                    false => V::load_first(from.wrapping_add(offset), count),
                };
                vector.store(to.add(offset));
            }
        }
    }
}

/// Packs a panel of columns of `b`, each contiguous, by transposition.
///
/// # Safety
///
/// As for [`panel_copied`], with a `depth_stride` of 1 and room for `depth` rounded up to whole registers.
#[inline(always)]
pub(super) unsafe fn panel_transposed<V: Vector>(source: &Source, to: *mut f32) {
    let width = PANEL_VECTORS * V::LANES;
    // SAFETY: the caller vouches for both; a whole block of LANES × LANES is read only where it lies inside of the source, and else
    // row by row into `edge`, which holds the largest block.
    unsafe {
        for v in 0..PANEL_VECTORS {
            let count = source.lines.saturating_sub(v * V::LANES).min(V::LANES);
            for step in (0..source.depth).step_by(V::LANES) {
                let from = source.data.wrapping_add(v * V::LANES * source.line_stride + step);
                let to = to.add(step * width + v * V::LANES);
                let depth = (source.depth - step).min(V::LANES);
                for line in 0..count {
                    V::prefetch(from.wrapping_add(line * source.line_stride + AHEAD_IN_ROW));
                }
                if count == V::LANES && depth == V::LANES {
                    V::transpose(from, source.line_stride, to, width);
                } else {
                    let mut edge = [0.0; 16 * 16];
                    for line in 0..count {
                        let row = V::load_first(from.add(line * source.line_stride), depth);
                        row.store(edge.as_mut_ptr().add(line * V::LANES));
                    }
                    V::transpose(edge.as_ptr(), V::LANES, to, width);
                }
            }
        }
    }
}
