//! Softmax over rows, and the cross-entropy of a vocabulary with its gradient in place of the logits.

use crate::Out;
use crate::elementwise::assert_same_len;

/// `y = e^(x − max)/Σe^(x − max)` in each row of `cols`.
///
/// # Panics
/// If the shapes do not fit.
pub fn softmax(x: &[f32], cols: usize, y: &mut [f32]) {
    check_rows(x.len(), cols, y.len());
    for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)) {
        let lse = log_sum_exp(x);
        for (y, x) in y.iter_mut().zip(x) {
            *y = (x - lse).exp();
        }
    }
}

/// `dx = y·(dy − Σ y·dy)` in each row, from the output `y` of [`softmax`].
///
/// # Panics
/// If the shapes do not fit.
pub fn softmax_backward(y: &[f32], dy: &[f32], cols: usize, dx: Out) {
    check_rows(y.len(), cols, dy.len());
    assert_same_len(&[y.len(), dx.data.len()]);
    for ((y, dy), dx_row) in
        y.chunks_exact(cols).zip(dy.chunks_exact(cols)).zip(dx.data.chunks_exact_mut(cols))
    {
        let dot: f32 = y.iter().zip(dy).map(|(y, dy)| y * dy).sum();
        for ((slot, y), dy) in dx_row.iter_mut().zip(y).zip(dy) {
            dx.accum.store(slot, y * (dy - dot));
        }
    }
}

/// `y = x − log Σeˣ` in each row of `cols`.
///
/// # Panics
/// If the shapes do not fit.
pub fn log_softmax(x: &[f32], cols: usize, y: &mut [f32]) {
    check_rows(x.len(), cols, y.len());
    for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)) {
        let lse = log_sum_exp(x);
        for (y, x) in y.iter_mut().zip(x) {
            *y = x - lse;
        }
    }
}

/// `dx = dy − eʸ·Σdy` in each row, from the output `y` of [`log_softmax`].
///
/// # Panics
/// If the shapes do not fit.
pub fn log_softmax_backward(y: &[f32], dy: &[f32], cols: usize, dx: Out) {
    check_rows(y.len(), cols, dy.len());
    assert_same_len(&[y.len(), dx.data.len()]);
    for ((y, dy), dx_row) in
        y.chunks_exact(cols).zip(dy.chunks_exact(cols)).zip(dx.data.chunks_exact_mut(cols))
    {
        let total: f32 = dy.iter().sum();
        for ((slot, y), dy) in dx_row.iter_mut().zip(y).zip(dy) {
            dx.accum.store(slot, dy - y.exp() * total);
        }
    }
}

/// The loss of each row of `logits` (rows, cols) against its target class, and in place of the logits their gradient.
///
/// With `lse = log Σeˣ`, `q = (1 − smoothing)·onehot(target) + smoothing/cols` and `p = softmax(x)`:
/// `nll = lse − Σ q·x + z_loss·lse²` and `∂nll/∂x = p·(1 + 2·z_loss·lse) − q`. The smoothing is spread over all
/// classes, the target's too (Szegedy et al. 2016); the last term keeps the softmax's normaliser near 1 (T5X).
/// The gradient of row `r` is multiplied by `weights[r]`, `nll` is not. A row of weight 0 is not looked at: its
/// gradient and loss are 0 and its target may be anything.
///
/// # Panics
/// If the shapes do not fit, or a target of a row with weight is not a class.
#[allow(clippy::too_many_arguments)] // one row of logits needs all of them
pub fn cross_entropy_rows(
    logits: &mut [f32],
    cols: usize,
    targets: &[u32],
    weights: &[f32],
    smoothing: f32,
    z_loss: f32,
    nll: &mut [f32],
) {
    check_rows(logits.len(), cols, targets.len() * cols);
    assert_same_len(&[targets.len(), weights.len(), nll.len()]);
    for (r, x) in logits.chunks_exact_mut(cols).enumerate() {
        if weights[r] == 0.0 {
            x.fill(0.0);
            nll[r] = 0.0;
            continue;
        }
        let target = check_target(targets[r], cols);
        let lse = log_sum_exp(x);
        nll[r] = row_loss(x, target, lse, smoothing, z_loss);
        let scale = weights[r] * (1.0 + 2.0 * z_loss * lse);
        let spread = weights[r] * smoothing / cols as f32;
        for x in x.iter_mut() {
            *x = scale * (*x - lse).exp() - spread;
        }
        x[target] -= weights[r] * (1.0 - smoothing);
    }
}

/// The losses of [`cross_entropy_rows`] without a gradient, and whether the target has the largest logit (the first
/// of equals counts).
///
/// # Panics
/// If the shapes do not fit or a target is not a class.
pub fn nll_rows(
    logits: &[f32],
    cols: usize,
    targets: &[u32],
    smoothing: f32,
    z_loss: f32,
    nll: &mut [f32],
    correct: &mut [bool],
) {
    check_rows(logits.len(), cols, targets.len() * cols);
    assert_same_len(&[targets.len(), nll.len(), correct.len()]);
    for (r, x) in logits.chunks_exact(cols).enumerate() {
        let target = check_target(targets[r], cols);
        nll[r] = row_loss(x, target, log_sum_exp(x), smoothing, z_loss);
        let best = x[target];
        correct[r] = x[..target].iter().all(|&x| x < best) && x[target + 1..].iter().all(|&x| x <= best);
    }
}

/// `max + log Σe^(x − max)`.
fn log_sum_exp(x: &[f32]) -> f32 {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    max + x.iter().map(|x| (x - max).exp()).sum::<f32>().ln()
}

/// `lse − Σ q·x + z_loss·lse²`; the smoothed part is left out when it has no weight, so that a logit of −∞ is allowed.
fn row_loss(x: &[f32], target: usize, lse: f32, smoothing: f32, z_loss: f32) -> f32 {
    let mut loss = lse - (1.0 - smoothing) * x[target] + z_loss * lse * lse;
    if smoothing > 0.0 {
        loss -= smoothing / x.len() as f32 * x.iter().sum::<f32>();
    }
    loss
}

#[track_caller]
fn check_target(target: u32, cols: usize) -> usize {
    assert!((target as usize) < cols, "target {target} in {cols} classes");
    target as usize
}

#[track_caller]
fn check_rows(x: usize, cols: usize, y: usize) {
    assert!(cols > 0 && x.is_multiple_of(cols) && x == y, "slices of {x} and {y} values for rows of {cols}");
}
