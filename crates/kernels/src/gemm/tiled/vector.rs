//! The vector registers that the tile kernels are written over.

use std::arch::x86_64::*;

use crate::gemm::bf16::registers;

/// One register. All functions require that the processor has the instructions of the type, which is why each is unsafe; pointers must
/// be valid for as many elements as the name says and need no alignment.
pub(super) trait Vector: Copy {
    /// f32 elements in a register.
    const LANES: usize;
    /// Positions of K in one element of a packed operand: 1 as f32, or 2 as bf16.
    const DEPTH: usize;

    unsafe fn zero() -> Self;
    unsafe fn splat(from: *const f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// The first `count` elements, at most `LANES`, and zeros; reads no further.
    unsafe fn load_first(from: *const f32, count: usize) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// Stores the first `count` elements, at most `LANES`.
    unsafe fn store_first(self, to: *mut f32, count: usize);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn times(self, other: Self) -> Self;
    /// `self + a·b`, in the number format in which the operands were packed.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    /// Two positions of K of as many lines as there are lanes, as elements that hold both: rounded to bf16, the first below.
    unsafe fn pair(first: Self, second: Self) -> Self;
    /// As many positions of K as two registers hold, of one line, in pairs: the first register's in the lower half.
    unsafe fn pair_along(first: Self, second: Self) -> Self;
    /// Asks for the cache line of `address`, which need not be valid, to be used soon.
    #[inline(always)]
    fn prefetch(address: *const f32) {
        // SAFETY: a prefetch reads nothing; it has no effect but on speed.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }
    /// Asks for the cache line of `address`, which need not be valid, no nearer than the second-level cache.
    #[inline(always)]
    fn prefetch_outer(address: *const f32) {
        // SAFETY: as in `prefetch`.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
    }
    /// Writes the transpose of `LANES` × `LANES` elements whose rows are `stride` apart to rows that are `to_stride` apart.
    unsafe fn transpose(from: *const f32, stride: usize, to: *mut f32, to_stride: usize);
}

/// Sixteen sums under AVX-512, whose factors are f32 where `DEPTH` is 1, and pairs of bf16 (AVX-512 BF16) where it is 2.
#[derive(Clone, Copy)]
pub(super) struct Zmm<const DEPTH: usize>(__m512);

/// The mask of the first `count` of 16 lanes.
#[inline(always)]
fn first(count: usize) -> __mmask16 {
    if count >= 16 { 0xffff } else { (1 << count) - 1 }
}

impl<const DEPTH: usize> Vector for Zmm<DEPTH> {
    const LANES: usize = 16;
    const DEPTH: usize = DEPTH;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: as the trait requires.
        unsafe { Self(_mm512_setzero_ps()) }
    }
    #[inline(always)]
    unsafe fn splat(from: *const f32) -> Self {
        // SAFETY: as the trait requires.
        unsafe { Self(_mm512_set1_ps(*from)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as the trait requires.
        unsafe { Self(_mm512_loadu_ps(from)) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        // SAFETY: as the trait requires.
        unsafe { Self(_mm512_maskz_loadu_ps(first(count), from)) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as the trait requires.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        // SAFETY: as the trait requires.
        unsafe { _mm512_mask_storeu_ps(to, first(count), self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as the trait requires.
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn times(self, other: Self) -> Self {
        // SAFETY: as the trait requires.
        unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        // SAFETY: as the trait requires.
        unsafe {
            match DEPTH {
                1 => Self(_mm512_fmadd_ps(a.0, b.0, self.0)),
                _ => Self(registers::dot(self.0, a.0, b.0)),
            }
        }
    }
    #[inline(always)]
    unsafe fn pair(first: Self, second: Self) -> Self {
        // SAFETY: as the trait requires.
        unsafe { Self(registers::pair(first.0, second.0)) }
    }
    #[inline(always)]
    unsafe fn pair_along(first: Self, second: Self) -> Self {
        // SAFETY: as the trait requires.
        unsafe { Self(registers::pair_along(first.0, second.0)) }
    }
    #[inline(always)]
    unsafe fn transpose(from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: as the trait requires.
        unsafe {
            for quad in 0..4 {
                // Lane q of `rows[r]` holds four columns of row 4q + r, so that 4 × 4 transpositions inside of the lanes finish the work.
                let from = from.add(4 * quad);
                let row = |r: usize| {
                    let part = |q: usize| _mm_loadu_ps(from.add((4 * q + r) * stride));
                    let row = _mm512_castps128_ps512(part(0));
                    let row = _mm512_insertf32x4::<1>(row, part(1));
                    let row = _mm512_insertf32x4::<2>(row, part(2));
                    _mm512_insertf32x4::<3>(row, part(3))
                };
                let (r0, r1, r2, r3) = (row(0), row(1), row(2), row(3));
                let low01 = _mm512_castps_pd(_mm512_unpacklo_ps(r0, r1));
                let low23 = _mm512_castps_pd(_mm512_unpacklo_ps(r2, r3));
                let high01 = _mm512_castps_pd(_mm512_unpackhi_ps(r0, r1));
                let high23 = _mm512_castps_pd(_mm512_unpackhi_ps(r2, r3));
                let columns = [
                    _mm512_unpacklo_pd(low01, low23),
                    _mm512_unpackhi_pd(low01, low23),
                    _mm512_unpacklo_pd(high01, high23),
                    _mm512_unpackhi_pd(high01, high23),
                ];
                for (i, column) in columns.into_iter().enumerate() {
                    _mm512_storeu_ps(to.add((4 * quad + i) * to_stride), _mm512_castpd_ps(column));
                }
            }
        }
    }
}

/// Eight f32 under AVX2 with FMA.
#[derive(Clone, Copy)]
pub(super) struct Ymm(__m256);

/// The first `count` of 8 lanes, in the form that the masked moves take.
#[inline(always)]
unsafe fn first_of_8(count: usize) -> __m256i {
    const ONES_THEN_ZEROS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: eight elements from one of the first nine of sixteen.
    unsafe { _mm256_loadu_si256(ONES_THEN_ZEROS.as_ptr().add(8 - count.min(8)).cast()) }
}

impl Vector for Ymm {
    const LANES: usize = 8;
    const DEPTH: usize = 1;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: as the trait requires.
        unsafe { Self(_mm256_setzero_ps()) }
    }
    #[inline(always)]
    unsafe fn splat(from: *const f32) -> Self {
        // SAFETY: as the trait requires.
        unsafe { Self(_mm256_set1_ps(*from)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as the trait requires.
        unsafe { Self(_mm256_loadu_ps(from)) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        // SAFETY: as the trait requires.
        unsafe { Self(_mm256_maskload_ps(from, first_of_8(count))) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as the trait requires.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        // SAFETY: as the trait requires.
        unsafe { _mm256_maskstore_ps(to, first_of_8(count), self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as the trait requires.
        unsafe { Self(_mm256_add_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn times(self, other: Self) -> Self {
        // SAFETY: as the trait requires.
        unsafe { Self(_mm256_mul_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        // SAFETY: as the trait requires.
        unsafe { Self(_mm256_fmadd_ps(a.0, b.0, self.0)) }
    }
    #[inline(always)]
    unsafe fn pair(_: Self, _: Self) -> Self {
        unreachable!("elements of one position each")
    }
    #[inline(always)]
    unsafe fn pair_along(_: Self, _: Self) -> Self {
        unreachable!("elements of one position each")
    }
    #[inline(always)]
    unsafe fn transpose(from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: as the trait requires.
        unsafe {
            for quad in 0..2 {
                // Lane q of a row holds four columns of row 4q + r, as in the wider form above.
                let from = from.add(4 * quad);
                let row = |r: usize| {
                    let part = |q: usize| _mm_loadu_ps(from.add((4 * q + r) * stride));
                    _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(part(0)), part(1))
                };
                let (r0, r1, r2, r3) = (row(0), row(1), row(2), row(3));
                let low01 = _mm256_castps_pd(_mm256_unpacklo_ps(r0, r1));
                let low23 = _mm256_castps_pd(_mm256_unpacklo_ps(r2, r3));
                let high01 = _mm256_castps_pd(_mm256_unpackhi_ps(r0, r1));
                let high23 = _mm256_castps_pd(_mm256_unpackhi_ps(r2, r3));
                let columns = [
                    _mm256_unpacklo_pd(low01, low23),
                    _mm256_unpackhi_pd(low01, low23),
                    _mm256_unpacklo_pd(high01, high23),
                    _mm256_unpackhi_pd(high01, high23),
                ];
                for (i, column) in columns.into_iter().enumerate() {
                    _mm256_storeu_ps(to.add((4 * quad + i) * to_stride), _mm256_castpd_ps(column));
                }
            }
        }
    }
}
