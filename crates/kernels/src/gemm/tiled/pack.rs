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
/// The processor has the instructions of `V`; the source is valid, its `depth_stride` 1; and `to` has room for `tiles` that start
/// `tile_floats` apart.
#[inline(always)]
pub(super) unsafe fn rows_by_row<V: Vector>(
    source: &Source,
    tiles: &[Range<usize>],
    tile_floats: usize,
    to: *mut f32,
) {
    for (index, lines) in tiles.iter().enumerate() {
        for (row, line) in lines.clone().enumerate() {
            // SAFETY: the caller vouches for both; a row has at most `MAX_STEPS` elements.
            unsafe {
                let from = source.data.add(line * source.line_stride);
                let to = to.add(index * tile_floats + row * ROW_STRIDE);
                if V::DEPTH == 1 {
                    std::ptr::copy_nonoverlapping(from, to, source.depth);
                } else {
                    for first in (0..source.depth).step_by(2 * V::LANES) {
                        pairs_along::<V>(from, first..source.depth).store(to.add(first / 2));
                    }
                }
            }
        }
    }
}

/// Two registers of positions, or as many as there are, as one of pairs.
///
/// # Safety
///
/// The processor has the instructions of `V`, and the positions can be read.
#[inline(always)]
unsafe fn pairs_along<V: Vector>(line: *const f32, positions: Range<usize>) -> V {
    // SAFETY: the caller vouches for both.
    unsafe {
        let register =
            |first: usize| load_at_most::<V>(line.wrapping_add(first), positions.end.saturating_sub(first));
        V::pair_along(register(positions.start), register(positions.start + V::LANES))
    }
}

/// A whole register, or the elements that there are, and zeros.
///
/// # Safety
///
/// The processor has the instructions of `V`, and so many elements can be read.
#[inline(always)]
unsafe fn load_at_most<V: Vector>(from: *const f32, elements: usize) -> V {
    // SAFETY: the caller vouches for both.
    unsafe { if elements >= V::LANES { V::load(from) } else { V::load_first(from, elements) } }
}

/// Packs rows of `a` that are the columns of a row-major matrix into the layout `ByStep`, times the factors of their positions.
///
/// # Safety
///
/// As for [`rows_by_row`], but with a `line_stride` of 1.
#[inline(always)]
pub(super) unsafe fn rows_by_step<V: Vector>(
    source: &Source,
    tiles: &[Range<usize>],
    tile_floats: usize,
    to: *mut f32,
) {
    for first in (0..source.depth).step_by(V::DEPTH) {
        for position in first..first + V::DEPTH {
            let ahead = source.data.wrapping_add((position + AHEAD) * source.depth_stride);
            for line in (0..source.lines + 15).step_by(16) {
                V::prefetch(ahead.wrapping_add(line));
            }
        }
        for (index, lines) in tiles.iter().enumerate() {
            // SAFETY: the caller vouches for both; a load reads the elements of one tile.
            unsafe {
                let element = element::<V>(first, source.depth, |position| {
                    let from = source.data.add(position * source.depth_stride + lines.start);
                    let vector = V::load_first(from, lines.len());
                    match source.factors.is_null() {
                        true => vector,
                        false => vector.times(V::splat(source.factors.add(position))),
                    }
                });
                element.store(to.add(index * tile_floats + first / V::DEPTH * V::LANES));
            }
        }
    }
}

/// What one element holds of each lane: the position `first`, and where two fit, the next, or zeros after the last.
///
/// # Safety
///
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn element<V: Vector>(first: usize, depth: usize, position: impl Fn(usize) -> V) -> V {
    if V::DEPTH == 1 {
        return position(first);
    }
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let second = if first + 1 < depth { position(first + 1) } else { V::zero() };
        V::pair(position(first), second)
    }
}

/// Packs a panel of columns of `b` that lie side by side.
///
/// # Safety
///
/// As for [`rows_by_step`], with room for the steps of a panel.
#[inline(always)]
pub(super) unsafe fn panel_copied<V: Vector>(source: &Source, to: *mut f32) {
    let width = PANEL_VECTORS * V::LANES;
    // SAFETY: the caller vouches for both; loads read `lines` elements.
    unsafe {
        for first in (0..source.depth).step_by(V::DEPTH) {
            for offset in (0..width).step_by(V::LANES) {
                let element = element::<V>(first, source.depth, |position| {
                    let from = source.data.add(position * source.depth_stride).wrapping_add(offset);
                    match source.lines == width {
                        true => V::load(from),
                        false => V::load_first(from, source.lines.saturating_sub(offset)),
                    }
                });
                element.store(to.add(first / V::DEPTH * width + offset));
            }
        }
    }
}

/// Packs a panel of columns of `b`, each contiguous, by transposition.
///
/// # Safety
///
/// As for [`panel_copied`], with a `depth_stride` of 1 and room for the steps rounded up to whole registers.
#[inline(always)]
pub(super) unsafe fn panel_transposed<V: Vector>(source: &Source, to: *mut f32) {
    let width = PANEL_VECTORS * V::LANES;
    for v in 0..PANEL_VECTORS {
        let count = source.lines.saturating_sub(v * V::LANES).min(V::LANES);
        let first = source.data.wrapping_add(v * V::LANES * source.line_stride);
        let mut next = NextLines::after::<V>(first, source.line_stride, source.depth);
        for position in (0..source.depth).step_by(V::DEPTH * V::LANES) {
            (0..V::DEPTH).for_each(|_| next.fetch::<V>());
            // SAFETY: the caller vouches for both; the block lies inside of the source.
            unsafe {
                let to = to.add(position / V::DEPTH * width + v * V::LANES);
                let block = (count, source.depth - position);
                transpose_elements::<V>(
                    (first.wrapping_add(position), source.line_stride),
                    block,
                    (to, width),
                );
            }
        }
    }
}

/// [`transpose`] of as many positions as LANES elements hold.
///
/// # Safety
///
/// As for [`transpose`].
#[inline(always)]
unsafe fn transpose_elements<V: Vector>(
    (from, stride): (*const f32, usize),
    (lines, depth): (usize, usize),
    (to, to_stride): (*mut f32, usize),
) {
    // SAFETY: the caller vouches for all; `pairs` holds LANES rows of LANES elements.
    unsafe {
        if V::DEPTH == 1 {
            return transpose::<V>((from, stride), (lines, depth.min(V::LANES)), (to, to_stride));
        }
        let mut pairs = [0.0; MAX_LANES * MAX_LANES];
        for line in 0..lines {
            let along = pairs_along::<V>(from.add(line * stride), 0..depth);
            along.store(pairs.as_mut_ptr().add(line * V::LANES));
        }
        V::transpose(pairs.as_ptr(), V::LANES, to, to_stride);
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
