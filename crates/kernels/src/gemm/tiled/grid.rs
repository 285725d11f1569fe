//! How a product is cut into tasks.

use std::ops::Range;

use super::machine::Machine;

/// Elements of `b` that a task packs at a time: 768 KiB, well inside of a second-level cache of 1 or 2 MiB.
const GROUP: usize = 3 << 16;
/// The fewest rows for which a group of `b` is worth packing once more.
const FEW_ROWS: usize = 512;
/// Rows that repay it easily, so that they are cut before the columns are.
const MANY_ROWS: usize = 768;
/// The fewest panels for which rows of `a` are worth fetching once more.
const FEW_PANELS: usize = 12;
/// Tasks a thread, if the product is large enough, so that a thread that is held up can be helped.
const TASKS_A_THREAD: usize = 4;

/// The cut of a product into blocks of rows, groups of panels of columns, and blocks of K. The result does not depend on it, since no
/// task has only a part of K.
pub(super) struct Grid {
    pub rows: usize,
    pub columns: usize,
    pub row_blocks: usize,
    pub groups: usize,
    /// Panels of columns in all groups.
    pub panels: usize,
    panel_columns: usize,
    /// Rows of the tallest tile.
    tile_rows: usize,
    depth: usize,
    block_depth: usize,
    /// Threads for which the product was cut.
    pub threads: usize,
}

impl Grid {
    /// A grid for a product of shape (rows, depth) · (depth, columns).
    pub fn new((rows, depth, columns): (usize, usize, usize), machine: &Machine, threads: usize) -> Self {
        let (tile_rows, panel_columns) = (machine.tile_rows, machine.panel_columns());
        let depth_blocks = depth.div_ceil(machine.max_depth()).max(1);
        let block_depth = depth.div_ceil(depth_blocks).next_multiple_of(16);
        let panels = columns.div_ceil(panel_columns);
        let panel = panel_columns * block_depth / machine.depth_of_step();
        // A single tile multiplies each panel right after it was packed, so that there is no group to keep.
        let group = if rows <= tile_rows { 8 * panel } else { GROUP };
        let mut groups = (panels * panel).div_ceil(group.max(1)).max(1);
        let mut row_blocks = 1;
        if threads > 1 {
            let wanted = TASKS_A_THREAD * threads;
            row_blocks = wanted.div_ceil(groups).min(rows / MANY_ROWS).max(1);
            groups = groups.max(wanted.div_ceil(row_blocks).min(panels.div_ceil(FEW_PANELS)));
            row_blocks = row_blocks.max(wanted.div_ceil(groups).min(rows.div_ceil(FEW_ROWS)));
            if row_blocks * groups < threads {
                groups = groups.max(threads.div_ceil(row_blocks)).min(panels);
                row_blocks = row_blocks.max(threads.div_ceil(groups)).min(rows.div_ceil(2 * tile_rows));
            }
            // Nine equal tasks keep two threads waiting for each other; ten do not.
            let even = |groups: &usize| (row_blocks * groups).is_multiple_of(threads);
            groups = (groups..=panels).take(threads).find(even).unwrap_or(groups);
        }
        Self {
            rows,
            columns,
            row_blocks,
            groups,
            panels,
            panel_columns,
            tile_rows,
            depth,
            block_depth,
            threads,
        }
    }

    /// Blocks of K; one even if K is 0, since the destination is to be written.
    pub fn depth_blocks(&self) -> usize {
        self.depth.div_ceil(self.block_depth.max(1)).max(1)
    }

    pub fn depth_range(&self, block: usize) -> Range<usize> {
        block * self.block_depth..((block + 1) * self.block_depth).min(self.depth)
    }

    /// The rows of each tile of a block: nearly equal heights, as a low tile is slow.
    pub fn tiles(&self, row_block: usize) -> impl Iterator<Item = Range<usize>> + Clone {
        let rows = part(0..self.rows, row_block, self.row_blocks);
        let count = rows.len().div_ceil(self.tile_rows);
        (0..count).map(move |tile| part(rows.clone(), tile, count))
    }

    /// The columns of each panel of a group.
    pub fn panels_of(&self, group: usize) -> impl ExactSizeIterator<Item = Range<usize>> {
        part(0..self.panels, group, self.groups).map(|panel| self.panel(panel))
    }

    /// The columns of a panel.
    pub fn panel(&self, panel: usize) -> Range<usize> {
        panel * self.panel_columns..((panel + 1) * self.panel_columns).min(self.columns)
    }
}

/// The `index`-th of `count` nearly equal parts of a range.
fn part(range: Range<usize>, index: usize, count: usize) -> Range<usize> {
    let at = |index| range.start + index * range.len() / count;
    at(index)..at(index + 1)
}
