//! Dropout from a counter-based generator: element `i` is kept or not by a hash of `(seed, i)`, so nothing is stored
//! for the backward and the order of evaluation does not matter.

use crate::Out;
use crate::elementwise::assert_same_len;

/// `y = x·kept/(1 − p)`; the same call on `dy` is its own backward.
///
/// # Panics
/// If the lengths differ or `p` is not in `[0, 1)`.
pub fn dropout(seed: u64, p: f32, x: &[f32], y: Out) {
    assert_same_len(&[x.len(), y.data.len()]);
    let scale = 1.0 / (1.0 - p);
    for (i, (slot, x)) in y.data.iter_mut().zip(x).enumerate() {
        y.accum.store(slot, if keep(seed, p, i) { x * scale } else { 0.0 });
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
