//! Who decides, and what it cost: the same telling code runs over a [`Sampler`], which draws, and over a
//! replay, which follows a given text.

use std::convert::Infallible;

/// Decides every open question of a story and hears its text as it is told.
///
/// The telling code asks and speaks through this trait alone, so the distribution that is sampled and the
/// distribution that is scored are one program.
pub(super) trait Chooser {
    /// Why the telling may stop early: a text that contradicts the story. Sampling never stops.
    type Stop;

    /// Picks an index with probability `weights[i] / Σ weights`; a weight of 0 is never picked.
    fn choose(&mut self, weights: &[u32]) -> Result<usize, Self::Stop>;

    /// Hears the next piece of text.
    fn say(&mut self, text: &str) -> Result<(), Self::Stop>;

    /// Hears that a sentence (or the title) has just ended.
    fn sentence_ends(&mut self);
}

/// Information as it grows: −ln p of each choice, added up.
///
/// The probabilities are multiplied and the logarithm taken once a sentence, which is as exact and much faster
/// than a logarithm a choice: a sentence has far fewer choices than would underflow.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    nats: f64,
    probability: f64,
    /// (byte offset, nats of the choices made so far) at each sentence's end.
    pub(super) marks: Vec<(usize, f64)>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self { nats: 0.0, probability: 1.0, marks: Vec::with_capacity(32) }
    }

    pub(super) fn clear(&mut self) {
        (self.nats, self.probability) = (0.0, 1.0);
        self.marks.clear();
    }

    /// Adds a choice of probability weight/total.
    pub(super) fn pay(&mut self, weight: u32, total: u32) {
        self.probability *= f64::from(weight) / f64::from(total);
        if self.probability < 1e-200 {
            self.settle();
        }
    }

    /// Notes how much has been added up where a sentence ends.
    pub(super) fn mark(&mut self, offset: usize) {
        self.settle();
        self.marks.push((offset, self.nats));
    }

    /// The nats of all choices so far.
    pub(super) fn settle(&mut self) -> f64 {
        self.nats -= self.probability.ln();
        self.probability = 1.0;
        self.nats
    }
}

/// Draws a story at random and writes it down.
pub(super) struct Sampler {
    random: SplitMix64,
    pub(super) text: String,
    pub(super) ledger: Ledger,
}

impl Sampler {
    pub(super) fn new(seed: u64, index: u64) -> Self {
        Self { random: SplitMix64::of(seed, index), text: String::with_capacity(1536), ledger: Ledger::new() }
    }
}

impl Chooser for Sampler {
    type Stop = Infallible;

    fn choose(&mut self, weights: &[u32]) -> Result<usize, Infallible> {
        let total: u32 = weights.iter().sum();
        assert!(total > 0, "a choice among nothing: {weights:?}");
        let mut left = self.random.below(total);
        for (i, &weight) in weights.iter().enumerate() {
            if left < weight {
                self.ledger.pay(weight, total);
                return Ok(i);
            }
            left -= weight;
        }
        unreachable!("the draw is below the sum of the weights")
    }

    fn say(&mut self, text: &str) -> Result<(), Infallible> {
        self.text.push_str(text);
        Ok(())
    }

    fn sentence_ends(&mut self) {
        self.ledger.mark(self.text.len());
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): a counter and a mixing function, so that each story has its own stream.
pub(super) struct SplitMix64(u64);

impl SplitMix64 {
    pub(super) fn of(seed: u64, index: u64) -> Self {
        Self(mix(mix(seed.wrapping_add(GAMMA)) ^ index.wrapping_mul(GAMMA)))
    }

    /// Uniform below `bound`; the multiplication leaves a bias under bound·2⁻⁶⁴.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(GAMMA);
        ((u128::from(mix(self.0)) * u128::from(bound)) >> 64) as u32
    }
}

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
