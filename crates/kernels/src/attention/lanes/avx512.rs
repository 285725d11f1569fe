//! Vectors as AVX-512 registers.

use super::{Job, LANES, Lanes, exponential::*};
use crate::gemm::bf16::registers;
use std::arch::x86_64::*;

/// Proof that the processor has AVX-512 F, BW, DQ and VL, and with `PAIRS` BF16.
#[derive(Clone, Copy)]
pub(super) struct Avx512<const PAIRS: bool> {
    rounds: bool,
}

/// Runs `job` with AVX-512.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
pub(super) fn run(rounds: bool, job: impl Job) {
    job.run(Avx512::<false> { rounds });
}

/// Runs `job` with AVX-512, and products as dot products of pairs of bf16.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,avx2,fma")]
pub(super) fn run_pairs(job: impl Job) {
    job.run(Avx512::<true> { rounds: true });
}

/// Declares methods whose bodies are AVX-512 intrinsics on registers.
macro_rules! on_registers {
    ($(fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty $body:block)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $ty),*) -> $ret {
            // SAFETY: an Avx512 exists only where the processor has AVX-512; the intrinsics work on registers, and on
            // sixteen numbers behind a reference.
            unsafe { $body }
        }
    )*};
}

impl<const PAIRS: bool> Lanes for Avx512<PAIRS> {
    const ROWS: usize = 8;
    const COLS: usize = 2;
    const PAIRS: bool = PAIRS;
    type V = __m512;
    type U = __m512i;
    type M = __mmask16;

    #[inline(always)]
    fn rounds(self) -> bool {
        self.rounds
    }

    on_registers! {
        fn dot(a: __m512, b: __m512, c: __m512) -> __m512 {
            if PAIRS { registers::dot(c, a, b) } else { _mm512_fmadd_ps(a, b, c) }
        }
        fn pair(first: __m512, second: __m512) -> __m512 { registers::pair(first, second) }
        fn pair_along(first: __m512, second: __m512) -> __m512 { registers::pair_along(first, second) }
        fn load(x: &[f32; LANES]) -> __m512 { _mm512_loadu_ps(x.as_ptr()) }
        fn store(x: __m512, to: &mut [f32; LANES]) -> () { _mm512_storeu_ps(to.as_mut_ptr(), x) }
        fn splat(x: f32) -> __m512 { _mm512_set1_ps(x) }
        fn add(a: __m512, b: __m512) -> __m512 { _mm512_add_ps(a, b) }
        fn sub(a: __m512, b: __m512) -> __m512 { _mm512_sub_ps(a, b) }
        fn mul(a: __m512, b: __m512) -> __m512 { _mm512_mul_ps(a, b) }
        fn fma(a: __m512, b: __m512, c: __m512) -> __m512 { _mm512_fmadd_ps(a, b, c) }
        fn max(a: __m512, b: __m512) -> __m512 { _mm512_max_ps(a, b) }
        fn exp(x: __m512) -> __m512 {
            let n = _mm512_roundscale_ps::<0x08>(_mm512_mul_ps(x, _mm512_set1_ps(LOG2_E)));
            let r = _mm512_fnmadd_ps(n, _mm512_set1_ps(LN2_HIGH), x);
            let r = _mm512_fnmadd_ps(n, _mm512_set1_ps(LN2_LOW), r);
            let mut p = _mm512_set1_ps(Q[4]);
            p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(Q[3]));
            p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(Q[2]));
            p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(Q[1]));
            p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(Q[0]));
            p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0));
            p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0));
            // Not less than: NaN stays NaN.
            let normal = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(x, _mm512_set1_ps(LOWEST));
            _mm512_maskz_scalef_ps(normal, p, n)
        }
        fn select_from(first: usize, a: __m512, other: __m512) -> __m512 {
            let lanes = (0xFFFFu32 << first.min(LANES)) as __mmask16;
            _mm512_mask_blend_ps(lanes, other, a)
        }
        fn sum(x: __m512) -> f32 { _mm512_reduce_add_ps(x) }
        fn load_keys(keys: &[u32; LANES]) -> __m512i { _mm512_loadu_si512(keys.as_ptr().cast()) }
        fn keep(keys: __m512i, kv_row: u32, threshold: u32) -> __mmask16 {
            let h = _mm512_add_epi32(keys, _mm512_set1_epi32(kv_row.wrapping_mul(0x9E37_79B9) as i32));
            let h = _mm512_xor_si512(h, _mm512_srli_epi32::<16>(h));
            let h = _mm512_mullo_epi32(h, _mm512_set1_epi32(0x21F0_AAADu32 as i32));
            let h = _mm512_xor_si512(h, _mm512_srli_epi32::<15>(h));
            let h = _mm512_mullo_epi32(h, _mm512_set1_epi32(0x735A_2D97));
            _mm512_cmpge_epu32_mask(h, _mm512_set1_epi32(threshold as i32))
        }
        fn only(mask: __mmask16, x: __m512) -> __m512 { _mm512_maskz_mov_ps(mask, x) }
        fn transpose(rows: [__m512; LANES]) -> [__m512; LANES] {
            // Pairs, then quadruples, inside each 128-bit quarter; then the quarters.
            let mut a = rows;
            for i in 0..8 {
                a[2 * i] = _mm512_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
                a[2 * i + 1] = _mm512_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
            }
            let mut b = a;
            for i in 0..4 {
                let (even, even_next) = (_mm512_castps_pd(a[4 * i]), _mm512_castps_pd(a[4 * i + 2]));
                let (odd, odd_next) = (_mm512_castps_pd(a[4 * i + 1]), _mm512_castps_pd(a[4 * i + 3]));
                b[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(even, even_next));
                b[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(even, even_next));
                b[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(odd, odd_next));
                b[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(odd, odd_next));
            }
            let mut c = b;
            for i in 0..4 {
                // Quarters 0, 2 and 1, 3 of column group i, of rows 0-7 and 8-15.
                let even = _mm512_shuffle_f32x4::<0x88>(b[i], b[4 + i]);
                let odd = _mm512_shuffle_f32x4::<0xDD>(b[i], b[4 + i]);
                let even_high = _mm512_shuffle_f32x4::<0x88>(b[8 + i], b[12 + i]);
                let odd_high = _mm512_shuffle_f32x4::<0xDD>(b[8 + i], b[12 + i]);
                c[i] = _mm512_shuffle_f32x4::<0x88>(even, even_high);
                c[4 + i] = _mm512_shuffle_f32x4::<0x88>(odd, odd_high);
                c[8 + i] = _mm512_shuffle_f32x4::<0xDD>(even, even_high);
                c[12 + i] = _mm512_shuffle_f32x4::<0xDD>(odd, odd_high);
            }
            c
        }
    }
}
