//! The cross-entropy of a vocabulary, with its gradient in place of the logits.

use crate::cpu;
use crate::elementwise::{assert_same_len, lane_sums};
use crate::per_isa;
use crate::softmax::{BLOCK, check_rows, exp_in_place, log_sum_exp, row_max, rows_of_task};
use rayon::prelude::*;

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
    let (isa, rows) = (cpu::isa(), targets.par_iter().zip(weights).zip(nll));
    let rows = logits.par_chunks_exact_mut(cols).zip(rows).with_min_len(rows_of_task(cols));
    rows.for_each(|(x, ((&target, &weight), nll))| {
        if weight == 0.0 {
            x.fill(0.0);
            *nll = 0.0;
        } else {
            *nll = cross_entropy_row(isa, x, class(target, cols), weight, smoothing, z_loss);
        }
    });
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
    let (isa, rows) = (cpu::isa(), targets.par_iter().zip(nll).zip(correct));
    let rows = logits.par_chunks_exact(cols).zip(rows).with_min_len(rows_of_task(cols));
    rows.for_each(|(x, ((&target, nll), correct))| {
        (*nll, *correct) = nll_row(isa, x, class(target, cols), smoothing, z_loss);
    });
}

per_isa! {
    /// Three passes over a row, which fits in the second-level cache: its maximum, its exponentials, its gradient.
    fn cross_entropy_row<T>(x: &mut [f32], target: usize, weight: f32, smoothing: f32, z_loss: f32) -> f32 {
        let max = row_max(x);
        let expected = expected_logit(x, target, smoothing);
        let total = exp_in_place::<T>(x, max);
        let lse = max + total.ln() as f32;
        let scale = weight * (1.0 + 2.0 * z_loss * lse) / total as f32;
        let spread = weight * smoothing / x.len() as f32;
        x.iter_mut().for_each(|x| *x = T::fma(scale, *x, -spread));
        x[target] -= weight * (1.0 - smoothing);
        lse - expected + z_loss * lse * lse
    }
}

per_isa! {
    fn nll_row<T>(x: &[f32], target: usize, smoothing: f32, z_loss: f32) -> (f32, bool) {
        let lse = log_sum_exp::<T>(x);
        let loss = lse - expected_logit(x, target, smoothing) + z_loss * lse * lse;
        // The maximum skips NaN; then the loss is NaN and nothing is correct.
        let first_max = x[target] == row_max(x) && x[..target].iter().all(|&other| other != x[target]);
        (loss, first_max && !loss.is_nan())
    }
}

/// `Σ q·x`, q the smoothed target distribution. Without smoothing other logits are not looked at, so that −∞ is allowed.
#[inline(always)]
fn expected_logit(x: &[f32], target: usize, smoothing: f32) -> f32 {
    let own = (1.0 - smoothing) * x[target];
    if smoothing == 0.0 {
        return own;
    }
    let mut total = 0.0;
    for block in x.chunks(BLOCK) {
        let [sum] = lane_sums([block], |x| x);
        total += f64::from(sum);
    }
    own + smoothing * (total / x.len() as f64) as f32
}

#[track_caller]
fn class(target: u32, cols: usize) -> usize {
    assert!((target as usize) < cols, "target {target} in {cols} classes");
    target as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Isa;
    use crate::softmax::tests::{assert_close, log_softmax_f64, logits, numeric_gradient, wide};

    /// The loss of one row, written as PyTorch's label smoothing: `(1−ε)·nll + ε·mean(−log p)`, and T5X's z-loss.
    fn row_loss(x: &[f64], target: usize, smoothing: f64, z_loss: f64) -> f64 {
        let log_p = log_softmax_f64(x);
        let mean = log_p.iter().sum::<f64>() / x.len() as f64;
        let lse = x[0] - log_p[0];
        -(1.0 - smoothing) * log_p[target] - smoothing * mean + z_loss * lse * lse
    }

    #[test]
    fn cross_entropy_and_its_gradient_are_those_of_f64_on_every_instruction_set() {
        for (cols, smoothing, z_loss) in [(1, 0.0, 0.0), (7, 0.1, 0.0), (33, 0.0, 0.01), (100, 0.2, 1e-3)] {
            let x = logits(1, cols);
            for isa in Isa::available() {
                for target in [0, cols / 2, cols - 1] {
                    let (mut grad, exact) = (x.clone(), wide(&x));
                    let nll = cross_entropy_row(isa, &mut grad, target, 0.5, smoothing, z_loss);
                    let loss = |x: &[f64]| row_loss(x, target, smoothing.into(), z_loss.into());
                    assert!((f64::from(nll) - loss(&exact)).abs() < 4e-6, "{isa:?}, {cols} classes: {nll}");
                    let want: Vec<f64> = numeric_gradient(&exact, loss).iter().map(|g| 0.5 * g).collect();
                    assert_close(&grad, &want, 1e-6);
                    let (same, correct) = nll_row(isa, &x, target, smoothing, z_loss);
                    assert!((same - nll).abs() < 4e-6, "{isa:?}, {cols} classes: {same} not {nll}");
                    assert_eq!(correct, x.iter().all(|other| *other <= x[target]));
                }
            }
        }
    }

    #[test]
    fn a_whole_vocabulary_keeps_its_digits() {
        let cols = 50_257;
        let x = logits(2, cols);
        let (mut grad, mut nll) = (x.clone(), [0.0; 2]);
        cross_entropy_rows(&mut grad, cols, &[50_256, 3], &[1.0, 2.0], 0.0, 0.0, &mut nll);
        for (r, target, weight) in [(0, 50_256, 1.0), (1, 3, 2.0)] {
            let log_p = log_softmax_f64(&wide(&x[r * cols..][..cols]));
            assert!((f64::from(nll[r]) + log_p[target]).abs() < 2e-6, "{} not {}", nll[r], -log_p[target]);
            let hit = |c| if c == target { weight } else { 0.0 };
            let want: Vec<f64> = (0..cols).map(|c| weight * log_p[c].exp() - hit(c)).collect();
            assert_close(&grad[r * cols..][..cols], &want, 2e-7);
        }
    }

    #[test]
    fn rows_without_weight_are_not_looked_at() {
        let mut x = vec![1.0, f32::NAN, 3.0, 0.0, 0.0, 0.0];
        let mut nll = [9.0; 2];
        cross_entropy_rows(&mut x, 3, &[u32::MAX, 1], &[0.0, 3.0], 0.0, 0.0, &mut nll);
        assert_eq!(x[..3], [0.0; 3]);
        assert_close(&x[3..], &[1.0, -2.0, 1.0], 1e-6);
        assert_close(&nll, &[0.0, 3f64.ln()], 1e-6);
    }

    #[test]
    fn huge_and_masked_logits_are_harmless() {
        let mut x = vec![1e30, 1e30, f32::NEG_INFINITY, -1e38];
        let mut nll = [0.0];
        cross_entropy_rows(&mut x, 4, &[0], &[1.0], 0.0, 0.0, &mut nll);
        assert_eq!(x, [-0.5, 0.5, 0.0, 0.0]);
        assert!(nll[0].is_finite(), "{nll:?}");
    }

    #[test]
    fn not_a_number_spoils_its_row_and_no_other() {
        let mut x = vec![0.0, f32::NAN, 0.0, 0.0];
        let (mut nll, mut correct) = ([0.0; 2], [true; 2]);
        nll_rows(&x, 2, &[0, 0], 0.0, 0.0, &mut nll, &mut correct);
        assert!(nll[0].is_nan() && !correct[0] && correct[1], "{nll:?} {correct:?}");
        cross_entropy_rows(&mut x, 2, &[0, 0], &[1.0; 2], 0.0, 0.0, &mut nll);
        assert!(x[..2].iter().all(|x| x.is_nan()) && nll[0].is_nan());
        assert_close(&x[2..], &[-0.5, 0.5], 1e-7);
    }

    #[test]
    fn the_first_of_equal_logits_counts_as_the_guess() {
        let (mut nll, mut correct) = ([0.0; 2], [false; 2]);
        nll_rows(&[2.0, 5.0, 5.0, 2.0, 5.0, 5.0], 3, &[1, 2], 0.0, 0.0, &mut nll, &mut correct);
        assert_eq!(correct, [true, false]);
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let (rows, cols) = (67, 1003);
        let x = logits(rows, cols);
        let targets: Vec<u32> = (0..rows as u32).collect();
        let run = |threads| {
            let (mut x, mut nll) = (x.clone(), vec![0.0; rows]);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let weights = vec![0.25; rows];
            pool.install(|| cross_entropy_rows(&mut x, cols, &targets, &weights, 0.1, 1e-4, &mut nll));
            (x, nll)
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    #[should_panic(expected = "target 5 in 5 classes")]
    fn targets_are_checked() {
        cross_entropy_rows(&mut [0.0; 5], 5, &[5], &[1.0], 0.0, 0.0, &mut [0.0]);
    }
}
