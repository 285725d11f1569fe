//! Elementary functions.

use std::f64::consts::PI;

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
