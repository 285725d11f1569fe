//! What this machine can do at most, measured: the figures that a kernel's speed is a share of.
//!
//! Each measurement runs for a fraction of a second on threads of its own, in short rounds that all threads begin together, and keeps
//! the best round, so that a moment in which another process held a core does not count.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

use crate::cpu;
use crate::per_isa;

/// The rate of f32 multiply-adds of `threads` cores in GFLOP/s, a multiplication and an addition counted as two.
pub fn fma_gflops(threads: usize) -> f64 {
    let isa = cpu::isa();
    best_rate(threads, 60, || (), |()| fma_round(isa) as f64) / 1e9
}

/// The rate of bf16 multiply-adds of `threads` cores in GFLOP/s: that of the dot-product instruction where the processor has one, and
/// otherwise [`fma_gflops`], as rounded operands are then multiplied as f32.
pub fn bf16_gflops(threads: usize) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if cpu::has_bf16_dot() {
        // SAFETY: the processor has the instruction, as was just asked.
        return best_rate(threads, 60, || (), |()| unsafe { bf16_round() } as f64) / 1e9;
    }
    fma_gflops(threads)
}

/// The rate at which `threads` cores read memory, in GB/s of 10⁹ bytes.
pub fn memory_gb_s(threads: usize) -> f64 {
    /// Together far more than any cache holds.
    const FLOATS: usize = 96 << 20;
    /// What a round reads.
    const PARTS: usize = 12;
    let isa = cpu::isa();
    let fresh = || (vec![1.0f32; FLOATS / threads.max(1)], 0);
    let read = |(data, round): &mut (Vec<f32>, usize)| {
        let part = data.len() / PARTS;
        let data = &data[*round % PARTS * part..][..part];
        *round += 1;
        black_box(read_all(isa, data));
        size_of_val(data) as f64
    };
    best_rate(threads, PARTS, fresh, read) / 1e9
}

/// Runs `rounds` on every thread, all beginning together, and gives the units a second of the best one. The state of a thread is made on
/// it by `fresh`; `round` gives the units of work that it did.
fn best_rate<S>(
    threads: usize,
    rounds: usize,
    fresh: impl Fn() -> S + Sync,
    round: impl Fn(&mut S) -> f64 + Sync,
) -> f64 {
    let barrier = Barrier::new(threads);
    let run = || {
        let mut state = fresh();
        let mut best = 0.0f64;
        for _ in 0..rounds {
            barrier.wait();
            let begin = Instant::now();
            let units = round(&mut state);
            barrier.wait();
            best = best.max(units * threads as f64 / begin.elapsed().as_secs_f64());
        }
        best
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let best = if threads == 0 { 0.0 } else { run() };
        others.into_iter().for_each(|other| drop(other.join()));
        best
    })
}

/// Floats in all accumulators together: enough independent chains to hide the latency of a multiply-add (4 cycles on 2 ports).
const LANES: usize = 192;
/// Multiply-adds of each chain in one round, a few milliseconds.
const DEPTH: usize = 1 << 18;

per_isa! {
    /// One round of multiply-adds that stay in registers; gives the number of operations.
    fn fma_round<T>() -> usize {
        let (factor, term) = (black_box(0.999), black_box(0.001));
        let mut chains = [black_box(1.0f32); LANES];
        for _ in 0..DEPTH {
            for chain in &mut chains {
                *chain = T::fma(*chain, factor, term);
            }
        }
        black_box(chains);
        2 * LANES * DEPTH
    }
}

/// As [`fma_round`], with dot products of bf16 pairs: two multiply-adds a lane.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
fn bf16_round() -> usize {
    use std::arch::x86_64::{__m512bh, _mm512_dpbf16_ps, _mm512_set1_ps};
    const CHAINS: usize = LANES / 16;
    // SAFETY: both are 64 bytes without invalid values.
    let pairs: __m512bh = unsafe { std::mem::transmute([black_box(0x3f80_3f80u32); 16]) };
    let mut chains = [_mm512_set1_ps(black_box(0.0)); CHAINS];
    for _ in 0..DEPTH {
        for chain in &mut chains {
            *chain = _mm512_dpbf16_ps(*chain, pairs, pairs);
        }
    }
    black_box(chains);
    2 * 2 * LANES * DEPTH
}

per_isa! {
    /// Reads every element once.
    fn read_all<T>(data: &[f32]) -> f32 {
        let mut sums = [0.0f32; 64];
        for chunk in data.chunks_exact(64) {
            sums.iter_mut().zip(chunk).for_each(|(sum, &x)| *sum = T::fma(x, 1.0, *sum));
        }
        sums.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Isa;

    #[test]
    fn rates_are_those_of_a_processor() {
        let one = fma_gflops(1);
        assert!((0.1..10_000.0).contains(&one), "{one} GFLOP/s");
        assert!(bf16_gflops(1) > 0.1);
        let memory = memory_gb_s(1);
        assert!((0.1..10_000.0).contains(&memory), "{memory} GB/s");
    }

    #[test]
    fn every_isa_counts_its_operations() {
        for isa in Isa::available() {
            assert_eq!(fma_round(isa), 2 * LANES * DEPTH, "{isa:?}");
        }
    }
}
