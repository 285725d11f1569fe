use crate::config::{Config, FeedForwardProj};

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
    /// The cost of a step over `sequences` texts of `inputs` tokens, with answers of `targets` tokens.
    pub fn cost(&self, sequences: u64, inputs: u64, targets: u64) -> Cost {
        let [width, attention, inner, vocab] =
            [self.d_model, self.inner_width(), self.d_ff, self.vocab_size].map(|n| n as u64);
        let (encoders, decoders) = (self.num_layers as u64, self.decoder_layers() as u64);
        let projection = width * attention;
        let feed_forward = match self.feed_forward() {
            FeedForwardProj::Dense(_) => 2 * width * inner,
            FeedForwardProj::Gated(_) => 3 * width * inner,
        };
        let (encoder, decoder) = (4 * projection + feed_forward, 8 * projection + feed_forward);
        let tables = if self.tie_word_embeddings { vocab } else { 2 * vocab };
        let scores = (self.relative_attention_num_buckets * self.num_heads) as u64;
        let norms = encoders * 2 + 1 + decoders * 3 + 1;

        // A row of the decoder has all but two of its layer's projections, keys and values of the text, which every
        // token of the text has.
        let encoded = encoders * encoder + decoders * 2 * projection;
        let products = inputs * encoded + targets * (decoders * (decoder - 2 * projection) + width * vocab);
        // Pairs of query and key; in the decoder a query sees (T + 1)/2 of its own on average.
        let pairs =
            encoders * 2 * inputs * inputs + decoders * (targets * (targets + 1) + 2 * targets * inputs);
        Cost {
            parameters: encoders * encoder + decoders * decoder + (tables + norms) * width + 2 * scores,
            forward_flops: 2 * sequences * (products + pairs * attention),
        }
    }
}
