//! Activation functions of the three architectures, by their Hugging Face names.

use crate::Out;
use crate::elementwise::assert_same_len;
use crate::math;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// A function applied to every element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `x·Φ(x)`, Φ the normal distribution function (Hendrycks & Gimpel 2016): BERT.
    Gelu,
    /// `x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))`, their approximation: GPT-2 and T5 1.1.
    GeluNew,
    /// `max(x, 0)`: T5.
    Relu,
    /// `x·σ(x)`, also known as swish.
    Silu,
    /// The hyperbolic tangent: BERT's pooler.
    Tanh,
    /// `x·σ(1.702·x)`.
    QuickGelu,
    /// `σ(x) = 1/(1 + e⁻ˣ)`.
    Sigmoid,
}

/// Cubic coefficient of the tanh form of GELU.
const GELU_CUBIC: f64 = 0.044715;
/// Slope of the sigmoid form of GELU.
const QUICK_GELU_SLOPE: f64 = 1.702;

/// `y = act(x)`.
///
/// # Panics
/// If the lengths differ.
pub fn forward(act: Activation, x: &[f32], y: &mut [f32]) {
    assert_same_len(&[x.len(), y.len()]);
    for (y, &x) in y.iter_mut().zip(x) {
        *y = value(act, f64::from(x)) as f32;
    }
}

/// `dx = act′(x)·dy`.
///
/// # Panics
/// If the lengths differ.
pub fn backward(act: Activation, x: &[f32], dy: &[f32], dx: Out) {
    assert_same_len(&[x.len(), dy.len(), dx.data.len()]);
    for ((slot, &x), &dy) in dx.data.iter_mut().zip(x).zip(dy) {
        dx.accum.store(slot, (derivative(act, f64::from(x)) * f64::from(dy)) as f32);
    }
}

/// `act(x)` in f64, the yardstick of [`forward`].
pub fn value(act: Activation, x: f64) -> f64 {
    match act {
        Activation::Gelu => x * normal_cdf(x),
        Activation::GeluNew => 0.5 * x * (1.0 + gelu_inner(x).tanh()),
        Activation::Relu => x.max(0.0),
        Activation::Silu => x * sigmoid(x),
        Activation::Tanh => x.tanh(),
        Activation::QuickGelu => x * sigmoid(QUICK_GELU_SLOPE * x),
        Activation::Sigmoid => sigmoid(x),
    }
}

/// `act′(x)` in f64, the yardstick of [`backward`]. The corner of `Relu` counts as 0.
pub fn derivative(act: Activation, x: f64) -> f64 {
    match act {
        Activation::Gelu => normal_cdf(x) + x * (-0.5 * x * x).exp() / (2.0 * PI).sqrt(),
        Activation::GeluNew => {
            let t = gelu_inner(x).tanh();
            let slope = (2.0 / PI).sqrt() * (1.0 + 3.0 * GELU_CUBIC * x * x);
            0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope
        }
        Activation::Relu => f64::from(x > 0.0),
        Activation::Silu => sigmoid(x) * (1.0 + x * sigmoid(-x)),
        Activation::Tanh => 1.0 - x.tanh() * x.tanh(),
        Activation::QuickGelu => {
            let z = QUICK_GELU_SLOPE * x;
            sigmoid(z) * (1.0 + z * sigmoid(-z))
        }
        Activation::Sigmoid => sigmoid(x) * sigmoid(-x),
    }
}

/// `√(2/π)·(x + 0.044715·x³)`.
fn gelu_inner(x: f64) -> f64 {
    (2.0 / PI).sqrt() * x * (1.0 + GELU_CUBIC * x * x)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Φ(x) = (1 + erf(x/√2))/2.
fn normal_cdf(x: f64) -> f64 {
    0.5 * (1.0 + math::erf_f64(x * FRAC_1_SQRT_2))
}
