//! Rows of a table by their ids, and the gradient that flows back into them.

use crate::{Accum, Out};

/// Row `ids[i]` of `table` (rows, width) to row `i` of `out` (ids, width).
///
/// # Panics
/// If the shapes do not fit or an id is not a row of the table.
pub fn gather(table: &[f32], width: usize, ids: &[u32], out: Out) {
    check(table.len(), width, ids, out.data.len());
    for (&id, out_row) in ids.iter().zip(out.data.chunks_exact_mut(width)) {
        let row = &table[id as usize * width..][..width];
        for (slot, &x) in out_row.iter_mut().zip(row) {
            out.accum.store(slot, x);
        }
    }
}

/// Row `i` of `dy` (ids, width) is added to row `ids[i]` of `dtable` (rows, width): the backward of [`gather`].
/// Rows that no id names become zero with [`Accum::Set`].
///
/// # Panics
/// If the shapes do not fit or an id is not a row of the table.
pub fn scatter_add(dy: &[f32], width: usize, ids: &[u32], dtable: Out) {
    check(dtable.data.len(), width, ids, dy.len());
    if dtable.accum == Accum::Set {
        dtable.data.fill(0.0);
    }
    for (&id, dy_row) in ids.iter().zip(dy.chunks_exact(width)) {
        let row = &mut dtable.data[id as usize * width..][..width];
        for (slot, dy) in row.iter_mut().zip(dy_row) {
            *slot += dy;
        }
    }
}

#[track_caller]
fn check(table: usize, width: usize, ids: &[u32], rows: usize) {
    assert!(
        width > 0 && table.is_multiple_of(width),
        "a table of {table} values does not have rows of {width}"
    );
    assert!(rows == ids.len() * width, "{rows} values for {} ids of width {width}", ids.len());
    if let Some(id) = ids.iter().find(|&&id| id as usize >= table / width) {
        panic!("id {id} in a table of {} rows", table / width);
    }
}
