//! Rounding to bf16, and registers of pairs of them.

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

/// Pairs of bf16 in AVX-512 registers, each in the place of an f32. All functions require AVX-512 BF16, and [`pair`](registers::pair)
/// BW, which is why they are unsafe.
#[cfg(target_arch = "x86_64")]
pub(crate) mod registers {
    use std::arch::x86_64::*;

    /// Word i of one half, then word i of the other.
    const ALTERNATE: [u16; 32] = {
        let mut words = [0; 32];
        let mut i = 0;
        while i < 32 {
            words[i] = (i / 2 + 16 * (i % 2)) as u16;
            i += 1;
        }
        words
    };

    /// Neighbouring numbers as pairs, those of `first` before those of `second`.
    #[inline(always)]
    pub(crate) unsafe fn pair_along(first: __m512, second: __m512) -> __m512 {
        // SAFETY: the caller vouches for the instructions; both types are 64 bytes without invalid values.
        unsafe { std::mem::transmute::<__m512bh, __m512>(_mm512_cvtne2ps_pbh(second, first)) }
    }

    /// Each lane's two numbers as a pair.
    #[inline(always)]
    pub(crate) unsafe fn pair(first: __m512, second: __m512) -> __m512 {
        // SAFETY: the caller vouches for the instructions; the constant has as many bytes as the register.
        unsafe {
            let apart = _mm512_castps_si512(pair_along(first, second));
            let alternate = _mm512_loadu_si512(ALTERNATE.as_ptr().cast());
            _mm512_castsi512_ps(_mm512_permutexvar_epi16(alternate, apart))
        }
    }

    /// `sum` and the products of both numbers of each pair.
    #[inline(always)]
    pub(crate) unsafe fn dot(sum: __m512, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller vouches for the instructions; both types are 64 bytes without invalid values.
        unsafe {
            let pairs = |x| std::mem::transmute::<__m512, __m512bh>(x);
            _mm512_dpbf16_ps(sum, pairs(a), pairs(b))
        }
    }
}
