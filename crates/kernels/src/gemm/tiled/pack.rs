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

/// f32 elements of a cache line.
const CACHE_LINE: usize = 16;
/// f32 elements of the widest register.
pub(super) const MAX_LANES: usize = 16;

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
    for v in 0..PANEL_VECTORS {
        let count = source.lines.saturating_sub(v * V::LANES).min(V::LANES);
        let first = source.data.wrapping_add(v * V::LANES * source.line_stride);
        let mut next = NextLines::after::<V>(first, source.line_stride, source.depth);
        for step in (0..source.depth).step_by(V::LANES) {
            next.fetch::<V>();
            let block = (count, (source.depth - step).min(V::LANES));
            // SAFETY: the caller vouches for both; the block lies inside of the source.
            unsafe {
                let to = to.add(step * width + v * V::LANES);
                transpose::<V>((first.wrapping_add(step), source.line_stride), block, (to, width));
            }
        }
    }
}

/// Writes `lines` of `depth` elements, at most LANES of both, as LANES rows of LANES elements: what is missing is 0.
///
/// # Safety
///
/// The processor has the instructions of `V`; the elements of the block can be read, and LANES × LANES written.
#[inline(always)]
pub(super) unsafe fn transpose<V: Vector>(
    (from, stride): (*const f32, usize),
    (lines, depth): (usize, usize),
    (to, to_stride): (*mut f32, usize),
) {
    // SAFETY: the caller vouches for both; `edge` holds the largest block.
    unsafe {
        if lines == V::LANES && depth == V::LANES {
            return V::transpose(from, stride, to, to_stride);
        }
        let mut edge = [0.0; MAX_LANES * MAX_LANES];
        for line in 0..lines {
            V::load_first(from.add(line * stride), depth).store(edge.as_mut_ptr().add(line * V::LANES));
        }
        V::transpose(edge.as_ptr(), V::LANES, to, to_stride);
    }
}

/// The lines after those that are being transposed. A transposition reads as many places at once as a register has lanes, which are more
/// than the processor follows; so what comes next is fetched meanwhile, in the order in which it lies in memory.
pub(super) struct NextLines {
    line: *const f32,
    stride: usize,
    depth: usize,
    fetched: usize,
}

impl NextLines {
    /// What comes after LANES lines from `first`, `stride` apart.
    pub fn after<V: Vector>(first: *const f32, stride: usize, depth: usize) -> Self {
        Self { line: first.wrapping_add(V::LANES * stride), stride, depth, fetched: 0 }
    }

    /// Fetches as much as one block of LANES × LANES elements.
    #[inline(always)]
    pub fn fetch<V: Vector>(&mut self) {
        for _ in 0..V::LANES * V::LANES / CACHE_LINE {
            V::prefetch_outer(self.line.wrapping_add(self.fetched));
            self.fetched += CACHE_LINE;
            if self.fetched >= self.depth {
                (self.line, self.fetched) = (self.line.wrapping_add(self.stride), 0);
            }
        }
    }
}
