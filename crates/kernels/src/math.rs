//! Elementary functions in f32 without branches or tables, so that loops over them vectorise under
//! [`per_isa!`](crate::per_isa).
//!
//! | function | largest error |
//! |---|---|
//! | [`exp`] | 1.0 ulp |
//! | [`tanh`] | 2.4 ulp |
//! | [`sigmoid`] | 2.3 ulp of σ, 6e-8 of σ′ |
//! | [`normal`] | 1e-7 of Φ (1 to 2 ulp for x > −1), 5e-8 of φ |
//!
//! An ulp is the distance of neighbouring floats at the exact result. NaN goes in and comes out; infinities and zeros
//! are exact.

use crate::cpu::Target;
use std::f64::consts::PI;

/// Adding this puts the rounded sum into the low bits of the mantissa: 1.5·2²³.
const ROUND: f32 = 12_582_912.0;
/// log 2 in two parts; the first has 9 bits, so that its products with small integers are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// `(eʳ − 1 − r)/r²` on `|r| ≤ ½·log 2`, least relative error of eʳ (3.3e-9), ascending.
const EXP: [f32; 5] = [0.499_999_93, 0.166_665_15, 0.041_668_457, 0.008_369_419, 0.001_381_314_6];
/// `Φ(−a)·e^(a²/2)` in powers of `u = ca/(1 + ca)`, `c = MILLS_SLOPE`, for `0 ≤ a ≤ 14.5`, least relative error (1.2e-8).
const MILLS: [f32; 10] = [
    0.5,
    -1.208_916_5,
    1.086_773_2,
    -0.317_866_66,
    -0.154_176,
    0.065_020_7,
    0.022_687_28,
    0.064_735_75,
    -0.084_080_93,
    0.025_829_493,
];
const MILLS_SLOPE: f32 = 0.33;

/// eˣ; results below 2⁻¹²⁵ become 0, because subnormal numbers slow a processor down a hundredfold.
#[inline(always)]
pub fn exp<T: Target>(x: f32) -> f32 {
    // Beyond this the result rounds to ∞.
    let (n, p) = exp_parts::<T>(if x > 89.0 { 89.0 } else { x });
    // Half the power of two, for the largest results have n = 128.
    let y = T::fma(2.0, p, 2.0) * power_of_two(n.wrapping_sub(1));
    if x < -125.0 * std::f32::consts::LN_2 { 0.0 } else { y }
}

/// tanh x = expm1(2x)/(expm1(2x) + 2).
#[inline(always)]
pub fn tanh<T: Target>(x: f32) -> f32 {
    let (n, p) = exp_parts::<T>(clamp(2.0 * x.abs(), 0.0, 20.0));
    let scale = power_of_two(n);
    let expm1 = T::fma(scale, p, scale - 1.0);
    (expm1 / (expm1 + 2.0)).copysign(x)
}

/// The logistic function σ(x) = 1/(1 + e⁻ˣ) = eˣ/(1 + eˣ) and its slope σ′(x) = σ(x)·σ(−x).
#[inline(always)]
pub fn sigmoid<T: Target>(x: f32) -> (f32, f32) {
    let e = exp::<T>(-x.abs());
    let upper = 1.0 / (1.0 + e);
    let lower = e * upper;
    (if x < 0.0 { lower } else { upper }, lower * upper)
}

/// The normal distribution function Φ(x) = (1 + erf(x/√2))/2 and its density φ(x).
#[inline(always)]
pub fn normal<T: Target>(x: f32) -> (f32, f32) {
    const INV_SQRT_2PI: f32 = 0.398_942_3;
    let a = clamp(x.abs(), 0.0, 14.5);
    let u = MILLS_SLOPE * a / T::fma(MILLS_SLOPE, a, 1.0);
    let bell = exp::<T>(-0.5 * a * a);
    let tail = bell * polynomial::<T, 10>(&MILLS, u);
    (if x < 0.0 { tail } else { 1.0 - tail }, INV_SQRT_2PI * bell)
}

/// `n` and `eʳ − 1` of `eˣ = 2ⁿ·eʳ`, |r| ≤ ½·log 2, for |x| ≤ 2²¹.
#[inline(always)]
fn exp_parts<T: Target>(x: f32) -> (i32, f32) {
    let shifted = T::fma(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = T::fma(n, -LN_2_LOW, T::fma(n, -LN_2_HIGH, x));
    let p = T::fma(r * r, polynomial::<T, 5>(&EXP, r), r);
    (shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32, p)
}

/// 2ⁿ for −127 < n < 128.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// Horner's rule on ascending coefficients.
#[inline(always)]
fn polynomial<T: Target, const N: usize>(coefficients: &[f32; N], x: f32) -> f32 {
    let mut sum = coefficients[N - 1];
    for &c in coefficients[..N - 1].iter().rev() {
        sum = T::fma(sum, x, c);
    }
    sum
}

/// `x` between two limits; unlike `f32::clamp` one minimum and one maximum instruction, and NaN stays NaN.
#[inline(always)]
fn clamp(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// erf(x) in f64, absolute error below 1e-15: the yardstick of the f32 kernels.
///
/// `erf(x) = 2/√π·e^(−x²)·Σₙ 2ⁿx²ⁿ⁺¹/(1·3·5···(2n+1))`, whose terms all have one sign.
pub fn erf_f64(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > 1e-18 * sum.abs() {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Isa;
    use crate::per_isa;
    use std::f64::consts::FRAC_1_SQRT_2;

    per_isa! { fn exp_all<T>(x: &mut [f32]) { for x in x { *x = exp::<T>(*x); } } }
    per_isa! { fn tanh_all<T>(x: &mut [f32]) { for x in x { *x = tanh::<T>(*x); } } }
    per_isa! { fn sigmoid_all<T>(x: &mut [f32]) { for x in x { *x = sigmoid::<T>(*x).0; } } }
    per_isa! { fn sigmoid_slope_all<T>(x: &mut [f32]) { for x in x { *x = sigmoid::<T>(*x).1; } } }
    per_isa! { fn cdf_all<T>(x: &mut [f32]) { for x in x { *x = normal::<T>(*x).0; } } }
    per_isa! { fn density_all<T>(x: &mut [f32]) { for x in x { *x = normal::<T>(*x).1; } } }

    type Kernel = fn(Isa, &mut [f32]);

    /// The largest |f(x) − exact(x)|/unit(exact(x)) over every 4001st float: all magnitudes, both signs, NaNs.
    fn worst(isa: Isa, f: Kernel, exact: impl Fn(f64) -> f64, unit: fn(f64) -> f64) -> f64 {
        let x: Vec<f32> = (0..=u32::MAX).step_by(4001).map(f32::from_bits).collect();
        let mut y = x.clone();
        f(isa, &mut y);
        let mut worst: f64 = 0.0;
        for (&x, &y) in x.iter().zip(&y) {
            let want = exact(f64::from(x));
            if x.is_nan() || want.abs() > f64::from(f32::MAX) {
                assert!(y == want as f32 || (x.is_nan() && y.is_nan()), "{isa:?} at {x}: {y} for {want}");
            } else {
                let error = (f64::from(y) - want).abs() / unit(want);
                assert!(error.is_finite(), "{isa:?} at {x}: {y} for {want}");
                worst = worst.max(error);
            }
        }
        worst
    }

    /// Distance of neighbouring f32 at `exact`; below 2⁻¹²⁵, where results may become 0, that number.
    fn ulp(exact: f64) -> f64 {
        let exponent = exact.abs().log2().floor();
        if exponent < -125.0 { (-125f64).exp2() } else { (exponent - 23.0).exp2() }
    }

    fn normal_cdf(x: f64) -> f64 {
        0.5 * (1.0 + erf_f64(x * FRAC_1_SQRT_2))
    }

    #[test]
    fn errors_stay_below_the_stated_ones_on_every_instruction_set() {
        let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
        let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
        for isa in Isa::available() {
            let errors = [
                ("exp", 1.0, worst(isa, exp_all, f64::exp, ulp)),
                ("tanh", 2.4, worst(isa, tanh_all, f64::tanh, ulp)),
                ("σ", 2.3, worst(isa, sigmoid_all, logistic, ulp)),
                ("σ′", 6e-8, worst(isa, sigmoid_slope_all, |x| logistic(x) * logistic(-x), |_| 1.0)),
                ("Φ", 1e-7, worst(isa, cdf_all, normal_cdf, |_| 1.0)),
                ("φ", 5e-8, worst(isa, density_all, density, |_| 1.0)),
            ];
            for (name, stated, error) in errors {
                assert!(error <= stated, "{isa:?} {name}: {error} > {stated}");
            }
        }
    }

    #[test]
    fn special_values_are_exact() {
        for isa in Isa::available() {
            let at = |f: Kernel, x: f32| {
                let mut y = [x];
                f(isa, &mut y);
                y[0].to_bits()
            };
            for (f, x, y) in [
                (exp_all as Kernel, 0.0, 1.0),
                (exp_all, -0.0, 1.0),
                (exp_all, f32::NEG_INFINITY, 0.0),
                (exp_all, 88.8, f32::INFINITY),
                (exp_all, -87.0, 0.0),
                (tanh_all, -0.0, -0.0),
                (tanh_all, f32::from_bits(1), f32::from_bits(1)),
                (tanh_all, -1e-39, -1e-39),
                (tanh_all, 1e-12, 1e-12),
                (tanh_all, f32::NEG_INFINITY, -1.0),
                (sigmoid_all, 0.0, 0.5),
                (sigmoid_all, f32::NEG_INFINITY, 0.0),
                (sigmoid_all, f32::INFINITY, 1.0),
                (cdf_all, f32::INFINITY, 1.0),
                (cdf_all, f32::NEG_INFINITY, 0.0),
                (density_all, f32::INFINITY, 0.0),
            ] {
                assert_eq!(at(f, x), f32::to_bits(y), "{isa:?} at {x}: {}", f32::from_bits(at(f, x)));
            }
        }
    }

    /// Values of Abramowitz & Stegun, table 7.1.
    #[test]
    fn erf_has_its_tabulated_values() {
        let table = [(0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9), (2.0, 0.995_322_265_0)];
        for (x, y) in table {
            assert!(
                (erf_f64(x) - y).abs() < 1e-10 && erf_f64(-x) == -erf_f64(x),
                "erf({x}) = {}",
                erf_f64(x)
            );
        }
        assert_eq!(erf_f64(7.0), 1.0);
    }
}
