//! A product as tasks over blocks of its rows and groups of its columns.
//!
//! A task packs its group of columns of `b` once for a block of K, into a part of the second-level cache, and takes the tiles of its rows
//! past it. A tile of `a` is multiplied where it lies, or packed just before. Tasks share nothing but the operands.

mod grid;
mod machine;
mod operands;
mod pack;
mod scratch;
mod strip;
mod tile;
mod vector;

use std::ops::Range;

use rayon::prelude::*;

use self::grid::Grid;
use self::machine::{Format, Machine};
use self::operands::{Left, Operands, Right, Rows};
use self::scratch::Scratch;
use self::tile::{Ahead, Layout, Start, Store, Tile};
use super::{Destination, Matrix, Precision};
use crate::cpu::Isa;
use crate::{Accum, Out};

/// `c = a·b + bias` on the kernels of `isa`. The shapes were checked, and `c` has at least one element.
pub(super) fn product(
    isa: Isa,
    threads: usize,
    precision: Precision,
    a: Matrix,
    b: Matrix,
    c: Out,
    bias: Option<&[f32]>,
) {
    product_on((isa, Machine::of(isa, precision)), threads, a, b, c, bias);
}

fn product_on(
    (isa, machine): (Isa, &'static Machine),
    threads: usize,
    a: Matrix,
    b: Matrix,
    c: Out,
    bias: Option<&[f32]>,
) {
    let grid = Grid::new((a.rows, a.cols, b.cols), machine, threads);
    if a.rows <= strip::MAX_ROWS && machine.format == Format::Exact {
        return strip::product(machine, &grid, a, b, c, bias);
    }
    let layout = if a.col_stride == 1 { Layout::ByRow } else { Layout::ByStep };
    let a = Left { matrix: a, factors: None };
    Product::new(Operands { isa, machine, layout, a, b: Right::Plain(b) }, grid, c, bias).compute();
}

/// Elements that a `b` of (`rows`, `columns`) has when it is packed as a whole.
pub(super) fn packed_floats(isa: Isa, precision: Precision, rows: usize, columns: usize) -> usize {
    let machine = Machine::of(isa, precision);
    let grid = Grid::new((1, rows, columns), machine, 1);
    grid.depth_blocks() * grid.panels * machine.panel_floats()
}

/// Packs a whole `b` into `to`, which starts a cache line and has [`packed_floats`].
pub(super) fn pack(isa: Isa, precision: Precision, b: Matrix, to: &mut [f32]) {
    let machine = Machine::of(isa, precision);
    operands::pack_all((isa, machine), &Grid::new((1, b.rows, b.cols), machine, 1), b, to);
}

/// `c = a·diag(factors)·b` on this thread, for an `a` whose rows lie side by side and a `b` of `columns` that [`pack`] packed.
pub(super) fn product_with_packed(
    isa: Isa,
    precision: Precision,
    (a, factors): (Matrix, &[f32]),
    (b, columns): (&[f32], usize),
    c: Out,
) {
    let machine = Machine::of(isa, precision);
    let grid = Grid::new((a.rows, a.cols, columns), machine, 1);
    let a = Left { matrix: a, factors: Some(factors) };
    let operands = Operands { isa, machine, layout: Layout::ByStep, a, b: Right::Packed(b) };
    Product::new(operands, grid, c, None).compute();
}

/// A product that is being computed.
struct Product<'a> {
    operands: Operands<'a>,
    c: Destination,
    accum: Accum,
    bias: Option<&'a [f32]>,
    grid: Grid,
}

impl<'a> Product<'a> {
    fn new(operands: Operands<'a>, grid: Grid, c: Out, bias: Option<&'a [f32]>) -> Self {
        Self { operands, c: Destination(c.data.as_mut_ptr()), accum: c.accum, bias, grid }
    }

    fn compute(&self) {
        let tasks = self.grid.row_blocks * self.grid.groups;
        if self.grid.threads == 1 {
            (0..tasks).for_each(|index| self.task(index));
        } else {
            (0..tasks).into_par_iter().with_max_len(1).for_each(|index| self.task(index));
        }
    }

    /// Computes one block of rows and group of columns.
    fn task(&self, index: usize) {
        let (grid, operands) = (&self.grid, &self.operands);
        let tiles: Vec<_> = grid.tiles(index / grid.groups).collect();
        let panels: Vec<_> = grid.panels_of(index % grid.groups).collect();
        let mut scratch = Scratch::take(operands.band_floats() + operands.panels_floats(panels.len()));
        let packed_rows = scratch.pointer();
        let packed_panels = packed_rows.wrapping_add(operands.band_floats());
        // What is used once is packed right before, in the order in which it lies in memory; what many tiles use, all together.
        let together = if tiles.len() == 1 { 1 } else { panels.len() };
        for panels in panels.chunks(together.max(1)) {
            for block in 0..grid.depth_blocks() {
                let packed_panels = operands.panels(grid, block, panels, packed_panels);
                self.rows_past_panels(block, &tiles, panels, packed_rows, packed_panels);
            }
        }
    }

    /// Multiplies the tiles by packed panels, band after band.
    fn rows_past_panels(
        &self,
        block: usize,
        tiles: &[Range<usize>],
        panels: &[Range<usize>],
        packed_rows: *mut f32,
        packed_panels: *const f32,
    ) {
        let (operands, depth) = (&self.operands, self.grid.depth_range(block));
        let mut bands = tiles.chunks(operands.tiles_of_band()).peekable();
        while let Some(band) = bands.next() {
            let next = bands.peek().map(|band| operands.source_of_band(band, depth.clone()));
            let rows = operands.rows(band, depth.clone(), packed_rows);
            for tile in 0..band.len() {
                for (panel, columns) in panels.iter().enumerate() {
                    let b = packed_panels.wrapping_add(panel * operands.machine.panel_floats());
                    let share = tile * panels.len() + panel;
                    let ahead = Ahead::share(next.as_ref(), share, band.len() * panels.len());
                    self.tile(block, (&rows, band, tile), (b, columns), ahead);
                }
            }
        }
    }

    /// Multiplies one tile of a band by one packed panel.
    fn tile(
        &self,
        block: usize,
        (rows, band, index): (&Rows, &[Range<usize>], usize),
        (b, columns): (*const f32, &Range<usize>),
        ahead: Ahead,
    ) {
        let (grid, operands) = (&self.grid, &self.operands);
        let lines = &band[index];
        let tile = Tile {
            steps: grid.depth_range(block).len().div_ceil(operands.machine.depth_of_step()),
            a: rows.of_tile(index, lines.start - band[0].start),
            a_stride: rows.stride,
            b,
            store: Store {
                c: self.c.0.wrapping_add(lines.start * grid.columns + columns.start),
                c_stride: grid.columns,
                width: columns.len(),
                start: self.start(block),
                bias: self.bias(block, columns.start),
            },
            ahead,
        };
        // SAFETY: the operands cover this block of K, and the tile lies in a block of `c` that no other task writes.
        unsafe { operands.machine.run(lines.len(), operands.layout, &tile) }
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
}
