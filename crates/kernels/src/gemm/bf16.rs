//! Rounding to bf16.

use crate::per_isa;

/// The bits of the nearest bf16, ties to even, in the upper half; a NaN stays one.
#[inline(always)]
pub(super) fn rounded_bits(x: f32) -> u32 {
    let bits = x.to_bits();
    let odd = bits >> 16 & 1;
    let rounded = bits.wrapping_add(0x7fff + odd);
    (if x.is_nan() { bits | 0x40_0000 } else { rounded }) & 0xffff_0000
}

/// The nearest f32 that bf16 can hold, ties to even.
#[inline(always)]
pub(crate) fn round(x: f32) -> f32 {
    f32::from_bits(rounded_bits(x))
}

per_isa! {
    /// Rounds every element to bf16 and keeps it as f32.
    pub(super) fn round_all<T>(data: &mut [f32]) {
        data.iter_mut().for_each(|x| *x = round(*x));
    }
}
