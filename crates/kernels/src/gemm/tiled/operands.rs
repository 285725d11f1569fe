//! The operands of a product, and the packing of their parts.

use std::ops::Range;

use rayon::prelude::*;

use super::grid::Grid;
use super::machine::{Format, Machine};
use super::pack::Source;
use super::tile::{Layout, ROW_STRIDE};
use crate::cpu::Isa;
use crate::gemm::{Matrix, bf16};

/// The left operand.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub matrix: Matrix<'a>,
    /// What its columns are multiplied by while they are packed. Its rows lie side by side then.
    pub factors: Option<&'a [f32]>,
}

/// The right operand.
#[derive(Clone, Copy)]
pub(super) enum Right<'a> {
    /// Each task packs its columns.
    Plain(Matrix<'a>),
    /// All panels, by blocks of K, as [`pack_all`] wrote them.
    Packed(&'a [f32]),
}

/// What is multiplied, and with what kernels.
pub(super) struct Operands<'a> {
    pub isa: Isa,
    pub machine: &'static Machine,
    pub layout: Layout,
    pub a: Left<'a>,
    pub b: Right<'a>,
}

/// The rows of a band of tiles.
pub(super) struct Rows {
    first: *const f32,
    /// Distance of rows in the layout `ByRow`.
    pub stride: usize,
    place: Place,
}

/// Where rows are multiplied.
enum Place {
    /// In `a` itself.
    Own,
    /// In a buffer, tiles so many floats apart.
    Packed(usize),
}

impl Rows {
    /// The first element of a tile, which begins `row` rows after the first.
    pub fn of_tile(&self, index: usize, row: usize) -> *const f32 {
        self.first.wrapping_add(match self.place {
            Place::Own => row * self.stride,
            Place::Packed(floats) => index * floats,
        })
    }
}

impl Operands<'_> {
    /// Whether tiles multiply the elements of `a` where they are. Rows a multiple of 4 KiB apart compete for the same lines of the
    /// first-level cache, so that they are worth a copy.
    fn reads_a_in_place(&self) -> bool {
        let a = &self.a.matrix;
        let crowded = a.row_stride.is_multiple_of(1024) && a.rows > 8;
        self.machine.format == Format::Exact && self.layout == Layout::ByRow && !crowded
    }

    /// Tiles of `a` that are packed together: with a transposed matrix several, so that each of its cache lines is fetched once.
    pub fn tiles_of_band(&self) -> usize {
        match self.layout {
            Layout::ByRow => 1,
            Layout::ByStep => 4,
        }
    }

    /// Room for a packed band.
    pub fn band_floats(&self) -> usize {
        self.tiles_of_band() * self.machine.tile_floats()
    }

    /// The part of `a` that a band of tiles multiplies.
    pub fn source_of_band(&self, band: &[Range<usize>], depth: Range<usize>) -> Source {
        let factors = self.a.factors.map_or(std::ptr::null(), |factors| factors[depth.start..].as_ptr());
        Source { factors, ..source(self.a.matrix, band[0].start..band[band.len() - 1].end, depth) }
    }

    /// The rows of a band of tiles, in place or packed into `to`, which has room for them.
    pub fn rows(&self, band: &[Range<usize>], depth: Range<usize>, to: *mut f32) -> Rows {
        let source = self.source_of_band(band, depth);
        if self.reads_a_in_place() {
            return Rows { first: source.data, stride: source.line_stride, place: Place::Own };
        }
        let tile_floats = self.machine.tile_floats();
        let first = band[0].start;
        let tiles: Vec<_> = band.iter().map(|rows| rows.start - first..rows.end - first).collect();
        // SAFETY: the rows and positions lie inside of `a`; the buffer was initialised, and no other task has it.
        let packed = unsafe {
            self.machine.pack_tiles(self.layout, &source, &tiles, to);
            std::slice::from_raw_parts_mut(to, tiles.len() * tile_floats)
        };
        if self.machine.format == Format::Rounded {
            packed.chunks_mut(tile_floats).zip(&tiles).for_each(|(packed, rows)| match self.layout {
                Layout::ByRow => {
                    let lines = packed.chunks_mut(ROW_STRIDE).take(rows.len());
                    lines.for_each(|line| bf16::round_all(self.isa, &mut line[..source.depth]));
                }
                Layout::ByStep => {
                    bf16::round_all(self.isa, &mut packed[..source.depth * self.machine.lanes]);
                }
            });
        }
        Rows { first: to, stride: ROW_STRIDE, place: Place::Packed(tile_floats) }
    }

    /// Room for `count` panels of `b`, if it is still to be packed.
    pub fn panels_floats(&self, count: usize) -> usize {
        match self.b {
            Right::Plain(_) => count * self.machine.panel_floats(),
            Right::Packed(_) => 0,
        }
    }

    /// The panels with these columns, packed into `to`, or where they were packed before.
    pub fn panels(&self, grid: &Grid, block: usize, columns: &[Range<usize>], to: *mut f32) -> *const f32 {
        let floats = self.machine.panel_floats();
        match self.b {
            Right::Plain(b) => {
                for (index, columns) in columns.iter().enumerate() {
                    let to = to.wrapping_add(index * floats);
                    pack_panel((self.isa, self.machine), b, columns.clone(), grid.depth_range(block), to);
                }
                to
            }
            Right::Packed(panels) => {
                let first = columns[0].start / self.machine.panel_columns();
                panels[(block * grid.panels + first) * floats..].as_ptr()
            }
        }
    }
}

/// Packs all panels of `b`, by blocks of K. `to` has room for them, and starts a cache line.
pub(super) fn pack_all((isa, machine): (Isa, &'static Machine), grid: &Grid, b: Matrix, to: &mut [f32]) {
    let panels = to.par_chunks_mut(machine.panel_floats()).take(grid.depth_blocks() * grid.panels);
    panels.enumerate().for_each(|(index, to)| {
        let (block, panel) = (index / grid.panels, index % grid.panels);
        pack_panel((isa, machine), b, grid.panel(panel), grid.depth_range(block), to.as_mut_ptr());
    });
}

/// Packs a panel of columns of `b` into `to`, which has room for it.
fn pack_panel(
    (isa, machine): (Isa, &Machine),
    b: Matrix,
    columns: Range<usize>,
    depth: Range<usize>,
    to: *mut f32,
) {
    let source = source(b.t(), columns, depth);
    // SAFETY: the columns and positions lie inside of `b`; the buffer was initialised, and no other task has it.
    let packed = unsafe {
        machine.pack_panel(&source, to);
        std::slice::from_raw_parts_mut(to, machine.panel_floats())
    };
    if machine.format == Format::Rounded {
        bf16::round_all(isa, &mut packed[..source.depth * machine.panel_columns()]);
    }
}

/// The block of rows `lines` and columns `depth` of a matrix.
fn source(matrix: Matrix, lines: Range<usize>, depth: Range<usize>) -> Source {
    let offset = lines.start * matrix.row_stride + depth.start * matrix.col_stride;
    Source {
        data: matrix.data.as_ptr().wrapping_add(offset),
        line_stride: matrix.row_stride,
        depth_stride: matrix.col_stride,
        lines: lines.len(),
        depth: depth.len(),
        factors: std::ptr::null(),
    }
}
