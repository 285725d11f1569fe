//! Rounding packed operands to bf16.

use crate::per_isa;

/// The bits of the nearest bf16, ties to even, in the upper half; a NaN stays one.
#[inline(always)]
fn rounded_bits(x: f32) -> u32 {
    let bits = x.to_bits();
    let odd = bits >> 16 & 1;
    let rounded = bits.wrapping_add(0x7fff + odd);
    (if x.is_nan() { bits | 0x40_0000 } else { rounded }) & 0xffff_0000
}

/// The nearest f32 that bf16 can hold, ties to even.
pub(super) fn round(x: f32) -> f32 {
    f32::from_bits(rounded_bits(x))
}

per_isa! {
    /// Rounds every element to bf16 and keeps it as f32.
    pub(super) fn round_all<T>(data: &mut [f32]) {
        data.iter_mut().for_each(|x| *x = f32::from_bits(rounded_bits(*x)));
    }
}

/// Two bf16 in the order in which the dot product takes them, as the bits of an f32.
#[inline(always)]
fn pair(first: f32, second: f32) -> f32 {
    f32::from_bits(rounded_bits(first) >> 16 | rounded_bits(second))
}

per_isa! {
    /// Turns `depth` steps of `width` elements into half as many steps of pairs, at the front of `data`; an odd last step is paired
    /// with zeros.
    pub(super) fn pair_steps<T>(data: &mut [f32], width: usize, depth: usize) {
        for step in 0..depth.div_ceil(2) {
            for i in 0..width {
                let second = if 2 * step + 1 < depth { data[(2 * step + 1) * width + i] } else { 0.0 };
                data[step * width + i] = pair(data[2 * step * width + i], second);
            }
        }
    }
}

per_isa! {
    /// Turns a row of `depth` elements into half as many pairs, at the front of `row`.
    pub(super) fn pair_row<T>(row: &mut [f32], depth: usize) {
        for step in 0..depth.div_ceil(2) {
            let second = if 2 * step + 1 < depth { row[2 * step + 1] } else { 0.0 };
            row[step] = pair(row[2 * step], second);
        }
    }
}
