//! Arithmetic on whole slices, and reductions whose order never depends on the number of threads.

use crate::{Accum, Out};

impl Accum {
    /// Writes `value` to `slot`, or adds it there.
    #[inline(always)]
    pub(crate) fn store(self, slot: &mut f32, value: f32) {
        match self {
            Accum::Set => *slot = value,
            Accum::Add => *slot += value,
        }
    }
}

/// Copies `x`; with [`Accum::Add`] adds it.
///
/// # Panics
/// If the lengths differ.
pub fn copy(x: &[f32], out: Out) {
    scale(1.0, x, out);
}

/// `x + y`, element by element.
///
/// # Panics
/// If the lengths differ.
pub fn add(x: &[f32], y: &[f32], out: Out) {
    assert_same_len(&[x.len(), y.len(), out.data.len()]);
    for ((slot, x), y) in out.data.iter_mut().zip(x).zip(y) {
        out.accum.store(slot, x + y);
    }
}

/// `x · y`, element by element.
///
/// # Panics
/// If the lengths differ.
pub fn mul(x: &[f32], y: &[f32], out: Out) {
    assert_same_len(&[x.len(), y.len(), out.data.len()]);
    for ((slot, x), y) in out.data.iter_mut().zip(x).zip(y) {
        out.accum.store(slot, x * y);
    }
}

/// `a · x`; with [`Accum::Add`] the axpy of BLAS.
///
/// # Panics
/// If the lengths differ.
pub fn scale(a: f32, x: &[f32], out: Out) {
    assert_same_len(&[x.len(), out.data.len()]);
    for (slot, x) in out.data.iter_mut().zip(x) {
        out.accum.store(slot, a * x);
    }
}

/// Σ xᵢ, accumulated in f64.
pub fn sum(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x)).sum()
}

/// Σ xᵢ², accumulated in f64: the square of the norm that gradient clipping compares.
pub fn sum_squares(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
}

/// Whether no element is infinite or NaN.
pub fn all_finite(x: &[f32]) -> bool {
    x.iter().all(|x| x.is_finite())
}

/// Panics with all lengths unless they are equal.
#[track_caller]
pub(crate) fn assert_same_len(lens: &[usize]) {
    assert!(lens.windows(2).all(|w| w[0] == w[1]), "slices of different lengths: {lens:?}");
}
