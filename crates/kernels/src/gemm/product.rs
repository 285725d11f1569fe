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
use super::tile::{Ahead, Layout, MAX_DEPTH, ROW_STRIDE, Start, Tile};
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
        let grid = &self.grid;
        let (row_block, group) = (index / grid.groups, index % grid.groups);
        let panels = grid.panels(group);
        let mut scratch = Scratch::take(self.tile_floats() + panels.len() * self.panel_floats());
        let packed_tile = scratch.pointer();
        let packed_panels = packed_tile.wrapping_add(self.tile_floats());
        for block in 0..grid.depth_blocks() {
            let depth = grid.depth_range(block);
            for (index, columns) in panels.clone().enumerate() {
                self.pack_panel(
                    columns,
                    depth.clone(),
                    packed_panels.wrapping_add(index * self.panel_floats()),
                );
            }
            let mut tiles = grid.tiles(row_block).peekable();
            while let Some(rows) = tiles.next() {
                let (a, a_stride) = if self.reads_a_in_place() {
                    (self.source_of_a(rows.clone(), depth.clone()).data, self.a.row_stride)
                } else {
                    self.pack_tile(rows.clone(), depth.clone(), packed_tile);
                    (packed_tile.cast_const(), ROW_STRIDE)
                };
                let next = tiles.peek().map(|rows| self.source_of_a(rows.clone(), depth.clone()));
                for (index, columns) in panels.clone().enumerate() {
                    let tile = Tile {
                        steps: depth.len().div_ceil(self.machine.depth_of_step()),
                        a,
                        a_stride,
                        b: packed_panels.wrapping_add(index * self.panel_floats()),
                        c: self.c.0.wrapping_add(rows.start * grid.columns + columns.start),
                        c_stride: grid.columns,
                        width: columns.len(),
                        start: self.start(block),
                        bias: self.bias(block, columns.start),
                        ahead: Ahead::share(next.as_ref(), index, panels.len()),
                    };
                    // SAFETY: the operands cover this block of K, and the tile lies in a block of `c` that no other task writes.
                    unsafe { self.machine.run(rows.len(), self.layout, &tile) }
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

    /// Whether tiles multiply the elements of `a` where they are. Rows a multiple of 4 KiB apart compete for the same lines of the
    /// first-level cache, so that they are worth a copy.
    fn reads_a_in_place(&self) -> bool {
        let crowded = self.a.row_stride.is_multiple_of(1024) && self.a.rows > 8;
        self.machine.finish == Finish::Exact && self.layout == Layout::ByRow && !crowded
    }

    /// Floats that a packed tile of `a` takes, and a packed panel of `b`.
    fn tile_floats(&self) -> usize {
        self.machine.lanes * MAX_DEPTH
    }

    fn panel_floats(&self) -> usize {
        self.machine.panel_columns() * MAX_DEPTH
    }

    fn source_of_a(&self, rows: Range<usize>, depth: Range<usize>) -> Source {
        source(self.a, rows, depth)
    }

    fn pack_tile(&self, rows: Range<usize>, depth: Range<usize>, to: *mut f32) {
        let source = self.source_of_a(rows, depth);
        // SAFETY: the rows and positions lie inside of `a`; `to` has room for a tile, whose extent is what is sliced again.
        let packed = unsafe {
            self.machine.pack_rows(self.layout, &source, to);
            std::slice::from_raw_parts_mut(to, self.tile_floats())
        };
        let rows = |packed: &mut [f32], finish: &dyn Fn(&mut [f32])| {
            packed.chunks_mut(ROW_STRIDE).take(source.lines).for_each(finish);
        };
        match (self.machine.finish, self.layout) {
            (Finish::Exact, _) => {}
            (Finish::Rounded, Layout::ByRow) => {
                rows(packed, &|row| bf16::round_all(self.isa, &mut row[..source.depth]));
            }
            (Finish::Rounded, Layout::ByStep) => {
                bf16::round_all(self.isa, &mut packed[..source.depth * self.machine.lanes]);
            }
            (Finish::Pairs, Layout::ByRow) => {
                rows(packed, &|row| bf16::pair_row(self.isa, row, source.depth));
            }
            (Finish::Pairs, Layout::ByStep) => {
                bf16::pair_steps(self.isa, packed, self.machine.lanes, source.depth);
            }
        }
    }

    fn pack_panel(&self, columns: Range<usize>, depth: Range<usize>, to: *mut f32) {
        let source = source(self.b.t(), columns, depth);
        let width = self.machine.panel_columns();
        // SAFETY: the columns and positions lie inside of `b`; `to` has room for a panel, whose extent is what is sliced again.
        let packed = unsafe {
            self.machine.pack_panel(&source, to);
            std::slice::from_raw_parts_mut(to, self.panel_floats())
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
