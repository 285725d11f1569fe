//! Vectors as pairs of AVX2 registers.

use super::{Job, LANES, Lanes, exponential::*};
use std::arch::x86_64::*;

/// Proof that the processor has AVX2 and FMA.
#[derive(Clone, Copy)]
pub(super) struct Avx2 {
    rounds: bool,
}

/// Runs `job` with AVX2.
#[target_feature(enable = "avx2,fma")]
pub(super) fn run(rounds: bool, job: impl Job) {
    job.run(Avx2 { rounds });
}

/// Declares methods whose bodies are AVX2 intrinsics on registers.
macro_rules! on_registers {
    ($(fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty $body:block)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $ty),*) -> $ret {
            // SAFETY: an Avx2 exists only where the processor has AVX2 and FMA; the intrinsics work on registers, and
            // on sixteen numbers behind a reference.
            unsafe { $body }
        }
    )*};
}

/// Lanes 0 to 7 and 8 to 15.
type Pair<T> = (T, T);

impl Lanes for Avx2 {
    const ROWS: usize = 4;
    const COLS: usize = 1;
    type V = Pair<__m256>;
    type U = Pair<__m256i>;
    type M = Pair<__m256>;

    #[inline(always)]
    fn rounds(self) -> bool {
        self.rounds
    }

    on_registers! {
        fn load(x: &[f32; LANES]) -> Pair<__m256> {
            (_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8)))
        }
        fn store(x: Pair<__m256>, to: &mut [f32; LANES]) -> () {
            _mm256_storeu_ps(to.as_mut_ptr(), x.0);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), x.1);
        }
        fn splat(x: f32) -> Pair<__m256> { (_mm256_set1_ps(x), _mm256_set1_ps(x)) }
        fn add(a: Pair<__m256>, b: Pair<__m256>) -> Pair<__m256> {
            (_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1))
        }
        fn sub(a: Pair<__m256>, b: Pair<__m256>) -> Pair<__m256> {
            (_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1))
        }
        fn mul(a: Pair<__m256>, b: Pair<__m256>) -> Pair<__m256> {
            (_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1))
        }
        fn fma(a: Pair<__m256>, b: Pair<__m256>, c: Pair<__m256>) -> Pair<__m256> {
            (_mm256_fmadd_ps(a.0, b.0, c.0), _mm256_fmadd_ps(a.1, b.1, c.1))
        }
        fn max(a: Pair<__m256>, b: Pair<__m256>) -> Pair<__m256> {
            (_mm256_max_ps(a.0, b.0), _mm256_max_ps(a.1, b.1))
        }
        fn exp(x: Pair<__m256>) -> Pair<__m256> { (exp(x.0), exp(x.1)) }
        fn select_from(first: usize, a: Pair<__m256>, other: Pair<__m256>) -> Pair<__m256> {
            let first = _mm256_set1_ps(first as f32 - 0.5);
            let low = _mm256_setr_ps(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0);
            let high = _mm256_add_ps(low, _mm256_set1_ps(8.0));
            (
                _mm256_blendv_ps(other.0, a.0, _mm256_cmp_ps::<_CMP_GT_OQ>(low, first)),
                _mm256_blendv_ps(other.1, a.1, _mm256_cmp_ps::<_CMP_GT_OQ>(high, first)),
            )
        }
        fn sum(x: Pair<__m256>) -> f32 {
            let eight = _mm256_add_ps(x.0, x.1);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
        fn load_keys(keys: &[u32; LANES]) -> Pair<__m256i> {
            let keys = keys.as_ptr().cast::<__m256i>();
            (_mm256_loadu_si256(keys), _mm256_loadu_si256(keys.add(1)))
        }
        fn keep(keys: Pair<__m256i>, kv_row: u32, threshold: u32) -> Pair<__m256> {
            (keep(keys.0, kv_row, threshold), keep(keys.1, kv_row, threshold))
        }
        fn only(mask: Pair<__m256>, x: Pair<__m256>) -> Pair<__m256> {
            (_mm256_and_ps(mask.0, x.0), _mm256_and_ps(mask.1, x.1))
        }
    }

    #[inline(always)]
    fn transpose(self, rows: [Self::V; LANES]) -> [Self::V; LANES] {
        let mut numbers = [[0.0; LANES]; LANES];
        let mut columns = rows;
        for (row, numbers) in rows.into_iter().zip(&mut numbers) {
            self.store(row, numbers);
        }
        for (i, column) in columns.iter_mut().enumerate() {
            let mut x = [0.0; LANES];
            for (x, row) in x.iter_mut().zip(&numbers) {
                *x = row[i];
            }
            *column = self.load(&x);
        }
        columns
    }
}

/// eˣ of eight lanes.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn exp(x: __m256) -> __m256 {
    let n = _mm256_round_ps::<0x08>(_mm256_mul_ps(x, _mm256_set1_ps(LOG2_E)));
    let r = _mm256_fnmadd_ps(n, _mm256_set1_ps(LN2_HIGH), x);
    let r = _mm256_fnmadd_ps(n, _mm256_set1_ps(LN2_LOW), r);
    let mut p = _mm256_set1_ps(Q[4]);
    for c in [Q[3], Q[2], Q[1], Q[0], 1.0, 1.0] {
        p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(c));
    }
    let bits = _mm256_slli_epi32::<23>(_mm256_cvtps_epi32(n));
    let power = _mm256_castsi256_ps(_mm256_add_epi32(bits, _mm256_castps_si256(_mm256_set1_ps(1.0))));
    // Not less than: NaN stays NaN.
    let normal = _mm256_cmp_ps::<_CMP_NLT_UQ>(x, _mm256_set1_ps(LOWEST));
    _mm256_and_ps(normal, _mm256_mul_ps(p, power))
}

/// Which of eight lanes are kept.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn keep(keys: __m256i, kv_row: u32, threshold: u32) -> __m256 {
    let h = _mm256_add_epi32(keys, _mm256_set1_epi32(kv_row.wrapping_mul(0x9E37_79B9) as i32));
    let h = _mm256_xor_si256(h, _mm256_srli_epi32::<16>(h));
    let h = _mm256_mullo_epi32(h, _mm256_set1_epi32(0x21F0_AAAD));
    let h = _mm256_xor_si256(h, _mm256_srli_epi32::<15>(h));
    let h = _mm256_mullo_epi32(h, _mm256_set1_epi32(0x735A_2D97));
    // Unsigned h ≥ threshold: the larger of the two is h.
    _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_max_epu32(h, _mm256_set1_epi32(threshold as i32)), h))
}
