use crate::config::Config;

/// What one optimiser step costs, by counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Parameters, tied ones once.
    pub parameters: u64,
    /// Operations of the matrix products in one forward pass; a multiplication and an addition are two. Training is
    /// three times as many.
    pub forward_flops: u64,
}

impl Config {
    /// The cost of a step over `sequences` sequences of `length` tokens, each but the last of a sequence with a target.
    pub fn cost(&self, sequences: u64, length: u64) -> Cost {
        let [width, inner, vocab] = [self.n_embd, self.inner_width(), self.vocab_size].map(|n| n as u64);
        let (layers, tokens) = (self.n_layer as u64, sequences * length);
        let products = 2 * tokens * (4 * width * width + 2 * width * inner);
        // A query sees (T + 1)/2 keys on average, once for the scores and once for the values.
        let attention = 2 * sequences * length * (length + 1) * width;
        let block = 4 * width * width + 2 * width * inner + 9 * width + inner;
        let tables = if self.tie_word_embeddings { vocab } else { 2 * vocab };
        let embeddings = (tables + self.n_positions as u64) * width;
        Cost {
            parameters: layers * block + embeddings + 2 * width,
            forward_flops: layers * (products + attention) + 2 * tokens * width * vocab,
        }
    }
}
