//! Optimiser steps over flat buffers.

use crate::elementwise::assert_same_len;

/// The numbers of one AdamW step (Loshchilov & Hutter 2019). They are f64 because `1 − beta2` and the bias
/// corrections would lose digits in f32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled decay: each step multiplies the weights by `1 − lr·weight_decay`.
    pub weight_decay: f64,
    /// Number of this step, from 1, for the bias correction.
    pub step: u64,
    /// Multiplies the gradient before it is used: the factor of clipping, loss scale or token count.
    pub grad_scale: f64,
}

/// One step on weights `p` with gradient `g` and moments `m` and `v`:
///
/// `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`, `p ← p·(1 − lr·λ) − lr·m̂/(√v̂ + eps)`,
/// `m̂ = m/(1−β₁ᵗ)`, `v̂ = v/(1−β₂ᵗ)`.
///
/// # Panics
/// If the lengths differ or the step is 0.
pub fn adamw(step: &AdamW, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    assert_same_len(&[p.len(), g.len(), m.len(), v.len()]);
    assert!(step.step > 0, "AdamW counts its steps from 1");
    let correction = |beta: f64| 1.0 - beta.powf(step.step as f64);
    let decay = (1.0 - step.lr * step.weight_decay) as f32;
    let rate = (step.lr / correction(step.beta1)) as f32;
    let root_scale = correction(step.beta2).sqrt().recip() as f32;
    let (eps, grad_scale) = (step.eps as f32, step.grad_scale as f32);
    let (beta1, rest1) = (step.beta1 as f32, (1.0 - step.beta1) as f32);
    let (beta2, rest2) = (step.beta2 as f32, (1.0 - step.beta2) as f32);
    for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
        let g = g * grad_scale;
        *m = beta1 * *m + rest1 * g;
        *v = beta2 * *v + rest2 * g * g;
        *p = *p * decay - rate * *m / (v.sqrt() * root_scale + eps);
    }
}
