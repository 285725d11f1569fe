//! The innermost loop: a tile of the product that stays in registers over a whole block of K.

use super::pack::Source;
use super::vector::Vector;

/// Vectors across a full panel of columns.
pub(super) const PANEL_VECTORS: usize = 2;

/// The most steps of one block of K, and so the length of a row of a packed tile.
pub(super) const MAX_STEPS: usize = 512;
/// Distance of the rows of a tile that was packed along its rows. The extra cache line puts the rows into different sets of the cache.
pub(super) const ROW_STRIDE: usize = MAX_STEPS + 16;

/// How the elements of a tile of `a` lie. A step is one position of K, or two where bf16 are multiplied in pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Every row in one piece: a matrix with contiguous rows in place, or a plain copy of it.
    ByRow,
    /// Every step in one piece, steps one register apart: what a transposed matrix packs into by plain copies.
    ByStep,
}

/// One tile of work.
pub(super) struct Tile {
    /// Steps of the sum.
    pub steps: usize,
    /// The first element of `a`.
    pub a: *const f32,
    /// Distance of the rows of `a` in the layout `ByRow`.
    pub a_stride: usize,
    /// The packed panel of `b`: steps of [`PANEL_VECTORS`] registers.
    pub b: *const f32,
    /// Where the sums go.
    pub store: Store,
    /// A share of what the next tiles will read of `a`.
    pub ahead: Ahead,
}

/// Where a tile of sums goes: `c = start + sums + bias`.
pub(super) struct Store {
    /// The upper left element of the tile in the product.
    pub c: *mut f32,
    /// Distance of the rows of the product.
    pub c_stride: usize,
    /// Columns of the tile.
    pub width: usize,
    /// What the sums are added to.
    pub start: Start,
    /// The first of `width` elements to add to every row, or null.
    pub bias: *const f32,
}

/// Places to prefetch while a tile is computed: in each of the [`PARTS`] of the loop over K, `places` of a few cache lines.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    first: *const f32,
    places: usize,
    lines: usize,
    /// Distances of the places of one part, and of the parts.
    stride: usize,
    part_stride: usize,
}

impl Ahead {
    const NONE: Self = Self { first: std::ptr::null(), places: 0, lines: 0, stride: 0, part_stride: 0 };

    /// The `index`-th of `count` shares of a block.
    pub fn share(source: Option<&Source>, index: usize, count: usize) -> Self {
        let Some(source) = source else { return Self::NONE };
        if source.depth_stride == 1 {
            // A few of the block's lines, in each part as much of them as 1/PARTS of the block.
            let lines_of = index * source.lines / count..(index + 1) * source.lines / count;
            let lines = source.depth.div_ceil(PARTS * CACHE_LINE);
            let first = source.data.wrapping_add(lines_of.start * source.line_stride);
            return Self {
                first,
                places: lines_of.len(),
                lines,
                stride: source.line_stride,
                part_stride: lines * CACHE_LINE,
            };
        }
        // A few of the block's positions of K, with all that lies side by side there.
        let places = source.depth.div_ceil(count * PARTS);
        if index * PARTS * places >= source.depth {
            return Self::NONE;
        }
        let stride = source.depth_stride;
        let first = source.data.wrapping_add(index * PARTS * places * stride);
        Self { first, places, lines: source.lines / CACHE_LINE + 1, stride, part_stride: places * stride }
    }

    /// Prefetches the places of one part, no nearer than the second-level cache: the first-level cache is full of what is multiplied.
    ///
    /// # Safety
    ///
    /// The processor has the instructions of `V`.
    #[inline(always)]
    unsafe fn prefetch<V: Vector>(&self, part: usize) {
        let mut place = self.first.wrapping_add(part * self.part_stride);
        for _ in 0..self.places {
            for line in 0..self.lines {
                V::prefetch_outer(place.wrapping_add(line * CACHE_LINE));
            }
            place = place.wrapping_add(self.stride);
        }
    }
}

/// Floats of a cache line.
const CACHE_LINE: usize = 16;

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

/// Parts of the loop over K between which prefetches are spread; more than the rows of the tallest tile.
const PARTS: usize = 16;

/// Computes a tile of `ROWS` rows and up to `VECTORS` registers of columns.
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
    let (row_stride, step_stride) = if BY_ROW { (tile.a_stride, 1) } else { (1, V::LANES) };
    // SAFETY: the caller vouches for the pointers; `first_of` keeps loads and stores at `c` and `bias` within `width`.
    unsafe {
        let mut sums = [[V::zero(); VECTORS]; ROWS];
        let (mut a, mut b) = (tile.a, tile.b);
        for part in 0..=PARTS {
            // What comes from far away; prefetched all at once, it would delay the operands.
            if part < ROWS {
                let c = tile.store.c.wrapping_add(part * tile.store.c_stride);
                V::prefetch(c);
                V::prefetch(c.wrapping_add(VECTORS * V::LANES / 2));
                V::prefetch(c.wrapping_add(VECTORS * V::LANES - 1));
            }
            if part < PARTS {
                tile.ahead.prefetch::<V>(part);
            }
            let steps = if part < PARTS { tile.steps / PARTS } else { tile.steps % PARTS };
            for _ in 0..steps {
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
        }
        store(sums, &tile.store);
    }
}

/// Writes the sums of a tile. They are taken by value, so that only a copy is indexed by variables, and the sums of the caller stay in
/// registers.
///
/// # Safety
///
/// The processor has the instructions of `V`, and the pointers are valid for the rows and columns of the tile.
#[inline(always)]
pub(super) unsafe fn store<V: Vector, const ROWS: usize, const VECTORS: usize>(
    sums: [[V; VECTORS]; ROWS],
    to: &Store,
) {
    let whole = to.width == VECTORS * V::LANES;
    for (i, row) in sums.iter().enumerate() {
        for (v, &sum) in row.iter().enumerate() {
            let c = to.c.wrapping_add(i * to.c_stride + v * V::LANES);
            let count = to.width.saturating_sub(v * V::LANES);
            let mut sum = sum;
            // SAFETY: the caller vouches for the pointers; `load_first` and `store_first` keep to the columns of the tile.
            unsafe {
                if to.start == Start::Old {
                    sum = if whole { V::load(c) } else { V::load_first(c, count) }.add(sum);
                }
                if !to.bias.is_null() {
                    sum = sum.add(V::load_first(to.bias.wrapping_add(v * V::LANES), count));
                }
                if whole { sum.store(c) } else { sum.store_first(c, count) }
            }
        }
    }
}
