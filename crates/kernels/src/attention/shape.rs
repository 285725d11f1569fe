//! What is attended to, and how: heads, mask, bias, dropout and the sequences of a batch.

use crate::gemm::Precision;
use std::ops::Range;

/// The rows of one sequence: queries `q` look at keys and values `kv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Rows of the query buffer.
    pub q: Range<usize>,
    /// Rows of the key and value buffers.
    pub kv: Range<usize>,
}

impl Span {
    /// A sequence that attends to itself.
    pub fn itself(rows: Range<usize>) -> Self {
        Self { q: rows.clone(), kv: rows }
    }
}

/// Which keys a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// All keys of its sequence.
    Full,
    /// The keys up to its own position. The last query stands at the last key, so query i stands at key
    /// i + (Tk − Tq): with a cache of earlier keys the new queries see all of them.
    Causal,
}

impl Mask {
    /// Pairs of a query and a key that it sees.
    pub fn pairs(self, span: &Span) -> usize {
        let (tq, tk) = (span.q.len(), span.kv.len());
        (0..tq).map(|i| self.visible(i, tq, tk)).sum()
    }

    /// The position among the keys at which query `i` stands.
    pub(super) fn position(self, i: usize, tq: usize, tk: usize) -> isize {
        match self {
            Mask::Full => i as isize,
            Mask::Causal => i as isize + tk as isize - tq as isize,
        }
    }

    /// How many keys, counted from the first, query `i` sees.
    pub(super) fn visible(self, i: usize, tq: usize, tk: usize) -> usize {
        match self {
            Mask::Full => tk,
            Mask::Causal => (i + 1 + tk).saturating_sub(tq),
        }
    }
}

/// A score added for the distance from query to key, one table row per head: T5's relative position bias, unrolled.
#[derive(Clone, Copy, Debug)]
pub struct Bias<'a, T = f32> {
    /// (heads, 2·max_distance + 1): column d + max_distance holds the score of a key that stands d after the query.
    pub table: &'a [T],
    /// Distances beyond ±max_distance use the outermost columns.
    pub max_distance: usize,
}

impl<T> Bias<'_, T> {
    /// Columns of the table.
    pub fn width(&self) -> usize {
        2 * self.max_distance + 1
    }

    /// The table column of a key `distance` after its query.
    pub fn column(&self, distance: isize) -> usize {
        let max = self.max_distance as isize;
        (distance.clamp(-max, max) + max) as usize
    }
}

/// Dropout on the probabilities, decided from counters: (seed, head, query row, key row) tells what is kept, so neither
/// the mask nor an order of drawing exists. Rows are counted in the packed buffers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// Picks the mask.
    pub seed: u64,
    /// The share of probabilities set to zero, in [0, 1); the others are divided by 1 − p.
    pub p: f32,
}

impl Dropout {
    /// What a kept probability is multiplied by: 1/(1 − p).
    pub fn scale(&self) -> f32 {
        1.0 / (1.0 - self.p)
    }

    /// A hash below this is a dropped probability.
    pub(super) fn threshold(&self) -> u32 {
        (f64::from(self.p) * 4_294_967_296.0) as u32
    }

    /// The key of one score row, from which [`hash`] makes a number for each key row.
    pub(super) fn row_key(&self, head: usize, q_row: usize) -> u32 {
        let counter = ((head as u64) << 40) ^ q_row as u64;
        let x = splitmix(self.seed ^ splitmix(counter));
        (x ^ (x >> 32)) as u32
    }

    /// Whether the probability of `head` between two rows survives.
    pub fn keep(&self, head: usize, q_row: usize, kv_row: usize) -> bool {
        hash(self.row_key(head, q_row), kv_row as u32) >= self.threshold()
    }
}

/// A 64-bit finaliser (Steele, Lea and Flood 2014, variant 13).
fn splitmix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// A uniform 32-bit number for one key row: a Weyl step and a finaliser of two multiplications, all 32 bits wide so that
/// sixteen are made at once. Its high bits are the good ones; nothing but a comparison should use it.
#[inline(always)]
pub(super) fn hash(row_key: u32, kv_row: u32) -> u32 {
    let x = kv_row.wrapping_mul(0x9E37_79B9).wrapping_add(row_key);
    let x = (x ^ (x >> 16)).wrapping_mul(0x21F0_AAAD);
    (x ^ (x >> 15)).wrapping_mul(0x735A_2D97)
}

/// Everything about an attention that is not a buffer.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a, T = f32> {
    /// Attention heads; keys and values have as many as queries.
    pub heads: usize,
    /// Columns of one head.
    pub head_dim: usize,
    /// Multiplies the scores: 1/√head_dim in the paper, 1 in T5.
    pub scale: T,
    /// Which keys a query sees.
    pub mask: Mask,
    /// Dropout on the probabilities, if any.
    pub dropout: Option<Dropout>,
    /// Scores by distance, if any.
    pub bias: Option<Bias<'a, T>>,
    /// How the products treat their operands.
    pub precision: Precision,
}

impl Shape<'_> {
    /// Full attention scaled by 1/√head_dim, without bias and dropout.
    pub fn new(heads: usize, head_dim: usize) -> Self {
        let scale = 1.0 / (head_dim as f32).sqrt();
        Self {
            heads,
            head_dim,
            scale,
            mask: Mask::Full,
            dropout: None,
            bias: None,
            precision: Precision::F32,
        }
    }
}

impl<T> Shape<'_, T> {
    /// Columns of all heads together.
    pub fn width(&self) -> usize {
        self.heads * self.head_dim
    }
}
