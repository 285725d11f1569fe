//! Which vector instructions this processor has, and how one loop is compiled for each of them.
//!
//! [`per_isa!`](crate::per_isa) turns one scalar body into one function a target. The body is written once, over plain slices, and
//! the compiler vectorises it under each target's features; the only thing a body asks of its target is [`Target::fma`].

use std::sync::OnceLock;

/// An instruction set for which the kernels are compiled, from the least to the most capable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// What the compiler's base target has: SSE2 on x86-64.
    Portable,
    /// AArch64, where 128-bit vectors with fused multiply-add are the base target.
    Neon,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, VL, DQ, BW and FMA.
    Avx512,
}

/// The best instruction set of this processor, looked up once.
pub fn isa() -> Isa {
    static BEST: OnceLock<Isa> = OnceLock::new();
    *BEST.get_or_init(detect)
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Isa {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw");
    match (avx2, avx512) {
        (true, true) => Isa::Avx512,
        (true, false) => Isa::Avx2,
        (false, _) => Isa::Portable,
    }
}

#[cfg(target_arch = "aarch64")]
fn detect() -> Isa {
    Isa::Neon
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detect() -> Isa {
    Isa::Portable
}

/// Whether the processor multiplies pairs of bf16 into f32 sums in one instruction (AVX-512 BF16).
pub fn has_bf16_dot() -> bool {
    #[cfg(target_arch = "x86_64")]
    return isa() == Isa::Avx512 && is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Whether that instruction is also faster than multiplying the rounded operands as f32. It is on AMD's processors; on Intel's it runs
/// at half the rate of an f32 multiply-add or less (measured on Emerald Rapids: 1.33·10⁹ a second against 5.45·10⁹).
pub fn has_fast_bf16_dot() -> bool {
    has_bf16_dot() && vendor() == *b"AuthenticAMD"
}

/// The twelve letters by which the processor names its maker.
fn vendor() -> [u8; 12] {
    #[cfg(target_arch = "x86_64")]
    {
        let id = std::arch::x86_64::__cpuid(0);
        let mut name = [0; 12];
        let words = [id.ebx, id.edx, id.ecx];
        name.chunks_exact_mut(4)
            .zip(words)
            .for_each(|(bytes, word)| bytes.copy_from_slice(&word.to_le_bytes()));
        name
    }
    #[cfg(not(target_arch = "x86_64"))]
    [0; 12]
}

impl Isa {
    /// Every instruction set that this processor can run, so that a test can take each path.
    pub fn available() -> impl Iterator<Item = Isa> {
        [Isa::Portable, Isa::Neon, Isa::Avx2, Isa::Avx512].into_iter().filter(|isa| isa.is_available())
    }

    /// Whether this processor can run it.
    pub fn is_available(self) -> bool {
        match self {
            Isa::Portable => true,
            Isa::Neon => cfg!(target_arch = "aarch64"),
            Isa::Avx2 | Isa::Avx512 => cfg!(target_arch = "x86_64") && self <= isa(),
        }
    }
}

/// What a body under [`per_isa!`](crate::per_isa) may ask of the target it is compiled for.
pub trait Target {
    /// Whether one instruction multiplies and adds with a single rounding.
    const FMA: bool;

    /// `a·b + c`, with a single rounding where the hardware has it and two where it would be a library call.
    #[inline(always)]
    fn fma(a: f32, b: f32, c: f32) -> f32 {
        if Self::FMA { a.mul_add(b, c) } else { a * b + c }
    }
}

/// The compile-time sides of [`Isa`]: one type a target.
pub mod target {
    use super::Target;

    /// [`Isa::Portable`](super::Isa::Portable).
    pub struct Portable;
    /// [`Isa::Neon`](super::Isa::Neon).
    pub struct Neon;
    /// [`Isa::Avx2`](super::Isa::Avx2).
    pub struct Avx2;
    /// [`Isa::Avx512`](super::Isa::Avx512).
    pub struct Avx512;

    impl Target for Portable {
        const FMA: bool = false;
    }
    impl Target for Neon {
        const FMA: bool = true;
    }
    impl Target for Avx2 {
        const FMA: bool = true;
    }
    impl Target for Avx512 {
        const FMA: bool = true;
    }
}

/// Compiles one scalar body for every instruction set.
///
/// `fn name<T>(args…) { body }` becomes `fn name(isa: Isa, args…)`, which runs the body compiled for `isa`. Inside the body `T` is the
/// [`Target`](crate::cpu::Target); functions that it calls must be `#[inline(always)]` to be compiled for the target too. The
/// function panics if the processor lacks `isa`.
///
/// ```
/// use tercet_kernels::{cpu, per_isa};
///
/// per_isa! {
///     /// y += a·x
///     fn axpy<T>(a: f32, x: &[f32], y: &mut [f32]) {
///         for (y, &x) in y.iter_mut().zip(x) {
///             *y = T::fma(a, x, *y);
///         }
///     }
/// }
///
/// let mut y = [1.0, 2.0, 3.0];
/// axpy(cpu::isa(), 2.0, &[10.0, 20.0, 30.0], &mut y);
/// assert_eq!(y, [21.0, 42.0, 63.0]);
/// ```
#[macro_export]
macro_rules! per_isa {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident<$target:ident>($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block
    ) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name(isa: $crate::cpu::Isa, $($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, clippy::extra_unused_type_parameters)]
            fn body<$target: $crate::cpu::Target>($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            fn avx512($($arg: $ty),*) $(-> $ret)? {
                body::<$crate::cpu::target::Avx512>($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            fn avx2($($arg: $ty),*) $(-> $ret)? {
                body::<$crate::cpu::target::Avx2>($($arg),*)
            }

            assert!(isa.is_available(), "this processor has no {isa:?}");
            match isa {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the assertion above has found the features on this processor.
                $crate::cpu::Isa::Avx512 => unsafe { avx512($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the assertion above has found the features on this processor.
                $crate::cpu::Isa::Avx2 => unsafe { avx2($($arg),*) },
                $crate::cpu::Isa::Neon => body::<$crate::cpu::target::Neon>($($arg),*),
                _ => body::<$crate::cpu::target::Portable>($($arg),*),
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    per_isa! {
        fn dot<T>(x: &[f32], y: &[f32]) -> f32 {
            x.iter().zip(y).fold(0.0, |sum, (&x, &y)| T::fma(x, y, sum))
        }
    }

    #[test]
    fn every_available_isa_runs_the_same_body() {
        let x: Vec<f32> = (0..37).map(|i| i as f32).collect();
        for isa in Isa::available() {
            assert_eq!(dot(isa, &x, &x), 16206.0, "{isa:?}");
        }
    }

    #[test]
    fn the_best_isa_is_available() {
        assert!(isa().is_available());
        assert!(Isa::available().any(|other| other == isa()));
    }
}
