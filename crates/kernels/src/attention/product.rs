//! Small matrix products on tiles in cache: the five products of attention are one loop with other strides.

use super::ahead::Step;
use super::block::vector;
use super::lanes::{LANES, Lanes};
use crate::Accum;

/// A matrix that is read one element at a time, a number or a pair: element (r, k) is `data[r·row + k·col]`.
#[derive(Clone, Copy)]
pub(super) struct Scalars<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub col: usize,
}

/// A matrix whose rows are read by the vector: row k begins at `data[k·row]`.
#[derive(Clone, Copy)]
pub(super) struct Vectors<'a> {
    pub data: &'a [f32],
    pub row: usize,
}

/// Elements along the depth of a product: two positions share one where `L` multiplies pairs.
pub(super) const fn elements<L: Lanes>(depth: usize) -> usize {
    if L::PAIRS { depth.div_ceil(2) } else { depth }
}

/// Room for the elements of a matrix with contiguous rows, or with as many contiguous columns.
pub(super) fn rounded_len(rows: usize, depth: usize) -> usize {
    rows.next_multiple_of(2 * LANES) * depth.next_multiple_of(2 * LANES)
}

/// The elements of (rows, depth) numbers whose rows are contiguous: themselves, or rounded into `room`, in pairs along each row.
#[inline(always)]
pub(super) fn along<'a, L: Lanes>(
    l: L,
    (rows, depth): (usize, usize),
    from: Scalars<'a>,
    room: &'a mut [f32],
) -> Scalars<'a> {
    if !l.rounds() {
        return from;
    }
    let row = elements::<L>(depth).next_multiple_of(LANES);
    for (r, to) in room.chunks_exact_mut(row.max(1)).take(rows).enumerate() {
        let from = &from.data[r * from.row..][..depth];
        let to = to.as_chunks_mut::<LANES>().0;
        if L::PAIRS {
            let (whole, rest) = from.as_chunks::<{ 2 * LANES }>();
            let last = first_of::<{ 2 * LANES }>(rest);
            for (from, to) in whole.iter().chain([&last]).zip(to) {
                l.store(l.pair_along(l.load(vector(from, 0)), l.load(vector(from, LANES))), to);
            }
        } else {
            let (whole, rest) = from.as_chunks::<LANES>();
            for (from, to) in whole.iter().chain([&first_of(rest)]).zip(to) {
                l.store(l.round(l.load(from)), to);
            }
        }
    }
    Scalars { data: room, row, col: 1 }
}

/// The elements of `depth` rows of `cols` numbers: themselves, or rounded into `room`, each pair from two rows.
///
/// # Panics
/// When `cols` is no multiple of 16.
#[inline(always)]
pub(super) fn across<'a, L: Lanes>(
    l: L,
    (depth, cols): (usize, usize),
    from: Vectors<'a>,
    room: &'a mut [f32],
) -> Vectors<'a> {
    if !l.rounds() {
        return from;
    }
    assert!(cols.is_multiple_of(LANES), "{cols} columns are not whole vectors");
    let row = |k: usize| from.data[k * from.row..][..cols].as_chunks::<LANES>().0;
    for (e, to) in room.chunks_exact_mut(cols.max(1)).take(elements::<L>(depth)).enumerate() {
        let to = to.as_chunks_mut::<LANES>().0;
        if !L::PAIRS {
            to.iter_mut().zip(row(e)).for_each(|(to, x)| l.store(l.round(l.load(x)), to));
        } else if 2 * e + 1 < depth {
            for (to, (first, second)) in to.iter_mut().zip(row(2 * e).iter().zip(row(2 * e + 1))) {
                l.store(l.pair(l.load(first), l.load(second)), to);
            }
        } else {
            to.iter_mut().zip(row(2 * e)).for_each(|(to, x)| l.store(l.pair(l.load(x), l.splat(0.0)), to));
        }
    }
    Vectors { data: room, row: cols }
}

/// The numbers there are, and zeros.
#[inline(always)]
fn first_of<const N: usize>(numbers: &[f32]) -> [f32; N] {
    let mut all = [0.0; N];
    all.iter_mut().zip(numbers).for_each(|(to, &x)| *to = x);
    all
}

impl Scalars<'_> {
    /// From row `row` on.
    #[inline(always)]
    pub(super) fn from(self, row: usize) -> Self {
        Self { data: &self.data[row * self.row..], ..self }
    }
}

impl<'a> Vectors<'a> {
    /// From position `depth` on, a multiple of two.
    #[inline(always)]
    pub(super) fn from<L: Lanes>(self, depth: usize) -> Self {
        Self { data: &self.data[elements::<L>(depth) * self.row..], ..self }
    }

    /// The transpose.
    #[inline(always)]
    pub(super) fn t(self) -> Scalars<'a> {
        Scalars { data: self.data, row: 1, col: self.row }
    }
}

/// c (rows, cols) = a (rows, depth) · b (depth, cols), or c +=; row r of `c` begins at `c[r·c_row]`. The operands are given by their
/// elements.
///
/// `ahead` takes a step with each register tile. An element's sum runs over the depth in order, so its bits depend neither on the
/// tile it lies in nor on `rows`.
///
/// # Panics
/// When `cols` is no multiple of 16, or an operand ends before its last element.
#[inline(always)]
pub(super) fn product<L: Lanes>(
    l: L,
    (rows, depth, cols): (usize, usize, usize),
    a: Scalars,
    b: Vectors,
    (c, c_row, accum): (&mut [f32], usize, Accum),
    ahead: &mut impl Step,
) {
    if rows == 0 || cols == 0 {
        return;
    }
    let depth = elements::<L>(depth);
    let last = depth.saturating_sub(1);
    assert!(
        cols.is_multiple_of(LANES)
            && (rows - 1) * c_row + cols <= c.len()
            && (depth == 0 || (rows - 1) * a.row + last * a.col < a.data.len())
            && (depth == 0 || last * b.row + cols <= b.data.len()),
        "a tile of ({rows}, {depth}, {cols}) reaches beyond its operands"
    );
    let tile = Tile { l, depth, a_row: a.row, a_col: a.col, b_row: b.row, c_row, accum };
    let mut col = 0;
    while col < cols {
        let vectors = L::COLS.min((cols - col) / LANES);
        let mut row = 0;
        while row < rows {
            let count = rows - row;
            ahead.step();
            // SAFETY: the tile covers rows row.. and columns col.. inside (rows, cols), which the assertion above has
            // found inside all three operands.
            unsafe {
                let a = a.data.as_ptr().add(row * a.row);
                let b = b.data.as_ptr().add(col);
                let c = c.as_mut_ptr().add(row * c_row + col);
                row += match vectors {
                    2 => tile.rows::<2>(count, a, b, c),
                    _ => tile.rows::<1>(count, a, b, c),
                };
            }
        }
        col += vectors * LANES;
    }
}

/// What all register tiles of one product share.
#[derive(Clone, Copy)]
struct Tile<L> {
    l: L,
    depth: usize,
    a_row: usize,
    a_col: usize,
    b_row: usize,
    c_row: usize,
    accum: Accum,
}

impl<L: Lanes> Tile<L> {
    /// Fills the largest register tile that `count` rows have room for, and returns its rows.
    ///
    /// # Safety
    /// `count` rows of `C` vectors must lie inside of `a`, `b` and `c`.
    #[inline(always)]
    unsafe fn rows<const C: usize>(self, count: usize, a: *const f32, b: *const f32, c: *mut f32) -> usize {
        // SAFETY: no tile is higher than `count`.
        unsafe {
            if L::ROWS >= 8 && count >= 8 {
                self.fill::<8, C>(a, b, c);
                8
            } else if count >= 4 {
                self.fill::<4, C>(a, b, c);
                4
            } else if count >= 2 {
                self.fill::<2, C>(a, b, c);
                2
            } else {
                self.fill::<1, C>(a, b, c);
                1
            }
        }
    }

    /// One register tile of `R` rows and `C` vectors.
    ///
    /// # Safety
    /// `R` rows of `C` vectors must lie inside of `a`, `b` and `c`.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "indices keep the tile in registers")]
    unsafe fn fill<const R: usize, const C: usize>(self, a: *const f32, b: *const f32, c: *mut f32) {
        let l = self.l;
        let mut sums = [[l.splat(0.0); C]; R];
        for k in 0..self.depth {
            // SAFETY: k < depth; the caller has found R rows of a and C vectors of b inside.
            unsafe {
                let b = b.add(k * self.b_row).cast::<[f32; LANES]>();
                let mut vectors = [l.splat(0.0); C];
                for j in 0..C {
                    vectors[j] = l.load(&*b.add(j));
                }
                let a = a.add(k * self.a_col);
                for r in 0..R {
                    let a = l.splat(*a.add(r * self.a_row));
                    for j in 0..C {
                        sums[r][j] = l.dot(a, vectors[j], sums[r][j]);
                    }
                }
            }
        }
        for r in 0..R {
            for j in 0..C {
                // SAFETY: the caller has found R rows of C vectors of c inside; c is borrowed mutably by `product`.
                let to = unsafe { &mut *c.add(r * self.c_row + j * LANES).cast::<[f32; LANES]>() };
                let sum = match self.accum {
                    Accum::Set => sums[r][j],
                    Accum::Add => l.add(l.load(to), sums[r][j]),
                };
                l.store(sum, to);
            }
        }
    }
}
