//! A product as tasks over blocks of its rows and groups of its columns.
//!
//! A task packs its group of columns of `b` once for a block of K, into half of the second-level cache, and takes the tiles of its rows
//! past it. A tile of `a` is multiplied where it lies, or packed just before. Nothing is shared between tasks but the operands.

use std::ops::Range;

use rayon::prelude::*;

use super::bf16;
use super::grid::Grid;
use super::machine::{Finish, Machine};
use super::pack::Source;
use super::scratch::Scratch;
use super::tile::{Ahead, Layout, ROW_STRIDE, Start, Tile};
use super::{Destination, Matrix};
use crate::cpu::Isa;
use crate::{Accum, Out};

/// A product that is being computed.
struct Product<'a> {
    isa: Isa,
    machine: &'static Machine,
    a: Matrix<'a>,
    b: Matrix<'a>,
    c: Destination,
    accum: Accum,
    bias: Option<&'a [f32]>,
    layout: Layout,
    grid: Grid,
}

/// The rows of a band of tiles.
#[derive(Clone, Copy)]
struct Rows {
    first: *const f32,
    /// Distance of rows in the layout `ByRow`.
    stride: usize,
    place: Place,
}

/// Where rows are multiplied.
#[derive(Clone, Copy)]
enum Place {
    /// In `a` itself.
    Own,
    /// In a buffer, tile after tile.
    Packed,
}

/// `c = a·b + bias`. The shapes were checked, and `c` has at least one element.
pub(super) fn product(
    (isa, machine): (Isa, &'static Machine),
    threads: usize,
    a: Matrix,
    b: Matrix,
    c: Out,
    bias: Option<&[f32]>,
) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let grid = Grid::new((m, k, n), (machine.tile_rows, machine.panel_columns()), threads);
    let tasks = grid.row_blocks * grid.groups;
    let layout = if a.col_stride == 1 { Layout::ByRow } else { Layout::ByStep };
    let accum = c.accum;
    let c = Destination(c.data.as_mut_ptr());
    let product = Product { isa, machine, a, b, c, accum, bias, layout, grid };
    if threads == 1 {
        (0..tasks).for_each(|index| product.task(index));
    } else {
        (0..tasks).into_par_iter().with_max_len(1).for_each(|index| product.task(index));
    }
}

impl Product<'_> {
    /// Computes one block of rows and group of columns.
    fn task(&self, index: usize) {
        let (grid, machine) = (&self.grid, self.machine);
        let (row_block, group) = (index / grid.groups, index % grid.groups);
        let panels = grid.panels(group);
        let tiles: Vec<_> = grid.tiles(row_block).collect();
        let band_floats = self.tiles_of_band() * machine.tile_floats();
        let mut scratch = Scratch::take(band_floats + panels.len() * machine.panel_floats());
        let packed_tiles = scratch.pointer();
        let packed_panels = packed_tiles.wrapping_add(band_floats);
        for block in 0..grid.depth_blocks() {
            let depth = grid.depth_range(block);
            for (index, columns) in panels.clone().enumerate() {
                let to = packed_panels.wrapping_add(index * machine.panel_floats());
                self.pack_panel(columns, depth.clone(), to);
            }
            let mut bands = tiles.chunks(self.tiles_of_band()).peekable();
            while let Some(band) = bands.next() {
                let next_band = bands.peek().map(|band| self.band(band, depth.clone()));
                let a = self.rows(band, depth.clone(), packed_tiles);
                for (place, rows) in band.iter().enumerate() {
                    for (panel, columns) in panels.clone().enumerate() {
                        let share = place * panels.len() + panel;
                        let tile = Tile {
                            steps: depth.len().div_ceil(machine.depth_of_step()),
                            a: a.first.wrapping_add(match a.place {
                                Place::Own => (rows.start - band[0].start) * a.stride,
                                Place::Packed => place * machine.tile_floats(),
                            }),
                            a_stride: a.stride,
                            b: packed_panels.wrapping_add(panel * machine.panel_floats()),
                            c: self.c.0.wrapping_add(rows.start * grid.columns + columns.start),
                            c_stride: grid.columns,
                            width: columns.len(),
                            start: self.start(block),
                            bias: self.bias(block, columns.start),
                            ahead: Ahead::share(next_band.as_ref(), share, band.len() * panels.len()),
                        };
                        // SAFETY: the operands cover this block of K, and the tile lies in a block of `c` that no other task writes.
                        unsafe { machine.run(rows.len(), self.layout, &tile) }
                    }
                }
            }
        }
    }

    fn start(&self, block: usize) -> Start {
        if block == 0 && self.accum == Accum::Set { Start::Zero } else { Start::Old }
    }

    /// The bias from a column on, where the last block of K is added; null before.
    fn bias(&self, block: usize, column: usize) -> *const f32 {
        match self.bias {
            Some(bias) if block + 1 == self.grid.depth_blocks() => bias[column..].as_ptr(),
            _ => std::ptr::null(),
        }
    }

    /// Tiles of `a` that are packed together: with a transposed matrix several, so that each of its cache lines is fetched once.
    fn tiles_of_band(&self) -> usize {
        match self.layout {
            Layout::ByRow => 1,
            Layout::ByStep => 4,
        }
    }

    /// Whether tiles multiply the elements of `a` where they are. Rows a multiple of 4 KiB apart compete for the same lines of the
    /// first-level cache, so that they are worth a copy.
    fn reads_a_in_place(&self) -> bool {
        let crowded = self.a.row_stride.is_multiple_of(1024) && self.a.rows > 8;
        self.machine.finish == Finish::Exact && self.layout == Layout::ByRow && !crowded
    }

    /// The rows of a band of tiles, in place or packed into `to`.
    fn rows(&self, band: &[Range<usize>], depth: Range<usize>, to: *mut f32) -> Rows {
        let source = self.band(band, depth);
        if self.reads_a_in_place() {
            return Rows { first: source.data, stride: source.line_stride, place: Place::Own };
        }
        let tiles: Vec<_> =
            band.iter().map(|rows| rows.start - band[0].start..rows.end - band[0].start).collect();
        // SAFETY: the rows and positions lie inside of `a`; `to` has room for a band, whose extent is what is sliced again.
        let packed = unsafe {
            self.machine.pack_tiles(self.layout, &source, &tiles, to);
            std::slice::from_raw_parts_mut(to, tiles.len() * self.machine.tile_floats())
        };
        for (tile, packed) in tiles.iter().zip(packed.chunks_mut(self.machine.tile_floats())) {
            self.finish_tile(packed, tile.len(), source.depth);
        }
        Rows { first: to, stride: ROW_STRIDE, place: Place::Packed }
    }

    /// Brings a packed tile into the number format in which it is multiplied.
    fn finish_tile(&self, packed: &mut [f32], rows: usize, depth: usize) {
        let each_row = |packed: &mut [f32], finish: &dyn Fn(&mut [f32])| {
            packed.chunks_mut(ROW_STRIDE).take(rows).for_each(finish);
        };
        let lanes = self.machine.lanes;
        match (self.machine.finish, self.layout) {
            (Finish::Exact, _) => {}
            (Finish::Rounded, Layout::ByRow) => {
                each_row(packed, &|row| bf16::round_all(self.isa, &mut row[..depth]));
            }
            (Finish::Rounded, Layout::ByStep) => bf16::round_all(self.isa, &mut packed[..depth * lanes]),
            (Finish::Pairs, Layout::ByRow) => each_row(packed, &|row| bf16::pair_row(self.isa, row, depth)),
            (Finish::Pairs, Layout::ByStep) => bf16::pair_steps(self.isa, packed, lanes, depth),
        }
    }

    /// The part of `a` that a band of tiles multiplies.
    fn band(&self, band: &[Range<usize>], depth: Range<usize>) -> Source {
        let rows = band[0].start..band[band.len() - 1].end;
        source(self.a, rows, depth)
    }

    fn pack_panel(&self, columns: Range<usize>, depth: Range<usize>, to: *mut f32) {
        let source = source(self.b.t(), columns, depth);
        let width = self.machine.panel_columns();
        // SAFETY: the columns and positions lie inside of `b`; `to` has room for a panel, whose extent is what is sliced again.
        let packed = unsafe {
            self.machine.pack_panel(&source, to);
            std::slice::from_raw_parts_mut(to, self.machine.panel_floats())
        };
        match self.machine.finish {
            Finish::Exact => {}
            Finish::Rounded => bf16::round_all(self.isa, &mut packed[..source.depth * width]),
            Finish::Pairs => bf16::pair_steps(self.isa, packed, width, source.depth),
        }
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
    }
}
