//! A product as a grid of tasks over blocks of its rows and columns, with packed operands shared between them.

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};

use rayon::prelude::*;

use super::bf16;
use super::machine::{Finish, Machine};
use super::pack::Source;
use super::tile::{Layout, MAX_DEPTH, ROW_STRIDE, Start, Tile};
use super::{Destination, Matrix};
use crate::cpu::Isa;
use crate::{Accum, Out};

/// Rows of a task's block, where the product has many.
const BLOCK_ROWS: usize = 128;
/// Columns of a task's block, where the product has many.
const BLOCK_COLUMNS: usize = 512;
/// With up to so many rows a single block holds them all, and each task packs its own columns of `b` once.
const FEW_ROWS: usize = 512;
/// Multiply-adds below which one thread is faster than waking another.
const SERIAL: usize = 1 << 19;
/// Floats of packed operands that the tasks share in one pass over K.
const SHARED: usize = 1 << 21;

/// A product that is being computed.
struct Product<'a> {
    machine: &'static Machine,
    isa: Isa,
    a: Matrix<'a>,
    b: Matrix<'a>,
    c: Destination,
    accum: Accum,
    bias: Option<&'a [f32]>,
    layout: Layout,
    grid: Grid,
}

/// How a product is cut. The result does not depend on it, as no task has only a part of K.
struct Grid {
    rows: usize,
    columns: usize,
    /// Blocks of rows.
    row_blocks: usize,
    /// Blocks of columns.
    column_blocks: usize,
    /// Tiles in the tallest block of rows.
    tiles: usize,
    /// Panels in the whole width.
    panels: usize,
    /// Positions of K, and of one block of them.
    k: usize,
    depth: usize,
}

impl Grid {
    fn new(machine: &Machine, (rows, k, columns): (usize, usize, usize), threads: usize) -> Self {
        let panels = columns.div_ceil(machine.panel_columns());
        let (mut height, mut width) = (BLOCK_ROWS, BLOCK_COLUMNS);
        if rows <= FEW_ROWS && columns >= 4 * rows {
            height = rows;
        }
        if columns <= BLOCK_COLUMNS {
            width = columns;
        }
        let tasks = |height: usize, width: usize| rows.div_ceil(height) * columns.div_ceil(width);
        while threads > 1 && tasks(height, width) < 4 * threads {
            if width > 2 * machine.panel_columns() && width >= height {
                width = width.div_ceil(2);
            } else if height > 2 * machine.tile_rows {
                height = height.div_ceil(2);
            } else {
                break;
            }
        }
        let row_blocks = rows.div_ceil(height);
        let depth = k.div_ceil(k.div_ceil(MAX_DEPTH).max(1)).next_multiple_of(16);
        Self {
            rows,
            columns,
            row_blocks,
            column_blocks: columns.div_ceil(width).min(panels),
            tiles: rows.div_ceil(row_blocks).div_ceil(machine.tile_rows),
            panels,
            k,
            depth,
        }
    }

    /// Blocks of K; one even if K is 0, since `c` is to be written.
    fn depth_blocks(&self) -> usize {
        self.k.div_ceil(self.depth.max(1)).max(1)
    }

    fn depth_range(&self, block: usize) -> Range<usize> {
        block * self.depth..((block + 1) * self.depth).min(self.k)
    }

    fn row_range(&self, block: usize) -> Range<usize> {
        part(0..self.rows, block, self.row_blocks)
    }

    fn panel_range(&self, block: usize) -> Range<usize> {
        part(0..self.panels, block, self.column_blocks)
    }
}

/// The `index`-th of `count` nearly equal parts of a range.
fn part(range: Range<usize>, index: usize, count: usize) -> Range<usize> {
    let at = |index| range.start + index * range.len() / count;
    at(index)..at(index + 1)
}

/// `c = a·b + bias` on the kernels of `machine`. The shapes were checked, and `c` has at least one element.
pub(super) fn product(
    (isa, machine): (Isa, &'static Machine),
    a: Matrix,
    b: Matrix,
    c: Out,
    bias: Option<&[f32]>,
) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let threads = if m * n * k < SERIAL { 1 } else { rayon::current_num_threads() };
    let grid = Grid::new(machine, (m, k, n), threads);
    let layout = if a.col_stride == 1 { Layout::ByRow } else { Layout::ByStep };
    let accum = c.accum;
    let c = Destination(c.data.as_mut_ptr());
    Product { machine, isa, a, b, c, accum, bias, layout, grid }.run(threads);
}

impl Product<'_> {
    fn run(&self, threads: usize) {
        let grid = &self.grid;
        let shares_a = grid.column_blocks > 1;
        let shares_b = grid.row_blocks > 1;
        let tiles = if shares_a { grid.row_blocks * grid.tiles } else { 0 };
        let panels = if shares_b { grid.panels } else { 0 };
        let block_floats = tiles * self.tile_floats() + panels * self.panel_floats();
        let blocks = grid.depth_blocks();
        let pass = (SHARED / block_floats.max(1)).clamp(1, blocks);
        let buffer = Scratch::take(pass * block_floats);
        for first in (0..blocks).step_by(pass) {
            let blocks = first..(first + pass).min(blocks);
            let (a, b) = (pass * tiles, pass * panels);
            let shared = Shared {
                a: shares_a.then(|| Units::new(buffer.pointer(), self.tile_floats(), a, grid.tiles)),
                b: shares_b.then(|| {
                    Units::new(
                        buffer.pointer().wrapping_add(a * self.tile_floats()),
                        self.panel_floats(),
                        b,
                        grid.panels,
                    )
                }),
            };
            let task = |index: usize| self.task(index, blocks.clone(), &shared);
            let tasks = grid.row_blocks * grid.column_blocks;
            if threads == 1 {
                (0..tasks).for_each(task);
            } else {
                (0..tasks).into_par_iter().with_max_len(1).for_each(task);
            }
        }
        buffer.give_back();
    }

    /// Floats that a packed tile of `a` takes, and a panel of `b`.
    fn tile_floats(&self) -> usize {
        self.machine.lanes * MAX_DEPTH
    }

    fn panel_floats(&self) -> usize {
        self.machine.panel_columns() * MAX_DEPTH
    }

    /// Computes one block of rows and columns over some blocks of K.
    fn task(&self, index: usize, blocks: Range<usize>, shared: &Shared) {
        let grid = &self.grid;
        let (row_block, column_block) = (index / grid.column_blocks, index % grid.column_blocks);
        let panels = grid.panel_range(column_block);
        let own_tiles = if shared.a.is_some() { 0 } else { grid.tiles };
        let own = Scratch::take(own_tiles * self.tile_floats() + self.panel_floats());
        let own_panel = own.pointer().wrapping_add(own_tiles * self.tile_floats());
        let mut tiles = Vec::with_capacity(grid.tiles);
        let rows = grid.row_range(row_block);
        let tile_count = rows.len().div_ceil(self.machine.tile_rows);
        tiles.extend((0..tile_count).map(|tile| part(rows.clone(), tile, tile_count)));

        for block in blocks.clone() {
            let depth = grid.depth_range(block);
            let place = block - blocks.start;
            let a = match &shared.a {
                Some(units) => {
                    let first = (place * grid.row_blocks + row_block) * grid.tiles;
                    let start = column_block * tiles.len() / grid.column_blocks;
                    units.ensure(first..first + tiles.len(), start, |unit, to| {
                        self.pack_tile(tiles[unit - first].clone(), depth.clone(), to);
                    });
                    units.pointer(first)
                }
                None => {
                    for (tile, rows) in tiles.iter().enumerate() {
                        let to = own.pointer().wrapping_add(tile * self.tile_floats());
                        self.pack_tile(rows.clone(), depth.clone(), to);
                    }
                    own.pointer()
                }
            };
            let start = row_block * panels.len() / grid.row_blocks;
            if let Some(units) = &shared.b {
                let first = place * grid.panels;
                units.ensure(first + panels.start..first + panels.end, start, |unit, to| {
                    self.pack_panel(unit - first, depth.clone(), to);
                });
            }
            for panel in (panels.start + start..panels.end).chain(panels.start..panels.start + start) {
                let b = match &shared.b {
                    Some(units) => units.pointer(place * grid.panels + panel),
                    None => {
                        self.pack_panel(panel, depth.clone(), own_panel);
                        own_panel
                    }
                };
                self.column_of_tiles(&tiles, panel, block, a, b);
            }
        }
        own.give_back();
    }

    /// Computes the tiles of one panel from packed operands.
    fn column_of_tiles(
        &self,
        tiles: &[Range<usize>],
        panel: usize,
        block: usize,
        a: *const f32,
        b: *const f32,
    ) {
        let grid = &self.grid;
        let first = panel * self.machine.panel_columns();
        let start = if block == 0 && self.accum == Accum::Set { Start::Zero } else { Start::Old };
        let bias = match self.bias {
            Some(bias) if block + 1 == grid.depth_blocks() => bias[first..].as_ptr(),
            _ => std::ptr::null(),
        };
        for (index, rows) in tiles.iter().enumerate() {
            let tile = Tile {
                steps: grid.depth_range(block).len().div_ceil(self.machine.depth_of_step()),
                a: a.wrapping_add(index * self.tile_floats()),
                b,
                c: self.c.0.wrapping_add(rows.start * grid.columns + first),
                c_stride: grid.columns,
                width: self.machine.panel_columns().min(grid.columns - first),
                start,
                bias,
            };
            // SAFETY: both operands were packed for this block of K, and the tile lies inside of `c`, in a block that no other task writes.
            unsafe { self.machine.run(rows.len(), self.layout, &tile) }
        }
    }

    fn pack_tile(&self, rows: Range<usize>, depth: Range<usize>, to: *mut f32) {
        let source = source(self.a, rows, depth);
        // SAFETY: the rows and positions lie inside of `a`, and `to` has room for a tile, whose extent is what is sliced again.
        unsafe {
            self.machine.pack_rows(self.layout, &source, to);
            let packed = std::slice::from_raw_parts_mut(to, self.tile_floats());
            match (self.machine.finish, self.layout) {
                (Finish::Exact, _) => {}
                (Finish::Rounded, Layout::ByRow) => {
                    for row in packed.chunks_mut(ROW_STRIDE).take(source.lines) {
                        bf16::round_all(self.isa, &mut row[..source.depth]);
                    }
                }
                (Finish::Rounded, Layout::ByStep) => {
                    bf16::round_all(self.isa, &mut packed[..source.depth * self.machine.lanes]);
                }
                (Finish::Pairs, Layout::ByRow) => {
                    for row in packed.chunks_mut(ROW_STRIDE).take(source.lines) {
                        bf16::pair_row(self.isa, row, source.depth);
                    }
                }
                (Finish::Pairs, Layout::ByStep) => {
                    bf16::pair_steps(self.isa, packed, self.machine.lanes, source.depth);
                }
            }
        }
    }

    fn pack_panel(&self, panel: usize, depth: Range<usize>, to: *mut f32) {
        let width = self.machine.panel_columns();
        let columns = panel * width..((panel + 1) * width).min(self.grid.columns);
        let source = source(self.b.t(), columns, depth);
        // SAFETY: the columns and positions lie inside of `b`, and `to` has room for a panel, whose extent is what is sliced again.
        unsafe {
            self.machine.pack_panel(&source, to);
            let packed = std::slice::from_raw_parts_mut(to, self.panel_floats());
            match self.machine.finish {
                Finish::Exact => {}
                Finish::Rounded => bf16::round_all(self.isa, &mut packed[..source.depth * width]),
                Finish::Pairs => bf16::pair_steps(self.isa, packed, width, source.depth),
            }
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

/// The packed operands that more than one task reads.
struct Shared {
    a: Option<Units>,
    b: Option<Units>,
}

/// Packed tiles or panels, each packed once by whichever task comes first.
struct Units {
    data: *mut f32,
    floats: usize,
    states: Vec<AtomicU8>,
}

// SAFETY: a unit is written only by the one task that moved its state from `EMPTY` to `BUSY`, and read only after it is `READY`.
unsafe impl Sync for Units {}

const EMPTY: u8 = 0;
const BUSY: u8 = 1;
const READY: u8 = 2;

impl Units {
    fn new(data: *mut f32, floats: usize, count: usize, _per_block: usize) -> Self {
        Self { data, floats, states: (0..count).map(|_| AtomicU8::new(EMPTY)).collect() }
    }

    fn pointer(&self, unit: usize) -> *mut f32 {
        self.data.wrapping_add(unit * self.floats)
    }

    /// Returns when all of `range` is packed. The work begins at an offset of its own, so that tasks which arrive together share it.
    fn ensure(&self, range: Range<usize>, start: usize, pack: impl Fn(usize, *mut f32)) {
        let middle = range.start + start;
        for unit in (middle..range.end).chain(range.start..middle) {
            let state = &self.states[unit];
            if state.load(Ordering::Relaxed) == EMPTY
                && state.compare_exchange(EMPTY, BUSY, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            {
                pack(unit, self.pointer(unit));
                state.store(READY, Ordering::Release);
            }
        }
        for unit in range {
            let mut spins = 0;
            while self.states[unit].load(Ordering::Acquire) != READY {
                spins += 1;
                if spins < 100 { std::hint::spin_loop() } else { std::thread::yield_now() }
            }
        }
    }
}

/// A cache line, whose alignment lets every packed register be loaded from one line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[allow(dead_code)] [f32; 16]);

/// A buffer for packed operands that each thread keeps from product to product.
struct Scratch(Vec<Line>);

thread_local! {
    static KEPT: Cell<Vec<Vec<Line>>> = const { Cell::new(Vec::new()) };
}

impl Scratch {
    fn take(floats: usize) -> Self {
        let mut kept = KEPT.take();
        let mut lines = kept.pop().unwrap_or_default();
        KEPT.set(kept);
        let needed = floats.div_ceil(16);
        if lines.len() < needed {
            lines.resize(needed, Line([0.0; 16]));
        }
        Self(lines)
    }

    fn pointer(&self) -> *mut f32 {
        self.0.as_ptr().cast::<f32>().cast_mut()
    }

    fn give_back(self) {
        let mut kept = KEPT.take();
        kept.push(self.0);
        KEPT.set(kept);
    }
}
