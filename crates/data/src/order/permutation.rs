/// A shuffled order of 0..n that is computed, not stored.
///
/// A Feistel network permutes the smallest power of four that holds n; whatever falls outside 0..n is sent through again
/// until it falls inside (cycle walking: Black and Rogaway 2002, section 3), fewer than four times on average.
///
/// ```
/// let order = tercet_data::Permutation::new(5, 42, 0);
/// let mut all: Vec<u64> = (0..5).map(|place| order.at(place)).collect();
/// all.sort_unstable();
/// assert_eq!(all, [0, 1, 2, 3, 4]);
/// ```
#[derive(Clone, Debug)]
pub struct Permutation {
    n: u64,
    half_bits: u32,
    keys: [u64; ROUNDS],
}

const ROUNDS: usize = 6;

impl Permutation {
    /// The order of `n` elements in an epoch.
    pub fn new(n: u64, seed: u64, epoch: u64) -> Self {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        let key = mix(mix(seed) ^ epoch);
        Self {
            n,
            half_bits: bits.div_ceil(2).max(1),
            keys: std::array::from_fn(|round| mix(key.wrapping_add(round as u64))),
        }
    }

    /// The element at place `index`, which is below n.
    pub fn at(&self, index: u64) -> u64 {
        debug_assert!(index < self.n);
        let mut x = self.network(index);
        while x >= self.n {
            x = self.network(x);
        }
        x
    }

    fn network(&self, x: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (left, right) = self.keys.iter().fold((x >> self.half_bits, x & mask), |(left, right), key| {
            (right, left ^ (mix(right ^ key) & mask))
        });
        left << self.half_bits | right
    }
}

/// A bijection of 64 bits in which every bit of the result depends on every bit of `x` (SplitMix64: Steele, Lea and
/// Flood 2014).
pub(super) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_element_comes_once(n in 1u64..3000, seed: u64, epoch in 0u64..9) {
            let permutation = Permutation::new(n, seed, epoch);
            let mut seen = vec![false; n as usize];
            for index in 0..n {
                prop_assert!(!std::mem::replace(&mut seen[permutation.at(index) as usize], true));
            }
        }

        #[test]
        fn the_largest_domains_stay_inside(n in u64::MAX - 9.., index: u64, seed: u64) {
            prop_assert!(Permutation::new(n, seed, 0).at(index.min(n - 1)) < n);
        }
    }

    /// Over many seeds each element comes to each place equally often: χ² of 8·8 cells, 49 degrees of freedom.
    #[test]
    fn every_place_is_equally_likely() {
        const SEEDS: u64 = 8000;
        for n in [8, 6] {
            let mut counts = vec![0.0; (n * n) as usize];
            for seed in 0..SEEDS {
                let permutation = Permutation::new(n, seed, 3);
                for index in 0..n {
                    counts[(index * n + permutation.at(index)) as usize] += 1.0;
                }
            }
            let expected = SEEDS as f64 / n as f64;
            let chi2: f64 = counts.iter().map(|count: &f64| (count - expected).powi(2) / expected).sum();
            assert!(chi2 < 90.0, "χ² = {chi2} for {n}");
        }
    }

    #[test]
    fn seeds_and_epochs_give_other_orders() {
        let order = |seed, epoch| -> Vec<u64> {
            let permutation = Permutation::new(100, seed, epoch);
            (0..100).map(|i| permutation.at(i)).collect()
        };
        assert_eq!(order(1, 0), order(1, 0));
        assert_ne!(order(1, 0), order(2, 0));
        assert_ne!(order(1, 0), order(1, 1));
        assert_ne!(order(1, 0), (0..100).collect::<Vec<_>>());
    }
}
