//! Optimiser steps over flat buffers.

use crate::elementwise::{CHUNK, assert_same_len};
use crate::{cpu, per_isa};
use rayon::prelude::*;

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
    let (isa, factors) = (cpu::isa(), Factors::new(step));
    p.par_chunks_mut(CHUNK)
        .zip(g.par_chunks(CHUNK))
        .zip(m.par_chunks_mut(CHUNK))
        .zip(v.par_chunks_mut(CHUNK))
        .for_each(|(((p, g), m), v)| adamw_chunk(isa, factors, p, g, m, v));
}

/// What one step multiplies with, each rounded once.
#[derive(Clone, Copy)]
struct Factors {
    grad_scale: f32,
    beta1: f32,
    beta2: f32,
    /// `1 − beta1`
    rest1: f32,
    /// `1 − beta2`
    rest2: f32,
    /// `1 − lr·weight_decay`
    decay: f32,
    /// `lr/(1 − β₁ᵗ)`
    rate: f32,
    /// `1/√(1 − β₂ᵗ)`
    root: f32,
    eps: f32,
}

impl Factors {
    fn new(step: &AdamW) -> Self {
        let correction = |beta: f64| 1.0 - beta.powf(step.step as f64);
        Self {
            grad_scale: step.grad_scale as f32,
            beta1: step.beta1 as f32,
            beta2: step.beta2 as f32,
            rest1: (1.0 - step.beta1) as f32,
            rest2: (1.0 - step.beta2) as f32,
            decay: (1.0 - step.lr * step.weight_decay) as f32,
            rate: (step.lr / correction(step.beta1)) as f32,
            root: correction(step.beta2).sqrt().recip() as f32,
            eps: step.eps as f32,
        }
    }
}

per_isa! {
    fn adamw_chunk<T>(f: Factors, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            let g = g * f.grad_scale;
            *m = T::fma(f.beta1, *m, f.rest1 * g);
            *v = T::fma(f.beta2, *v, f.rest2 * g * g);
            *p = *p * f.decay - f.rate * *m / T::fma(v.sqrt(), f.root, f.eps);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Isa;

    const STEP: AdamW =
        AdamW { lr: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.1, step: 1, grad_scale: 0.5 };

    /// The equations in f64, on one weight.
    fn twin(step: &AdamW, [p, g, m, v]: [f64; 4]) -> [f64; 4] {
        let g = g * step.grad_scale;
        let m = step.beta1 * m + (1.0 - step.beta1) * g;
        let v = step.beta2 * v + (1.0 - step.beta2) * g * g;
        let m_hat = m / (1.0 - step.beta1.powi(step.step as i32));
        let v_hat = v / (1.0 - step.beta2.powi(step.step as i32));
        [p - step.lr * step.weight_decay * p - step.lr * m_hat / (v_hat.sqrt() + step.eps), g, m, v]
    }

    #[test]
    fn ten_steps_follow_the_equations_on_every_instruction_set() {
        let len = 1003;
        for isa in Isa::available() {
            let mut p: Vec<f32> = (0..len).map(|i| (i as f32).sin()).collect();
            let (mut m, mut v) = (vec![0.0; len], vec![0.0; len]);
            let mut exact: Vec<[f64; 4]> = p.iter().map(|&p| [f64::from(p), 0.0, 0.0, 0.0]).collect();
            for t in 1..=10 {
                let g: Vec<f32> =
                    (0..len).map(|i| ((i * t) as f32).cos() * 10f32.powi(i as i32 % 7 - 3)).collect();
                let step = AdamW { step: t as u64, ..STEP };
                adamw_chunk(isa, Factors::new(&step), &mut p, &g, &mut m, &mut v);
                for (state, &g) in exact.iter_mut().zip(&g) {
                    *state = twin(&step, [state[0], f64::from(g), state[2], state[3]]);
                }
            }
            for i in 0..len {
                let [want, _, want_m, want_v] = exact[i];
                assert!((f64::from(p[i]) - want).abs() < 5e-7, "{isa:?}, weight {i}: {} not {want}", p[i]);
                let size = 10f64.powi(i as i32 % 7 - 3);
                assert!(
                    (f64::from(m[i]) - want_m).abs() <= 1e-7 * size,
                    "{isa:?}, m {i}: {} not {want_m}",
                    m[i]
                );
                assert!((f64::from(v[i]) - want_v).abs() <= 2e-6 * want_v, "{isa:?}, v {i}");
            }
        }
    }

    #[test]
    fn the_first_step_is_the_learning_rate_against_the_sign() {
        let (mut p, mut m, mut v) = ([0.0; 3], [0.0; 3], [0.0; 3]);
        adamw(&STEP, &mut p, &[3.0, -1e-3, 0.0], &mut m, &mut v);
        for (p, want) in p.into_iter().zip([-1e-2f32, 1e-2, 0.0]) {
            assert!((p - want).abs() < 1e-6, "{p} not {want}");
        }
    }

    #[test]
    fn decay_acts_without_a_gradient() {
        let mut p = [2.0];
        adamw(&STEP, &mut p, &[0.0], &mut [0.0], &mut [0.0]);
        assert_eq!(p, [2.0 * (1.0 - 1e-3)]);
    }

    #[test]
    #[should_panic(expected = "counts its steps from 1")]
    fn step_zero_is_refused() {
        adamw(&AdamW { step: 0, ..STEP }, &mut [], &[], &mut [], &mut []);
    }
}
