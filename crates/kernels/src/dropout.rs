//! Dropout from a counter-based generator: element `i` is kept or not by a hash of `(seed, i)`, so nothing is stored
//! for the backward and the order of evaluation does not matter.

use crate::elementwise::{CHUNK, assert_same_len};
use crate::{Out, cpu, elementwise, per_isa};
use rayon::prelude::*;

/// `y = x·kept/(1 − p)`; the same call on `dy` is its own backward. With `p = 0` a copy.
///
/// # Panics
/// If the lengths differ or `p` is not in `[0, 1)`.
pub fn dropout(seed: u64, p: f32, x: &[f32], y: Out) {
    assert_same_len(&[x.len(), y.data.len()]);
    let (threshold, scale) = (threshold(p), 1.0 / (1.0 - p));
    if threshold == 0 {
        return elementwise::copy(x, y);
    }
    let (isa, accum) = (cpu::isa(), y.accum);
    y.data.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).enumerate().for_each(|(c, (data, x))| {
        let key = Key::new(seed, c * CHUNK);
        dropout_chunk(isa, key, (c * CHUNK) as u32, threshold, scale, x, Out { data, accum });
    });
}

/// `y = residual + x·kept/(1 − p)`, the end of a residual branch in one pass over memory. The gradient of `x` is
/// [`dropout`] of `dy` with the same seed.
///
/// # Panics
/// If the lengths differ or `p` is not in `[0, 1)`.
pub fn dropout_add(seed: u64, p: f32, x: &[f32], residual: &[f32], y: &mut [f32]) {
    assert_same_len(&[x.len(), residual.len(), y.len()]);
    let (threshold, scale) = (threshold(p), 1.0 / (1.0 - p));
    let isa = cpu::isa();
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).zip(residual.par_chunks(CHUNK)).enumerate().for_each(
        |(c, ((y, x), residual))| {
            let key = Key::new(seed, c * CHUNK);
            dropout_add_chunk(isa, key, (c * CHUNK) as u32, threshold, scale, x, residual, y);
        },
    );
}

per_isa! {
    /// The elements from index `start` on; a chunk never crosses a multiple of 2³², so that one key serves it.
    fn dropout_chunk<T>(key: Key, start: u32, threshold: u32, scale: f32, x: &[f32], y: Out) {
        let kept = x.iter().enumerate().map(|(i, x)| {
            if hash(key, start.wrapping_add(i as u32)) >= threshold { x * scale } else { 0.0 }
        });
        y.accum.store_all(y.data, kept);
    }
}

per_isa! {
    fn dropout_add_chunk<T>(
        key: Key, start: u32, threshold: u32, scale: f32, x: &[f32], residual: &[f32], y: &mut [f32],
    ) {
        for (i, ((y, x), residual)) in y.iter_mut().zip(x).zip(residual).enumerate() {
            let kept = hash(key, start.wrapping_add(i as u32)) >= threshold;
            *y = residual + if kept { x * scale } else { 0.0 };
        }
    }
}

/// Whether [`dropout`] keeps element `i`: true with probability `1 − p`.
///
/// # Panics
/// If `p` is not in `[0, 1)`.
pub fn keep(seed: u64, p: f32, i: usize) -> bool {
    hash(Key::new(seed, i), i as u32) >= threshold(p)
}

/// The share `p` of all 32-bit numbers.
fn threshold(p: f32) -> u32 {
    assert!((0.0..1.0).contains(&p), "dropout probability {p} is not in [0, 1)");
    (f64::from(p) * 2f64.powi(32)) as u32
}

/// What the hash takes of the seed, and of the part of the index that 32 bits do not hold.
#[derive(Clone, Copy)]
struct Key {
    first: u32,
    second: u32,
}

impl Key {
    fn new(seed: u64, i: usize) -> Self {
        let high = (i as u64) >> 32;
        let mixed = mix64(mix64(seed).wrapping_add(high));
        Self { first: mixed as u32, second: (mixed >> 32) as u32 }
    }
}

/// The output function of SplitMix64 (Steele, Lea & Flood 2014), a bijection.
fn mix64(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Two keyed multiply-xorshift rounds: 32-bit integer operations only, so that they vectorise.
#[inline(always)]
fn hash(key: Key, i: u32) -> u32 {
    let x = i.wrapping_add(key.first);
    let x = (x ^ (x >> 16)).wrapping_mul(0x21f0_aaad);
    let x = (x ^ (x >> 15)).wrapping_mul(0xd35a_2d97);
    let x = (x ^ (x >> 15)) ^ key.second;
    let x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    let x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Isa;

    /// Whether a count of successes in `n` trials of chance `p` is within 5 standard deviations.
    fn plausible(count: usize, n: usize, p: f64) -> bool {
        let n = n as f64;
        (count as f64 - n * p).abs() < 5.0 * (n * p * (1.0 - p)).sqrt()
    }

    #[test]
    fn the_kernel_agrees_with_keep_on_every_instruction_set() {
        let (seed, p, len) = (7, 0.1, 1003);
        let x: Vec<f32> = (0..len).map(|i| i as f32 - 300.5).collect();
        for isa in Isa::available() {
            // A start in the last chunk below 2³², whose key is that of index 0.
            for start in [0, u32::MAX - 2000] {
                let key = Key::new(seed, start as usize);
                let mut y = vec![1.0; len];
                dropout_chunk(isa, key, start, threshold(p), 1.25, &x, Out::add(&mut y));
                let mut z = vec![f32::NAN; len];
                dropout_add_chunk(isa, key, start, threshold(p), 1.25, &x, &vec![1.0; len], &mut z);
                for i in 0..len {
                    let kept = if keep(seed, p, start as usize + i) { 1.0 } else { 0.0 };
                    assert_eq!((y[i], z[i]), (1.0 + kept * 1.25 * x[i], y[i]), "{isa:?}, element {i}");
                }
            }
        }
    }

    #[test]
    fn long_slices_continue_one_stream() {
        let x = vec![1.0; 2 * CHUNK + 77];
        let mut y = vec![0.0; x.len()];
        dropout(3, 0.5, &x, Out::set(&mut y));
        for (i, y) in y.iter().enumerate() {
            assert_eq!(*y, if keep(3, 0.5, i) { 2.0 } else { 0.0 }, "element {i}");
        }
    }

    #[test]
    fn probability_zero_is_the_identity() {
        let x = [1.5, -0.0, f32::MIN_POSITIVE];
        let mut y = [9.0; 3];
        dropout(1, 0.0, &x, Out::set(&mut y));
        assert_eq!(y.map(f32::to_bits), x.map(f32::to_bits));
    }

    #[test]
    fn the_share_kept_is_binomial() {
        let n = 1 << 18;
        for p in [0.01, 0.1, 0.5, 0.9] {
            for seed in [0, 1, 2, 12345, u64::MAX] {
                let kept = (0..n).filter(|&i| keep(seed, p, i)).count();
                assert!(plausible(kept, n, 1.0 - f64::from(p)), "p {p}, seed {seed}: {kept} of {n}");
            }
        }
    }

    #[test]
    fn every_bit_of_the_hash_is_fair() {
        let n = 1 << 16;
        for seed in 0..8 {
            let key = Key::new(seed, 0);
            for bit in 0..32 {
                let ones = (0..n).filter(|&i| hash(key, i) >> bit & 1 == 1).count();
                assert!(plausible(ones, n as usize, 0.5), "seed {seed}, bit {bit}: {ones} of {n}");
            }
        }
    }

    /// Both kept: at two places of one stream, or at one place of two streams.
    #[test]
    fn places_and_seeds_are_independent() {
        let (n, p) = (1 << 16, 0.5);
        for lag in [1, 2, 3, 4, 7, 8, 16, 31, 64, 128, 256, 768, 1024, 4096, 50257] {
            let both = (0..n).filter(|&i| keep(5, p, i) && keep(5, p, i + lag)).count();
            assert!(plausible(both, n, 0.25), "lag {lag}: {both} of {n}");
        }
        for seed in 0..32 {
            for (other, shift) in
                [(seed + 1, 0), (seed + 1, 1), (seed + (1 << 32), 0), (!seed, 0), (seed ^ 64, 3)]
            {
                let both = (0..n).filter(|&i| keep(seed, p, i) && keep(other, p, i + shift)).count();
                assert!(plausible(both, n, 0.25), "seeds {seed} and {other}: {both} of {n}");
            }
        }
    }

    /// χ² over 256 classes of the top byte, mean 255 and deviation √510.
    #[test]
    fn the_hash_is_uniform() {
        for seed in 0..16 {
            let key = Key::new(seed, 0);
            let mut counts = [0.0; 256];
            (0..1 << 16).for_each(|i| counts[(hash(key, i) >> 24) as usize] += 1.0);
            let chi_squared: f64 = counts.iter().map(|n| (n - 256.0f64).powi(2) / 256.0).sum();
            assert!((chi_squared - 255.0).abs() < 5.0 * 510f64.sqrt(), "seed {seed}: {chi_squared}");
        }
    }

    #[test]
    #[should_panic(expected = "dropout probability 1 is not in [0, 1)")]
    fn certain_dropout_is_refused() {
        dropout(0, 1.0, &[], Out::set(&mut []));
    }
}
