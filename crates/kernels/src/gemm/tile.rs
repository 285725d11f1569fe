//! The innermost loop: a tile of the product that stays in registers over a whole block of K.

use super::vector::Vector;

/// Vectors across a full panel of columns.
pub(super) const PANEL_VECTORS: usize = 2;

/// The most positions of K in one block, and so the length of a row of a packed tile.
pub(super) const MAX_DEPTH: usize = 256;
/// Distance of the rows of a tile that was packed along its rows. The extra cache line puts the rows into different sets of the cache.
pub(super) const ROW_STRIDE: usize = MAX_DEPTH + 16;

/// How a tile of `a` was packed. A step is one position of K, or two where bf16 are multiplied in pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Every row in one piece, rows [`ROW_STRIDE`] apart: what a matrix with contiguous rows packs into by plain copies.
    ByRow,
    /// Every step in one piece, steps one register apart: what a transposed matrix packs into by plain copies.
    ByStep,
}

/// One tile of work: `c = start + a·b + bias`.
pub(super) struct Tile {
    /// Steps of the sum.
    pub steps: usize,
    /// The packed tile of `a`.
    pub a: *const f32,
    /// The packed panel of `b`: steps of [`PANEL_VECTORS`] registers.
    pub b: *const f32,
    /// The upper left element of the tile in the product.
    pub c: *mut f32,
    /// Distance of the rows of the product.
    pub c_stride: usize,
    /// Columns of the tile, at most a panel.
    pub width: usize,
    /// Whether the sum starts from the old contents of `c`.
    pub start: Start,
    /// The first of `width` elements to add to every row, or null.
    pub bias: *const f32,
}

/// What a block's sum is added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing: the old contents are not read.
    Zero,
    /// The contents of the destination.
    Old,
}

/// A compiled [`run`].
pub(super) type Run = unsafe fn(&Tile);

/// Computes a tile of `ROWS` rows and up to `VECTORS` registers of columns, whose elements of `a` for row i and step s lie at
/// `i·row_stride + s·step_stride` of the layout.
///
/// Each element is one chain of multiply-adds in the order of K, then one addition to `c`, whatever the shape of the tile.
///
/// # Safety
///
/// The processor has the instructions of `V`, and all pointers of the tile are valid for what their descriptions say.
#[inline(always)]
pub(super) unsafe fn run<V: Vector, const ROWS: usize, const VECTORS: usize, const BY_ROW: bool>(
    tile: &Tile,
) {
    let (row_stride, step_stride) = if BY_ROW { (ROW_STRIDE, 1) } else { (1, V::LANES) };
    // SAFETY: the caller vouches for the pointers; `first_of` keeps loads and stores at `c` and `bias` within `width`.
    unsafe {
        let mut sums = [[V::zero(); VECTORS]; ROWS];
        let (mut a, mut b) = (tile.a, tile.b);
        for _ in 0..tile.steps {
            let mut columns = [V::zero(); VECTORS];
            for (v, column) in columns.iter_mut().enumerate() {
                *column = V::load(b.add(v * V::LANES));
            }
            for (i, row) in sums.iter_mut().enumerate() {
                let factor = V::splat(a.add(i * row_stride));
                for (sum, &column) in row.iter_mut().zip(&columns) {
                    *sum = sum.add_product(factor, column);
                }
            }
            a = a.add(step_stride);
            b = b.add(PANEL_VECTORS * V::LANES);
        }
        // A copy, so that only the copy is indexed by variables and the sums above stay in registers.
        let sums = sums;
        let whole = tile.width == VECTORS * V::LANES;
        for (i, row) in sums.iter().enumerate() {
            for (v, &sum) in row.iter().enumerate() {
                let c = tile.c.wrapping_add(i * tile.c_stride + v * V::LANES);
                let count = tile.width.saturating_sub(v * V::LANES);
                let mut sum = sum;
                if tile.start == Start::Old {
                    sum = if whole { V::load(c) } else { V::load_first(c, count) }.add(sum);
                }
                if !tile.bias.is_null() {
                    sum = sum.add(V::load_first(tile.bias.wrapping_add(v * V::LANES), count));
                }
                if whole { sum.store(c) } else { sum.store_first(c, count) }
            }
        }
    }
}
