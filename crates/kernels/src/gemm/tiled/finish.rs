//! Bringing packed operands into the number format in which they are multiplied.

use crate::gemm::bf16::rounded_bits;
use crate::per_isa;

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
