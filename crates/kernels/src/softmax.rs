//! Softmax over rows, its logarithm, and their gradients.

use crate::cpu::{self, Target};
use crate::elementwise::{CHUNK, LANES, assert_same_len, fold_lanes, lane_sums};
use crate::{Out, math, per_isa};
use rayon::prelude::*;

/// `y = e^(x − max)/Σe^(x − max)` in each row of `cols`.
///
/// # Panics
/// If the shapes do not fit.
pub fn softmax(x: &[f32], cols: usize, y: &mut [f32]) {
    check_rows(x.len(), cols, y.len());
    let isa = cpu::isa();
    each_rows(cols, y).zip(x.par_chunks(rows_of_task(cols) * cols)).for_each(|(y, x)| {
        y.copy_from_slice(x);
        softmax_chunk(isa, cols, y);
    });
}

/// `dx = y·(dy − Σ y·dy)` in each row, from the output `y` of [`softmax`].
///
/// # Panics
/// If the shapes do not fit.
pub fn softmax_backward(y: &[f32], dy: &[f32], cols: usize, dx: Out) {
    check_rows(y.len(), cols, dy.len());
    assert_same_len(&[y.len(), dx.data.len()]);
    let (isa, accum, task) = (cpu::isa(), dx.accum, rows_of_task(cols) * cols);
    each_rows(cols, dx.data).zip(y.par_chunks(task)).zip(dy.par_chunks(task)).for_each(|((data, y), dy)| {
        softmax_backward_chunk(isa, y, dy, cols, Out { data, accum });
    });
}

/// `y = x − log Σeˣ` in each row of `cols`.
///
/// # Panics
/// If the shapes do not fit.
pub fn log_softmax(x: &[f32], cols: usize, y: &mut [f32]) {
    check_rows(x.len(), cols, y.len());
    let isa = cpu::isa();
    each_rows(cols, y)
        .zip(x.par_chunks(rows_of_task(cols) * cols))
        .for_each(|(y, x)| log_softmax_chunk(isa, x, cols, y));
}

/// `dx = dy − eʸ·Σdy` in each row, from the output `y` of [`log_softmax`].
///
/// # Panics
/// If the shapes do not fit.
pub fn log_softmax_backward(y: &[f32], dy: &[f32], cols: usize, dx: Out) {
    check_rows(y.len(), cols, dy.len());
    assert_same_len(&[y.len(), dx.data.len()]);
    let (isa, accum, task) = (cpu::isa(), dx.accum, rows_of_task(cols) * cols);
    each_rows(cols, dx.data).zip(y.par_chunks(task)).zip(dy.par_chunks(task)).for_each(|((data, y), dy)| {
        log_softmax_backward_chunk(isa, y, dy, cols, Out { data, accum });
    });
}

per_isa! {
    fn softmax_chunk<T>(cols: usize, y: &mut [f32]) {
        for y in y.chunks_exact_mut(cols) {
            let max = row_max(y);
            let total = exp_in_place::<T>(y, max);
            let scale = 1.0 / total as f32;
            y.iter_mut().for_each(|y| *y *= scale);
        }
    }
}

per_isa! {
    fn softmax_backward_chunk<T>(y: &[f32], dy: &[f32], cols: usize, dx: Out) {
        let rows = y.chunks_exact(cols).zip(dy.chunks_exact(cols));
        for ((y, dy), dx_row) in rows.zip(dx.data.chunks_exact_mut(cols)) {
            let [dot] = lane_sums([y, dy], |[y, dy]| [y * dy]);
            dx.accum.store_all(dx_row, y.iter().zip(dy).map(|(y, dy)| y * (dy - dot)));
        }
    }
}

per_isa! {
    fn log_softmax_chunk<T>(x: &[f32], cols: usize, y: &mut [f32]) {
        for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)) {
            let lse = log_sum_exp::<T>(x);
            y.iter_mut().zip(x).for_each(|(y, x)| *y = x - lse);
        }
    }
}

per_isa! {
    fn log_softmax_backward_chunk<T>(y: &[f32], dy: &[f32], cols: usize, dx: Out) {
        let rows = y.chunks_exact(cols).zip(dy.chunks_exact(cols));
        for ((y, dy), dx_row) in rows.zip(dx.data.chunks_exact_mut(cols)) {
            let [total] = lane_sums([dy], |dy| dy);
            dx.accum.store_all(dx_row, y.iter().zip(dy).map(|(&y, dy)| dy - math::exp::<T>(y) * total));
        }
    }
}

/// The largest value that is a number.
#[inline(always)]
pub(crate) fn row_max(x: &[f32]) -> f32 {
    let larger = |max: f32, x: f32| if x > max { x } else { max };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for (max, &x) in lanes.iter_mut().zip(block) {
            *max = larger(*max, x);
        }
    }
    rest.iter().fold(fold_lanes(&lanes, larger), |max, &x| larger(max, x))
}

/// Elements whose exponentials are added in f32, before f64 takes over, so that long rows lose no digits.
pub(crate) const BLOCK: usize = 4096;

/// Replaces x by `e^(x − max)` and adds them up.
#[inline(always)]
pub(crate) fn exp_in_place<T: Target>(x: &mut [f32], max: f32) -> f64 {
    let mut total = 0.0;
    for block in x.chunks_mut(BLOCK) {
        block.iter_mut().for_each(|x| *x = math::exp::<T>(*x - max));
        let [sum] = lane_sums([block], |x| x);
        total += f64::from(sum);
    }
    total
}

/// `max + log Σe^(x − max)`.
#[inline(always)]
pub(crate) fn log_sum_exp<T: Target>(x: &[f32]) -> f32 {
    let max = row_max(x);
    let mut exponentials = [0.0; 512];
    let mut total = 0.0;
    for block in x.chunks(exponentials.len()) {
        exponentials[..block.len()].copy_from_slice(block);
        total += exp_in_place::<T>(&mut exponentials[..block.len()], max);
    }
    max + total.ln() as f32
}

fn each_rows(cols: usize, x: &mut [f32]) -> rayon::slice::ChunksMut<'_, f32> {
    x.par_chunks_mut(rows_of_task(cols) * cols)
}

pub(crate) fn rows_of_task(cols: usize) -> usize {
    (CHUNK / cols).max(1)
}

#[track_caller]
pub(crate) fn check_rows(x: usize, cols: usize, y: usize) {
    assert!(cols > 0 && x.is_multiple_of(cols) && x == y, "slices of {x} and {y} values for rows of {cols}");
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Rows of logits between −9 and 9.
    pub(crate) fn logits(rows: usize, cols: usize) -> Vec<f32> {
        (0..rows * cols).map(|i| 9.0 * ((i * i) as f32 * 0.013 + 0.2).sin()).collect()
    }

    pub(crate) fn log_softmax_f64(x: &[f64]) -> Vec<f64> {
        let lse = x.iter().map(|x| x.exp()).sum::<f64>().ln();
        x.iter().map(|x| x - lse).collect()
    }

    pub(crate) fn wide(x: &[f32]) -> Vec<f64> {
        x.iter().map(|&x| f64::from(x)).collect()
    }

    /// df/dx by central differences.
    pub(crate) fn numeric_gradient(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
        let at = |i: usize, h: f64| {
            let mut x = x.to_vec();
            x[i] += h;
            f(&x)
        };
        (0..x.len()).map(|i| (at(i, 1e-5) - at(i, -1e-5)) / 2e-5).collect()
    }

    #[track_caller]
    pub(crate) fn assert_close(got: &[f32], want: &[f64], tolerance: f64) {
        for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
            assert!((f64::from(got) - want).abs() <= tolerance, "element {i}: {got} not {want}");
        }
    }

    #[test]
    fn softmax_and_log_softmax_with_their_gradients_are_those_of_f64() {
        for cols in [1, 5, 32, 71] {
            let x = logits(3, cols);
            let dy: Vec<f32> = x.iter().map(|x| (1.7 * x).cos()).collect();
            let (mut y, mut log_y) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
            softmax(&x, cols, &mut y);
            log_softmax(&x, cols, &mut log_y);
            let (mut dx, mut dx_log) = (vec![1.0; x.len()], vec![1.0; x.len()]);
            softmax_backward(&y, &dy, cols, Out::add(&mut dx));
            log_softmax_backward(&log_y, &dy, cols, Out::add(&mut dx_log));
            for r in 0..3 {
                let row = r * cols..(r + 1) * cols;
                let (exact, dy) = (wide(&x[row.clone()]), wide(&dy[row.clone()]));
                let log_p = log_softmax_f64(&exact);
                assert_close(&log_y[row.clone()], &log_p, 3e-6);
                assert_close(&y[row.clone()], &log_p.iter().map(|l| l.exp()).collect::<Vec<_>>(), 3e-7);
                let dot = |y: Vec<f64>| y.iter().zip(&dy).map(|(y, dy)| y * dy).sum::<f64>();
                let exps = |x: &[f64]| log_softmax_f64(x).into_iter().map(f64::exp).collect();
                let want = numeric_gradient(&exact, |x| dot(exps(x)));
                assert_close(&dx[row.clone()], &want.iter().map(|g| 1.0 + g).collect::<Vec<_>>(), 2e-6);
                let want = numeric_gradient(&exact, |x| dot(log_softmax_f64(x)));
                assert_close(&dx_log[row], &want.iter().map(|g| 1.0 + g).collect::<Vec<_>>(), 1e-5);
            }
        }
    }

    #[test]
    fn masked_logits_have_no_probability() {
        let mut y = [0.0; 4];
        softmax(&[f32::NEG_INFINITY, 0.0, 0.0, f32::NEG_INFINITY], 4, &mut y);
        assert_eq!(y, [0.0, 0.5, 0.5, 0.0]);
    }
}
