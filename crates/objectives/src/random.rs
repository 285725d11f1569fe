//! Random numbers with the published sequences of Python's `random` module.

/// The Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), drawn from as Python's `random.Random` does.
///
/// BERT's published data pipeline is a function of Python's generator; with the same generator and the same order of
/// draws the same instances come out.
///
/// ```
/// use tercet_objectives::Random;
///
/// let mut random = Random::new(12345);
/// assert_eq!(random.uniform(), 0.41661987254534116); // random.Random(12345).random()
/// ```
#[derive(Clone)]
pub struct Random {
    state: [u32; N],
    /// How many words of the state have been given out.
    used: usize,
}

const N: usize = 624;
const M: usize = 397;

impl Random {
    /// Starts as `random.Random(seed)`.
    pub fn new(seed: u64) -> Self {
        let words = [seed as u32, (seed >> 32) as u32];
        let key = if words[1] == 0 { &words[..1] } else { &words[..] };
        Random { state: seeded_by(key), used: N }
    }

    /// A generator of its own for each place of a stream, so that what is drawn there does not depend on how one came
    /// there: seeded by the seed and the numbers of the place.
    pub fn at(seed: u64, place: &[u64]) -> Self {
        let halves = |number: u64| [number as u32, (number >> 32) as u32];
        let key: Vec<u32> = [seed].iter().chain(place).flat_map(|&number| halves(number)).collect();
        Random { state: seeded_by(&key), used: N }
    }

    /// A number in [0, 1) with 53 random bits: `random()`.
    pub fn uniform(&mut self) -> f64 {
        let high = f64::from(self.word() >> 5); // 27 bits
        let low = f64::from(self.word() >> 6); // 26 bits
        (high * f64::from(1u32 << 26) + low) / (1u64 << 53) as f64
    }

    /// A number in `0..n`: `randrange(n)`.
    ///
    /// # Panics
    /// `n` is 0.
    #[inline]
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "no number below 0");
        let bits = usize::BITS - n.leading_zeros();
        loop {
            let drawn = self.bits(bits) as usize;
            if drawn < n {
                return drawn;
            }
        }
    }

    /// A number in `low..=high`: `randint(low, high)`.
    ///
    /// # Panics
    /// `high` is below `low`.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        assert!(low <= high, "no number from {low} to {high}");
        low + self.below(high - low + 1)
    }

    /// Puts the items into a random order: `shuffle(items)`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// As many random bits, 1 to 64: `getrandbits(bits)`.
    #[inline]
    fn bits(&mut self, bits: u32) -> u64 {
        if bits <= 32 {
            return u64::from(self.word() >> (32 - bits));
        }
        let low = u64::from(self.word());
        low | u64::from(self.word() >> (64 - bits)) << 32
    }

    /// 32 random bits.
    #[inline]
    fn word(&mut self) -> u32 {
        if self.used == N {
            self.twist();
        }
        let y = self.state[self.used];
        self.used += 1;
        let y = y ^ (y >> 11);
        let y = y ^ ((y << 7) & 0x9D2C_5680);
        let y = y ^ ((y << 15) & 0xEFC6_0000);
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        let mut renew = |i: usize, next: usize, other: usize| {
            let y = (self.state[i] & 0x8000_0000) | (self.state[next] & 0x7FFF_FFFF);
            let matrix = if y & 1 == 1 { 0x9908_B0DF } else { 0 };
            self.state[i] = self.state[other] ^ (y >> 1) ^ matrix;
        };
        (0..N - M).for_each(|i| renew(i, i + 1, i + M));
        (N - M..N - 1).for_each(|i| renew(i, i + 1, i + M - N));
        renew(N - 1, 0, M - 1);
        self.used = 0;
    }
}

/// The state after the authors' `init_by_array`.
fn seeded_by(key: &[u32]) -> [u32; N] {
    let mut state = [19_650_218u32; N];
    for i in 1..N {
        let previous = state[i - 1] ^ (state[i - 1] >> 30);
        state[i] = previous.wrapping_mul(1_812_433_253).wrapping_add(i as u32);
    }
    let mut i = 1;
    let next = |state: &mut [u32; N], i: usize| {
        if i + 1 < N {
            return i + 1;
        }
        state[0] = state[N - 1];
        1
    };
    for step in 0..N.max(key.len()) {
        let j = step % key.len();
        let previous = state[i - 1] ^ (state[i - 1] >> 30);
        state[i] = (state[i] ^ previous.wrapping_mul(1_664_525)).wrapping_add(key[j]).wrapping_add(j as u32);
        i = next(&mut state, i);
    }
    for _ in 1..N {
        let previous = state[i - 1] ^ (state[i - 1] >> 30);
        state[i] = (state[i] ^ previous.wrapping_mul(1_566_083_941)).wrapping_sub(i as u32);
        i = next(&mut state, i);
    }
    state[0] = 0x8000_0000;
    state
}
