//! Layer norm (Ba et al. 2016) and RMS norm (Zhang & Sennrich 2019) over rows, forward and backward.

use crate::{Accum, Out};

/// `y = (x − mean)·rstd·weight + bias` for each row of `x` (rows, width), with the row's mean and
/// `rstd = 1/√(variance + eps)`, both kept for the backward. The width is that of `weight`.
///
/// # Panics
/// If the shapes do not fit.
pub fn layer_norm(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
    y: &mut [f32],
    mean: &mut [f32],
    rstd: &mut [f32],
) {
    let width = check_rows(x, weight, y.len(), rstd.len());
    assert_eq!(mean.len(), rstd.len(), "means for {} rows, deviations for {}", mean.len(), rstd.len());
    check_width(weight, bias);
    for (r, (x, y)) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).enumerate() {
        let m = x.iter().sum::<f32>() / width as f32;
        let variance = x.iter().map(|x| (x - m) * (x - m)).sum::<f32>() / width as f32;
        mean[r] = m;
        rstd[r] = 1.0 / (variance + eps).sqrt();
        for (c, (y, x)) in y.iter_mut().zip(x).enumerate() {
            *y = (x - m) * rstd[r] * weight[c] + bias.map_or(0.0, |b| b[c]);
        }
    }
}

/// Gradients of [`layer_norm`]. With `x̂ = (x − mean)·rstd` and `g = dy·weight`:
/// `dx = rstd·(g − mean(g) − x̂·mean(g·x̂))` in each row, `dweight = Σ dy·x̂` and `dbias = Σ dy` over the rows.
///
/// # Panics
/// If the shapes do not fit.
#[allow(clippy::too_many_arguments)] // what the forward took and kept, and the three gradients
pub fn layer_norm_backward(
    dy: &[f32],
    x: &[f32],
    weight: &[f32],
    mean: &[f32],
    rstd: &[f32],
    dx: Option<Out>,
    dweight: Option<Out>,
    dbias: Option<Out>,
) {
    let width = check_rows(x, weight, dy.len(), rstd.len());
    assert_eq!(mean.len(), rstd.len(), "means for {} rows, deviations for {}", mean.len(), rstd.len());
    let rows = || x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(mean.iter().zip(rstd));
    if let Some(dx) = dx {
        assert_eq!(dx.data.len(), x.len(), "dx has {} values, x {}", dx.data.len(), x.len());
        for (((x, dy), (mean, rstd)), dx_row) in rows().zip(dx.data.chunks_exact_mut(width)) {
            let hat = |c: usize| (x[c] - mean) * rstd;
            let g_mean = (0..width).map(|c| dy[c] * weight[c]).sum::<f32>() / width as f32;
            let g_hat_mean = (0..width).map(|c| dy[c] * weight[c] * hat(c)).sum::<f32>() / width as f32;
            for (c, slot) in dx_row.iter_mut().enumerate() {
                dx.accum.store(slot, rstd * (dy[c] * weight[c] - g_mean - hat(c) * g_hat_mean));
            }
        }
    }
    if let Some(dweight) = dweight {
        let dweight = sum_start(dweight, width);
        for ((x, dy), (mean, rstd)) in rows() {
            for (c, slot) in dweight.iter_mut().enumerate() {
                *slot += dy[c] * (x[c] - mean) * rstd;
            }
        }
    }
    if let Some(dbias) = dbias {
        let dbias = sum_start(dbias, width);
        for ((_, dy), _) in rows() {
            for (slot, dy) in dbias.iter_mut().zip(dy) {
                *slot += dy;
            }
        }
    }
}

/// `y = x·rstd·weight` for each row of `x` (rows, width), with `rstd = 1/√(mean(x²) + eps)` kept for the backward:
/// no mean is subtracted and there is no bias (T5's layer norm). The width is that of `weight`.
///
/// # Panics
/// If the shapes do not fit.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32], rstd: &mut [f32]) {
    let width = check_rows(x, weight, y.len(), rstd.len());
    for ((x, y), rstd) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(rstd) {
        *rstd = 1.0 / (x.iter().map(|x| x * x).sum::<f32>() / width as f32 + eps).sqrt();
        for (c, (y, x)) in y.iter_mut().zip(x).enumerate() {
            *y = x * *rstd * weight[c];
        }
    }
}

/// Gradients of [`rms_norm`]. With `x̂ = x·rstd` and `g = dy·weight`: `dx = rstd·(g − x̂·mean(g·x̂))` in each row and
/// `dweight = Σ dy·x̂` over the rows.
///
/// # Panics
/// If the shapes do not fit.
pub fn rms_norm_backward(
    dy: &[f32],
    x: &[f32],
    weight: &[f32],
    rstd: &[f32],
    dx: Option<Out>,
    dweight: Option<Out>,
) {
    let width = check_rows(x, weight, dy.len(), rstd.len());
    let rows = || x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(rstd);
    if let Some(dx) = dx {
        assert_eq!(dx.data.len(), x.len(), "dx has {} values, x {}", dx.data.len(), x.len());
        for (((x, dy), rstd), dx_row) in rows().zip(dx.data.chunks_exact_mut(width)) {
            let g_hat_mean = (0..width).map(|c| dy[c] * weight[c] * x[c] * rstd).sum::<f32>() / width as f32;
            for (c, slot) in dx_row.iter_mut().enumerate() {
                dx.accum.store(slot, rstd * (dy[c] * weight[c] - x[c] * rstd * g_hat_mean));
            }
        }
    }
    if let Some(dweight) = dweight {
        let dweight = sum_start(dweight, width);
        for ((x, dy), rstd) in rows() {
            for (c, slot) in dweight.iter_mut().enumerate() {
                *slot += dy[c] * x[c] * rstd;
            }
        }
    }
}

/// The destination of a sum over rows, cleared if it is to be overwritten.
fn sum_start(out: Out<'_>, width: usize) -> &mut [f32] {
    assert_eq!(out.data.len(), width, "a gradient of {} values for a width of {width}", out.data.len());
    if out.accum == Accum::Set {
        out.data.fill(0.0);
    }
    out.data
}

/// The width of rows that are normalised together.
#[track_caller]
fn check_rows(x: &[f32], weight: &[f32], y: usize, rows: usize) -> usize {
    let width = weight.len();
    assert!(
        width > 0 && x.len() == rows * width && y == x.len(),
        "inputs of {} and {y} values for {rows} rows of width {width}",
        x.len()
    );
    width
}

#[track_caller]
fn check_width(weight: &[f32], bias: Option<&[f32]>) {
    if let Some(bias) = bias {
        assert_eq!(bias.len(), weight.len(), "a bias of {} for a weight of {}", bias.len(), weight.len());
    }
}
