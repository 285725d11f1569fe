//! Activation functions of the three architectures, by their Hugging Face names.

use crate::cpu::{self, Target};
use crate::elementwise::{CHUNK, assert_same_len};
use crate::{Out, math, per_isa};
use rayon::prelude::*;
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
const GELU_CUBIC: f32 = 0.044_715;
/// √(2/π), slope of the tanh form of GELU.
const GELU_SLOPE: f32 = 0.797_884_6;
/// Slope of the sigmoid form of GELU.
const QUICK_GELU_SLOPE: f32 = 1.702;

/// `y = act(x)`.
///
/// # Panics
/// If the lengths differ.
pub fn forward(act: Activation, x: &[f32], y: &mut [f32]) {
    assert_same_len(&[x.len(), y.len()]);
    let isa = cpu::isa();
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| forward_chunk(isa, act, x, y));
}

/// `dx = act′(x)·dy`.
///
/// # Panics
/// If the lengths differ.
pub fn backward(act: Activation, x: &[f32], dy: &[f32], dx: Out) {
    assert_same_len(&[x.len(), dy.len(), dx.data.len()]);
    let (isa, accum) = (cpu::isa(), dx.accum);
    dx.data
        .par_chunks_mut(CHUNK)
        .zip(x.par_chunks(CHUNK))
        .zip(dy.par_chunks(CHUNK))
        .for_each(|((dx, x), dy)| backward_chunk(isa, act, x, dy, Out { data: dx, accum }));
}

per_isa! {
    fn forward_chunk<T>(act: Activation, x: &[f32], y: &mut [f32]) {
        match act {
            Activation::Gelu => map::<T, Gelu>(x, y),
            Activation::GeluNew => map::<T, GeluNew>(x, y),
            Activation::Relu => map::<T, Relu>(x, y),
            Activation::Silu => map::<T, Silu>(x, y),
            Activation::Tanh => map::<T, Tanh>(x, y),
            Activation::QuickGelu => map::<T, QuickGelu>(x, y),
            Activation::Sigmoid => map::<T, Sigmoid>(x, y),
        }
    }
}

per_isa! {
    fn backward_chunk<T>(act: Activation, x: &[f32], dy: &[f32], dx: Out) {
        match act {
            Activation::Gelu => chain::<T, Gelu>(x, dy, dx),
            Activation::GeluNew => chain::<T, GeluNew>(x, dy, dx),
            Activation::Relu => chain::<T, Relu>(x, dy, dx),
            Activation::Silu => chain::<T, Silu>(x, dy, dx),
            Activation::Tanh => chain::<T, Tanh>(x, dy, dx),
            Activation::QuickGelu => chain::<T, QuickGelu>(x, dy, dx),
            Activation::Sigmoid => chain::<T, Sigmoid>(x, dy, dx),
        }
    }
}

#[inline(always)]
fn map<T: Target, F: Function>(x: &[f32], y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = F::value::<T>(x);
    }
}

#[inline(always)]
fn chain<T: Target, F: Function>(x: &[f32], dy: &[f32], dx: Out) {
    let terms = x.iter().zip(dy).map(|(&x, &dy)| F::slope::<T>(x) * dy);
    dx.accum.store_all(dx.data, terms);
}

/// One activation and its derivative, compiled for each target.
trait Function {
    fn value<T: Target>(x: f32) -> f32;
    fn slope<T: Target>(x: f32) -> f32;
}

struct Gelu;
impl Function for Gelu {
    #[inline(always)]
    fn value<T: Target>(x: f32) -> f32 {
        x * math::normal::<T>(x).0
    }

    #[inline(always)]
    fn slope<T: Target>(x: f32) -> f32 {
        let (cdf, density) = math::normal::<T>(x);
        T::fma(x, density, cdf)
    }
}

/// By way of the sigmoid, for `(1 + tanh u)/2 = σ(2u)`.
struct GeluNew;
impl GeluNew {
    /// `2u = 2√(2/π)·(x + 0.044715·x³)`
    #[inline(always)]
    fn twice_inner<T: Target>(x: f32) -> f32 {
        2.0 * GELU_SLOPE * x * T::fma(GELU_CUBIC * x, x, 1.0)
    }
}
impl Function for GeluNew {
    #[inline(always)]
    fn value<T: Target>(x: f32) -> f32 {
        x * math::sigmoid::<T>(Self::twice_inner::<T>(x)).0
    }

    #[inline(always)]
    fn slope<T: Target>(x: f32) -> f32 {
        let (s, ds) = math::sigmoid::<T>(Self::twice_inner::<T>(x));
        let inner_slope = 2.0 * GELU_SLOPE * T::fma(3.0 * GELU_CUBIC * x, x, 1.0);
        T::fma(ds, x * inner_slope, s)
    }
}

struct Relu;
impl Function for Relu {
    #[inline(always)]
    fn value<T: Target>(x: f32) -> f32 {
        if x < 0.0 { 0.0 } else { x }
    }

    #[inline(always)]
    fn slope<T: Target>(x: f32) -> f32 {
        if x > 0.0 { 1.0 } else { 0.0 }
    }
}

struct Silu;
impl Function for Silu {
    #[inline(always)]
    fn value<T: Target>(x: f32) -> f32 {
        x * math::sigmoid::<T>(x).0
    }

    #[inline(always)]
    fn slope<T: Target>(x: f32) -> f32 {
        let (s, ds) = math::sigmoid::<T>(x);
        T::fma(ds, x, s)
    }
}

struct Tanh;
impl Function for Tanh {
    #[inline(always)]
    fn value<T: Target>(x: f32) -> f32 {
        math::tanh::<T>(x)
    }

    #[inline(always)]
    fn slope<T: Target>(x: f32) -> f32 {
        let t = math::tanh::<T>(x);
        (1.0 - t) * (1.0 + t)
    }
}

struct QuickGelu;
impl Function for QuickGelu {
    #[inline(always)]
    fn value<T: Target>(x: f32) -> f32 {
        x * math::sigmoid::<T>(QUICK_GELU_SLOPE * x).0
    }

    #[inline(always)]
    fn slope<T: Target>(x: f32) -> f32 {
        Silu::slope::<T>(QUICK_GELU_SLOPE * x)
    }
}

struct Sigmoid;
impl Function for Sigmoid {
    #[inline(always)]
    fn value<T: Target>(x: f32) -> f32 {
        math::sigmoid::<T>(x).0
    }

    #[inline(always)]
    fn slope<T: Target>(x: f32) -> f32 {
        math::sigmoid::<T>(x).1
    }
}

/// `act(x)` in f64, the yardstick of [`forward`].
pub fn value(act: Activation, x: f64) -> f64 {
    match act {
        Activation::Gelu => x * normal_cdf(x),
        Activation::GeluNew => 0.5 * x * (1.0 + gelu_inner(x).tanh()),
        Activation::Relu => {
            if x < 0.0 {
                0.0
            } else {
                x
            }
        }
        Activation::Silu => x * sigmoid(x),
        Activation::Tanh => x.tanh(),
        Activation::QuickGelu => x * sigmoid(1.702 * x),
        Activation::Sigmoid => sigmoid(x),
    }
}

/// `act′(x)` in f64, the yardstick of [`backward`]. The corner of `Relu` counts as 0.
pub fn derivative(act: Activation, x: f64) -> f64 {
    match act {
        Activation::Gelu => normal_cdf(x) + x * (-0.5 * x * x).exp() / (2.0 * PI).sqrt(),
        Activation::GeluNew => {
            let t = gelu_inner(x).tanh();
            let slope = (2.0 / PI).sqrt() * (1.0 + 3.0 * 0.044715 * x * x);
            0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope
        }
        Activation::Relu => f64::from(x > 0.0),
        Activation::Silu => sigmoid(x) * (1.0 + x * sigmoid(-x)),
        Activation::Tanh => 1.0 - x.tanh() * x.tanh(),
        Activation::QuickGelu => {
            let z = 1.702 * x;
            sigmoid(z) * (1.0 + z * sigmoid(-z))
        }
        Activation::Sigmoid => sigmoid(x) * sigmoid(-x),
    }
}

/// `√(2/π)·(x + 0.044715·x³)`.
fn gelu_inner(x: f64) -> f64 {
    (2.0 / PI).sqrt() * x * (1.0 + 0.044715 * x * x)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Φ(x) = (1 + erf(x/√2))/2.
fn normal_cdf(x: f64) -> f64 {
    0.5 * (1.0 + math::erf_f64(x * FRAC_1_SQRT_2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Isa;

    const ALL: [Activation; 7] = [
        Activation::Gelu,
        Activation::GeluNew,
        Activation::Relu,
        Activation::Silu,
        Activation::Tanh,
        Activation::QuickGelu,
        Activation::Sigmoid,
    ];

    /// −20 to 20 in steps that are no round numbers, and the corners.
    fn inputs() -> Vec<f32> {
        let mut x: Vec<f32> = (0..40_003).map(|i| (i as f32 - 20_001.0) * 0.000_999_7).collect();
        x.extend([0.0, -0.0, 1e-30, -1e-30, 1e-40, 80.0, -80.0, 1e4, -1e4]);
        x
    }

    #[test]
    fn derivatives_are_those_of_the_values() {
        let h = 1e-5;
        for act in ALL {
            for x in inputs().into_iter().map(f64::from).filter(|x| x.abs() < 100.0 && x.abs() > 1e-4) {
                let difference = (value(act, x + h) - value(act, x - h)) / (2.0 * h);
                let error = (difference - derivative(act, x)).abs();
                assert!(error < 1e-8, "{act:?}′({x}) = {} but {difference}", derivative(act, x));
            }
        }
    }

    /// Values of Python's `math.erf`, `math.tanh` and `math.exp`.
    #[test]
    fn values_are_independent_ones() {
        for (act, x, y) in [
            (Activation::Gelu, 1.0, 0.841_344_746_069),
            (Activation::Gelu, -0.5, -0.154_268_769_363),
            (Activation::GeluNew, 1.0, 0.841_191_990_608),
            (Activation::Silu, -1.0, -0.268_941_421_370),
            (Activation::QuickGelu, 1.0, 0.845_795_765_933),
        ] {
            assert!((value(act, x) - y).abs() < 1e-11, "{act:?}({x}) = {}", value(act, x));
        }
    }

    #[test]
    fn kernels_agree_with_f64_on_every_instruction_set() {
        let x = inputs();
        let dy: Vec<f32> = x.iter().map(|x| (3.0 * x).cos()).collect();
        for isa in Isa::available() {
            for act in ALL {
                let mut y = vec![f32::NAN; x.len()];
                forward_chunk(isa, act, &x, &mut y);
                let mut dx = vec![f32::NAN; x.len()];
                backward_chunk(isa, act, &x, &dy, Out::set(&mut dx));
                for i in 0..x.len() {
                    let exact = f64::from(x[i]);
                    let error = (f64::from(y[i]) - value(act, exact)).abs();
                    assert!(
                        error <= 3e-7 * value(act, exact).abs().max(0.5),
                        "{isa:?} {act:?}({exact}) = {}",
                        y[i]
                    );
                    let want = derivative(act, exact) * f64::from(dy[i]);
                    let error = (f64::from(dx[i]) - want).abs();
                    assert!(error <= 8e-7, "{isa:?} {act:?}′({exact})·{} = {} not {want}", dy[i], dx[i]);
                }
            }
        }
    }

    #[test]
    fn not_a_number_stays_so_and_infinity_saturates() {
        for act in ALL {
            let mut y = [0.0; 3];
            forward(act, &[f32::NAN, f32::INFINITY, f32::MAX], &mut y);
            assert!(y[0].is_nan(), "{act:?}");
            let top = value(act, f64::INFINITY) as f32;
            assert_eq!(y[1], top, "{act:?}");
            assert_eq!(y[2], top.min(f32::MAX), "{act:?}");
        }
    }

    #[test]
    fn backward_adds_when_asked() {
        let (x, dy) = ([0.3, -0.7, 2.0], [1.0, 2.0, -1.0]);
        let mut set = [9.0; 3];
        backward(Activation::Gelu, &x, &dy, Out::set(&mut set));
        let mut added = [1.0; 3];
        backward(Activation::Gelu, &x, &dy, Out::add(&mut added));
        assert_eq!(added, set.map(|dx| 1.0 + dx));
    }
}
