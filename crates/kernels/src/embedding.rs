//! Rows of a table by their ids, and the gradient that flows back into them.

use crate::elementwise::CHUNK;
use crate::{Accum, Out};
use rayon::prelude::*;

/// Row `ids[i]` of `table` (rows, width) to row `i` of `out` (ids, width).
///
/// # Panics
/// If the shapes do not fit or an id is not a row of the table.
pub fn gather(table: &[f32], width: usize, ids: &[u32], out: Out) {
    check(table.len(), width, ids, out.data.len());
    let (rows, accum) = (rows_of_task(width), out.accum);
    out.data.par_chunks_mut(rows * width).zip(ids.par_chunks(rows)).for_each(|(out, ids)| {
        for (out, &id) in out.chunks_exact_mut(width).zip(ids) {
            accum.store_all(out, table[id as usize * width..][..width].iter().copied());
        }
    });
}

/// Row `i` of `dy` (ids, width) is added to row `ids[i]` of `dtable` (rows, width): the backward of [`gather`].
/// Rows that no id names become zero with [`Accum::Set`].
///
/// # Panics
/// If the shapes do not fit or an id is not a row of the table.
pub fn scatter_add(dy: &[f32], width: usize, ids: &[u32], dtable: Out) {
    check(dtable.data.len(), width, ids, dy.len());
    if dtable.accum == Accum::Set {
        dtable.data.par_chunks_mut(CHUNK).for_each(|rows| rows.fill(0.0));
    }
    let mut order: Vec<(u32, u32)> = ids.iter().copied().zip(0..).collect();
    order.sort_unstable(); // by id, then by position: equal ids are added in the order of the text
    let groups: Vec<_> = rows_by_id(dtable.data, width, &order).collect();
    groups.into_par_iter().with_min_len(rows_of_task(width)).for_each(|(row, group)| {
        for &(_, i) in group {
            let dy = &dy[i as usize * width..][..width];
            Accum::Add.store_all(row, dy.iter().copied());
        }
    });
}

/// Each row of `table` that is named, with the run of `order` that names it.
fn rows_by_id<'a>(
    mut table: &'a mut [f32],
    width: usize,
    order: &'a [(u32, u32)],
) -> impl Iterator<Item = (&'a mut [f32], &'a [(u32, u32)])> {
    let mut next_row = 0;
    order.chunk_by(|a, b| a.0 == b.0).map(move |group| {
        let id = group[0].0 as usize;
        let (_, from_row) = std::mem::take(&mut table).split_at_mut((id - next_row) * width);
        let (row, rest) = from_row.split_at_mut(width);
        (table, next_row) = (rest, id + 1);
        (row, group)
    })
}

fn rows_of_task(width: usize) -> usize {
    (CHUNK / width).max(1)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * 0.37).sin()).collect()
    }

    /// Ids with many repeats and rows that are never named.
    fn ids(len: u32, rows: u32) -> Vec<u32> {
        (0..len).map(|i| i.wrapping_mul(2_654_435_761) % rows / 2 * 2).collect()
    }

    #[test]
    fn rows_are_gathered_in_order() {
        let (table, ids) = (ramp(10 * 3), [9, 0, 4, 4]);
        let mut out = vec![f32::NAN; 12];
        gather(&table, 3, &ids, Out::set(&mut out));
        assert_eq!(out, [&table[27..], &table[..3], &table[12..15], &table[12..15]].concat());
        gather(&table, 3, &ids, Out::add(&mut out));
        assert_eq!(out[0], 2.0 * table[27]);
    }

    #[test]
    fn gradients_are_added_in_the_order_of_the_text_for_any_number_of_threads() {
        let (rows, width, ids) = (200, 100, ids(1500, 200));
        let dy = ramp(ids.len() * width);
        for accum in [Accum::Set, Accum::Add] {
            let mut want = vec![if accum == Accum::Set { 0.0 } else { 0.5 }; rows * width];
            for (i, &id) in ids.iter().enumerate() {
                for c in 0..width {
                    want[id as usize * width + c] += dy[i * width + c];
                }
            }
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut dtable = vec![0.5; rows * width];
                pool.install(|| scatter_add(&dy, width, &ids, Out { data: &mut dtable, accum }));
                assert_eq!(dtable, want, "{accum:?}, {threads} threads");
            }
        }
    }

    /// ⟨gather(t), dy⟩ = ⟨t, scatter(dy)⟩ for a linear map and its transpose.
    #[test]
    fn scatter_is_the_transpose_of_gather() {
        let (table, ids) = (ramp(50 * 8), ids(33, 50));
        let dy: Vec<f32> = ramp(33 * 8).into_iter().rev().collect();
        let (mut y, mut dtable) = (vec![0.0; 33 * 8], vec![f32::NAN; 50 * 8]);
        gather(&table, 8, &ids, Out::set(&mut y));
        scatter_add(&dy, 8, &ids, Out::set(&mut dtable));
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
        assert!((dot(&y, &dy) - dot(&table, &dtable)).abs() < 1e-5);
    }

    #[test]
    #[should_panic(expected = "id 10 in a table of 10 rows")]
    fn ids_are_checked() {
        gather(&[0.0; 20], 2, &[3, 10], Out::set(&mut [0.0; 4]));
    }
}
