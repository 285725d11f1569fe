//! Sixteen f32 side by side: one AVX-512 register, two of AVX2, or an array that the compiler vectorises for others.

use crate::cpu::{self, Isa, Target, target};
use crate::gemm::{Precision, bf16};
use std::marker::PhantomData;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

/// Numbers in one vector.
pub(super) const LANES: usize = 16;

/// The operations of the kernels on one vector. A value of the type proves that the processor has the instructions;
/// only [`dispatch`] makes one.
pub(super) trait Lanes: Copy {
    /// Rows of one register tile of a matrix product; a power of two.
    const ROWS: usize;
    /// Vectors in one row of it.
    const COLS: usize;
    /// Whether the operands of products are packed as pairs of bf16.
    const PAIRS: bool = false;
    /// Sixteen f32.
    type V: Copy;
    /// Sixteen u32.
    type U: Copy;
    /// Sixteen choices.
    type M: Copy;

    fn load(self, x: &[f32; LANES]) -> Self::V;
    fn store(self, x: Self::V, to: &mut [f32; LANES]);
    fn splat(self, x: f32) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a·b + c.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Whether products round their operands to bf16.
    fn rounds(self) -> bool;
    /// The nearest bf16 to each number.
    #[inline(always)]
    fn round(self, x: Self::V) -> Self::V {
        let mut numbers = [0.0; LANES];
        self.store(x, &mut numbers);
        for x in &mut numbers {
            *x = bf16::round(*x);
        }
        self.load(&numbers)
    }
    /// a·b + c, where a and b are pairs with `PAIRS`.
    #[inline(always)]
    fn dot(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        self.fma(a, b, c)
    }
    /// Each lane's two numbers as a pair, with `PAIRS`.
    fn pair(self, _first: Self::V, _second: Self::V) -> Self::V {
        unreachable!("no pairs without PAIRS")
    }
    /// Neighbouring numbers as pairs, those of the first before those of the second, with `PAIRS`.
    fn pair_along(self, _first: Self::V, _second: Self::V) -> Self::V {
        unreachable!("no pairs without PAIRS")
    }
    /// The larger; NaN where `b` is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// eˣ for x ≤ 88, to about one unit in the last place; 0 where x < −87.
    fn exp(self, x: Self::V) -> Self::V;
    /// `a` in the lanes from number `first` on, `other` before.
    fn select_from(self, first: usize, a: Self::V, other: Self::V) -> Self::V;
    fn sum(self, x: Self::V) -> f32;
    fn load_keys(self, keys: &[u32; LANES]) -> Self::U;
    /// Where [`hash`](super::shape::hash) of the lane's key and `kv_row` reaches `threshold`.
    fn keep(self, keys: Self::U, kv_row: u32, threshold: u32) -> Self::M;
    /// `x` where `mask` holds, 0 elsewhere.
    fn only(self, mask: Self::M, x: Self::V) -> Self::V;
    /// Sixteen rows to sixteen columns, both held in order.
    fn transpose(self, rows: [Self::V; LANES]) -> [Self::V; LANES];
}

/// Constants of eˣ = 2ⁿ·eʳ with n = round(x/ln 2), |r| ≤ ln 2/2, eʳ = 1 + r + r²·q(r): the polynomial q interpolates at
/// Chebyshev nodes, relative error 1.1e-8 before rounding.
mod exponential {
    pub const LOG2_E: f32 = std::f32::consts::LOG2_E;
    /// 355/512: exact in nine bits, so that n·LN2_HIGH is exact.
    pub const LN2_HIGH: f32 = 0.693_359_4;
    pub const LN2_LOW: f32 = -2.121_944_4e-4;
    pub const Q: [f32; 5] = [0.5, 0.166_665_76, 0.041_666_556, 0.008_363_203, 0.001_392_621_3];
    /// Below, 2ⁿ leaves the normal numbers.
    pub const LOWEST: f32 = -87.0;
}

/// Sixteen numbers in an array.
pub(super) struct Array<T> {
    rounds: bool,
    target: PhantomData<T>,
}

impl<T> Clone for Array<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Array<T> {}

/// What `f` says of each lane. A plain loop, since `array::from_fn` is not always inlined.
#[inline(always)]
fn lanes<T: Copy + Default>(f: impl Fn(usize) -> T) -> [T; LANES] {
    let mut all = [T::default(); LANES];
    for (i, x) in all.iter_mut().enumerate() {
        *x = f(i);
    }
    all
}

impl<T: Target> Lanes for Array<T> {
    const ROWS: usize = 4;
    const COLS: usize = 1;
    type V = [f32; LANES];
    type U = [u32; LANES];
    type M = [bool; LANES];

    #[inline]
    fn rounds(self) -> bool {
        self.rounds
    }
    #[inline]
    fn load(self, x: &[f32; LANES]) -> Self::V {
        *x
    }
    #[inline]
    fn store(self, x: Self::V, to: &mut [f32; LANES]) {
        *to = x;
    }
    #[inline]
    fn splat(self, x: f32) -> Self::V {
        [x; LANES]
    }
    #[inline]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] + b[i])
    }
    #[inline]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] - b[i])
    }
    #[inline]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] * b[i])
    }
    #[inline]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        lanes(|i| T::fma(a[i], b[i], c[i]))
    }
    #[inline]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline]
    fn exp(self, x: Self::V) -> Self::V {
        use exponential::*;
        // Adding 1.5·2²³ rounds to an integer, held in the low bits.
        const ROUND: f32 = 12_582_912.0;
        lanes(|i| {
            let shifted = T::fma(x[i], LOG2_E, ROUND);
            let n = shifted - ROUND;
            let r = T::fma(n, -LN2_LOW, T::fma(n, -LN2_HIGH, x[i]));
            let q = T::fma(T::fma(T::fma(T::fma(Q[4], r, Q[3]), r, Q[2]), r, Q[1]), r, Q[0]);
            let p = T::fma(T::fma(q, r, 1.0), r, 1.0);
            let power = f32::from_bits(shifted.to_bits().wrapping_shl(23).wrapping_add(1.0f32.to_bits()));
            if x[i] < LOWEST { 0.0 } else { p * power }
        })
    }
    #[inline]
    fn select_from(self, first: usize, a: Self::V, other: Self::V) -> Self::V {
        lanes(|i| if i >= first { a[i] } else { other[i] })
    }
    #[inline]
    fn sum(self, x: Self::V) -> f32 {
        let eight = lanes(|i| x[i] + x[i ^ 8]);
        let four = lanes(|i| eight[i] + eight[i ^ 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }
    #[inline]
    fn load_keys(self, keys: &[u32; LANES]) -> Self::U {
        *keys
    }
    #[inline]
    fn keep(self, keys: Self::U, kv_row: u32, threshold: u32) -> Self::M {
        lanes(|i| super::shape::hash(keys[i], kv_row) >= threshold)
    }
    #[inline]
    fn only(self, mask: Self::M, x: Self::V) -> Self::V {
        lanes(|i| if mask[i] { x[i] } else { 0.0 })
    }
    #[inline]
    fn transpose(self, rows: [Self::V; LANES]) -> [Self::V; LANES] {
        let mut columns = rows;
        for (i, column) in columns.iter_mut().enumerate() {
            *column = lanes(|j| rows[j][i]);
        }
        columns
    }
}

/// Work that is compiled once for each kind of vector. `run`, and all that it calls with `lanes`, must be
/// `#[inline(always)]` to be compiled for the target.
pub(super) trait Job {
    fn run<L: Lanes>(self, lanes: L);
}

/// Runs `job` compiled for `isa`, with products in `precision`.
///
/// # Panics
/// When the processor lacks `isa`.
pub(super) fn dispatch(isa: Isa, precision: Precision, job: impl Job) {
    assert!(isa.is_available(), "this processor has no {isa:?}");
    let rounds = precision == Precision::Bf16;
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the assertion above and the guard have found the features on this processor.
        Isa::Avx512 if rounds && cpu::has_fast_bf16_dot() => unsafe { avx512::run_pairs(job) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the assertion above has found the features on this processor.
        Isa::Avx512 => unsafe { avx512::run(rounds, job) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the assertion above has found the features on this processor.
        Isa::Avx2 => unsafe { avx2::run(rounds, job) },
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => job.run(Array { rounds, target: PhantomData::<target::Neon> }),
        _ => job.run(Array { rounds, target: PhantomData::<target::Portable> }),
    }
}
