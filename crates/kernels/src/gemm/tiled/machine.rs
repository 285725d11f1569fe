//! The tile kernels and packing functions compiled for each instruction set.

use std::ops::Range;

use super::pack::{self, PackPanel, PackTiles, Source};
use super::strip::{self, Columns, Strip};
use super::tile::{self, Layout, MAX_STEPS, PANEL_VECTORS, Run, Tile};
use super::vector::{Vector, Ymm, Zmm};
use crate::cpu::{self, Isa};
use crate::gemm::Precision;

/// What one instruction set brings to a product.
pub(super) struct Machine {
    /// f32 elements in a register.
    pub lanes: usize,
    /// Rows of the tallest tile, whose sums, with a row of `b` and a factor, fill the registers.
    pub tile_rows: usize,
    /// The number format of operands.
    pub format: Format,
    /// By rows of the tile, less one; registers of columns, less one; and layout.
    runs: &'static [[[Run; 2]; PANEL_VECTORS]],
    /// By rows of the strip, less one.
    strips: [strip::Run; strip::MAX_ROWS],
    /// By rows, less one.
    columns: [strip::RunColumns; strip::MAX_ROWS],
    rows_by_row: PackTiles,
    rows_by_step: PackTiles,
    panel_copied: PackPanel,
    panel_transposed: PackPanel,
}

/// The number format in which operands are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// f32, as they were.
    Exact,
    /// f32, rounded to what bf16 can hold.
    Rounded,
    /// bf16, two positions of K to an element.
    Pairs,
}

impl Machine {
    /// The kernels of `isa`, which the processor has.
    ///
    /// # Panics
    ///
    /// If there are none for it.
    pub fn of(isa: Isa, precision: Precision) -> &'static Machine {
        match (isa, precision) {
            (Isa::Avx512, Precision::F32) => &avx512::EXACT,
            (Isa::Avx512, Precision::Bf16) if cpu::has_fast_bf16_dot() => &avx512_bf16::PAIRS,
            (Isa::Avx512, Precision::Bf16) => &avx512::ROUNDED,
            (Isa::Avx2, Precision::F32) => &avx2::EXACT,
            (Isa::Avx2, Precision::Bf16) => &avx2::ROUNDED,
            (Isa::Neon | Isa::Portable, _) => unreachable!("no tiles for {isa:?}"),
        }
    }

    /// Columns of a panel of `b`.
    pub fn panel_columns(&self) -> usize {
        PANEL_VECTORS * self.lanes
    }

    /// Floats that a packed tile of `a` takes.
    pub fn tile_floats(&self) -> usize {
        self.lanes * MAX_STEPS
    }

    /// Floats that a packed panel of `b` takes.
    pub fn panel_floats(&self) -> usize {
        self.panel_columns() * MAX_STEPS
    }

    /// Positions of K that one step multiplies.
    pub fn depth_of_step(&self) -> usize {
        match self.format {
            Format::Exact | Format::Rounded => 1,
            Format::Pairs => 2,
        }
    }

    /// The most positions of K in one block.
    pub fn max_depth(&self) -> usize {
        self.depth_of_step() * MAX_STEPS
    }

    /// Computes a tile of `rows` rows.
    ///
    /// # Safety
    ///
    /// The pointers of the tile are valid for what their descriptions say, and `a` was packed as `layout` says.
    pub unsafe fn run(&self, rows: usize, layout: Layout, tile: &Tile) {
        let vectors = tile.store.width.div_ceil(self.lanes);
        let run = self.runs[rows - 1][vectors - 1][layout as usize];
        // SAFETY: the caller vouches for the pointers, and `of` gives only machines whose instructions the processor has.
        unsafe { run(tile) }
    }

    /// Computes a strip of `rows` rows.
    ///
    /// # Safety
    ///
    /// The pointers of the strip are valid for what their descriptions say.
    pub unsafe fn run_strip(&self, rows: usize, strip: &Strip) {
        // SAFETY: the caller vouches for the pointers, and `of` gives only machines whose instructions the processor has.
        unsafe { self.strips[rows - 1](strip) }
    }

    /// Computes `rows` rows by contiguous columns.
    ///
    /// # Safety
    ///
    /// The pointers of the columns are valid for what their descriptions say.
    pub unsafe fn run_columns(&self, rows: usize, columns: &Columns) {
        // SAFETY: the caller vouches for the pointers, and `of` gives only machines whose instructions the processor has.
        unsafe { self.columns[rows - 1](columns) }
    }

    /// Packs tiles of `a`, whose rows are ranges of the source's lines, each [`tile_floats`](Self::tile_floats) after the last.
    ///
    /// # Safety
    ///
    /// The source is valid, and `to` has room for the tiles.
    pub unsafe fn pack_tiles(&self, layout: Layout, source: &Source, tiles: &[Range<usize>], to: *mut f32) {
        let pack = match layout {
            Layout::ByRow => self.rows_by_row,
            Layout::ByStep => self.rows_by_step,
        };
        // SAFETY: the caller vouches for both; `of` gives only machines whose instructions the processor has.
        unsafe { pack(source, tiles, self.tile_floats(), to) }
    }

    /// Packs a panel of columns of `b`.
    ///
    /// # Safety
    ///
    /// The source is valid, and `to` has room for a panel.
    pub unsafe fn pack_panel(&self, source: &Source, to: *mut f32) {
        let pack = if source.line_stride == 1 { self.panel_copied } else { self.panel_transposed };
        // SAFETY: the caller vouches for both; `of` gives only machines whose instructions the processor has.
        unsafe { pack(source, to) }
    }
}

/// A module with the kernels of one vector type, compiled under its features.
macro_rules! machine {
    (
        $name:ident, $vector:ty, $features:literal,
        tiles [$($rows:literal)*],
        $($machine:ident: $format:ident),*
    ) => {
        mod $name {
            use super::*;

            const TILES: &[[[Run; 2]; PANEL_VECTORS]] = &[$([
                [run::<$rows, 1, true>, run::<$rows, 1, false>],
                [run::<$rows, 2, true>, run::<$rows, 2, false>],
            ]),*];

            const STRIPS: [strip::Run; strip::MAX_ROWS] = [run_strip::<1>, run_strip::<2>, run_strip::<3>, run_strip::<4>];

            const COLUMNS: [strip::RunColumns; strip::MAX_ROWS] =
                [run_columns::<1>, run_columns::<2>, run_columns::<3>, run_columns::<4>];

            $(pub static $machine: Machine = Machine {
                lanes: <$vector>::LANES,
                tile_rows: TILES.len(),
                format: Format::$format,
                runs: TILES,
                strips: STRIPS,
                columns: COLUMNS,
                rows_by_row,
                rows_by_step,
                panel_copied,
                panel_transposed,
            };)*

            #[target_feature(enable = $features)]
            unsafe fn run<const ROWS: usize, const VECTORS: usize, const BY_ROW: bool>(tile: &Tile) {
                // SAFETY: the features are enabled; the caller vouches for the rest.
                unsafe { tile::run::<$vector, ROWS, VECTORS, BY_ROW>(tile) }
            }

            #[target_feature(enable = $features)]
            unsafe fn run_strip<const ROWS: usize>(strip: &Strip) {
                // SAFETY: the features are enabled; the caller vouches for the rest.
                unsafe { strip::run::<$vector, ROWS>(strip) }
            }

            #[target_feature(enable = $features)]
            unsafe fn run_columns<const ROWS: usize>(columns: &Columns) {
                // SAFETY: the features are enabled; the caller vouches for the rest.
                unsafe { strip::run_columns::<$vector, ROWS>(columns) }
            }

            #[target_feature(enable = $features)]
            unsafe fn rows_by_row(source: &Source, tiles: &[Range<usize>], tile_floats: usize, to: *mut f32) {
                // SAFETY: the features are enabled; the caller vouches for the rest.
                unsafe { pack::rows_by_row::<$vector>(source, tiles, tile_floats, to) }
            }

            #[target_feature(enable = $features)]
            unsafe fn rows_by_step(source: &Source, tiles: &[Range<usize>], tile_floats: usize, to: *mut f32) {
                // SAFETY: the features are enabled; the caller vouches for the rest.
                unsafe { pack::rows_by_step::<$vector>(source, tiles, tile_floats, to) }
            }

            #[target_feature(enable = $features)]
            unsafe fn panel_copied(source: &Source, to: *mut f32) {
                // SAFETY: the features are enabled; the caller vouches for the rest.
                unsafe { pack::panel_copied::<$vector>(source, to) }
            }

            #[target_feature(enable = $features)]
            unsafe fn panel_transposed(source: &Source, to: *mut f32) {
                // SAFETY: the features are enabled; the caller vouches for the rest.
                unsafe { pack::panel_transposed::<$vector>(source, to) }
            }
        }
    };
}

machine!(
    avx512, Zmm<1>, "avx512f",
    tiles [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
    EXACT: Exact, ROUNDED: Rounded
);
machine!(
    avx512_bf16, Zmm<2>, "avx512f,avx512bw,avx512bf16",
    tiles [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
    PAIRS: Pairs
);
machine!(
    avx2, Ymm, "avx2,fma",
    tiles [1 2 3 4 5 6],
    EXACT: Exact, ROUNDED: Rounded
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::{Matrix, tiled::product_on};
    use crate::{Out, cpu};

    #[test]
    fn pairs_of_bf16_give_what_rounded_operands_give() {
        if !cpu::has_bf16_dot() {
            println!("skipped: this processor multiplies no pairs of bf16");
            return;
        }
        for (m, k, n) in [(1, 1, 1), (14, 16, 32), (29, 77, 47), (130, 1031, 70)] {
            let wave = |len: usize, step: f32| (0..len).map(|i| (i as f32 * step).sin()).collect::<Vec<_>>();
            let (a, b, old) = (wave(m * k, 0.7), wave(k * n, 1.3), wave(m * n, 0.1));
            for (left, right) in [
                (Matrix::new(&a, m, k), Matrix::new(&b, k, n)),
                (Matrix::new(&a, k, m).t(), Matrix::new(&b, n, k).t()),
            ] {
                let run = |machine| {
                    let mut c = old.clone();
                    product_on((Isa::Avx512, machine), 2, left, right, Out::add(&mut c), Some(&old[..n]));
                    c
                };
                let (pairs, rounded) = (run(&avx512_bf16::PAIRS), run(&avx512::ROUNDED));
                for (pair, rounded) in pairs.iter().zip(&rounded) {
                    let tolerance = 2e-6 * (k as f32).sqrt();
                    assert!((pair - rounded).abs() <= tolerance, "({m}, {k}, {n}): {pair} and {rounded}");
                }
            }
        }
    }
}
