//! Asking the second-level cache for the next head's rows while this head is computed.
//!
//! A head's columns are short pieces of long rows, which no hardware prefetcher follows. Without asking ahead, waiting
//! for them takes as long as a third of the arithmetic, once the batch does not fit into that cache as a whole.

use std::ops::Range;

/// Numbers of one head above which its rows are not asked for: they would push this head's own out.
const HEAD_MOST: usize = 1 << 15;
/// Numbers of all heads and rows below which the whole batch stays in the cache.
const BATCH_LEAST: usize = 1 << 17;

/// Where a strided buffer lies.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub at: *const f32,
    pub stride: usize,
    pub rows: usize,
}

/// One head's columns of some rows.
#[derive(Clone, Copy)]
pub(super) struct Region {
    at: *const f32,
    stride: usize,
    rows: usize,
    lines: usize,
}

impl Region {
    /// Rows `rows` of `place`, `dim` of the `width` columns, from `column` on; they may lie outside of it.
    pub(super) fn new(place: Place, rows: &Range<usize>, column: usize, dim: usize, width: usize) -> Self {
        let Place { at, stride, rows: all } = place;
        let helps = rows.len() * dim <= HEAD_MOST && all * width >= BATCH_LEAST;
        let at = at.wrapping_add(rows.start * stride + column);
        // One line more than the numbers fill, since rows rarely begin with a line.
        Self { at, stride, rows: if helps { rows.len() } else { 0 }, lines: dim.div_ceil(16) + 1 }
    }
}

/// The regions that the next task will touch, handed out a few rows at a time.
pub(super) struct Ahead<const N: usize> {
    regions: [Region; N],
    current: usize,
    rows_per_step: usize,
}

impl<const N: usize> Ahead<N> {
    /// Spreads `regions` over so many steps.
    pub(super) fn new(regions: [Region; N], steps: usize) -> Self {
        let rows: usize = regions.iter().map(|region| region.rows).sum();
        Self { regions, current: 0, rows_per_step: rows.div_ceil(steps.max(1)) }
    }
}

/// Something to do between two register tiles.
pub(super) trait Step {
    fn step(&mut self);
}

impl<const N: usize> Step for Ahead<N> {
    fn step(&mut self) {
        for _ in 0..self.rows_per_step {
            let Some(region) = self.regions.get_mut(self.current) else { return };
            if region.rows == 0 {
                self.current += 1;
                continue;
            }
            for line in 0..region.lines {
                prefetch(region.at.wrapping_add(16 * line));
            }
            region.at = region.at.wrapping_add(region.stride);
            region.rows -= 1;
        }
    }
}

/// Brings a cache line closer.
#[inline(always)]
fn prefetch(at: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint; it faults on no address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
