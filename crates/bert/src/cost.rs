use crate::config::Config;

/// What one pretraining step costs, by counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Parameters of `BertForPreTraining`, tied ones once.
    pub parameters: u64,
    /// Operations of the matrix products in one forward pass; a multiplication and an addition are two. Training is
    /// three times as many.
    pub forward_flops: u64,
}

impl Config {
    /// The cost of a step over `sequences` sequences of `length` tokens, of which `masked` in each are predicted.
    pub fn cost(&self, sequences: u64, length: u64, masked: u64) -> Cost {
        let [width, inner, vocab] =
            [self.hidden_size, self.intermediate_size, self.vocab_size].map(|n| n as u64);
        let (layers, tokens) = (self.num_hidden_layers as u64, sequences * length);
        let products = 4 * width * width + 2 * width * inner;
        // Every query sees every key of its sequence, once for the scores and once for the values.
        let pairs = 2 * length * width;
        let layer = products + 9 * width + inner;
        let positions = (self.max_position_embeddings + self.type_vocab_size) as u64;
        let embeddings = (vocab + positions + 2) * width;
        let (pooler, next_sentence) = (width * width + width, 2 * width + 2);
        let output = if self.tie_word_embeddings { 0 } else { vocab * width };
        let masked_lm = width * width + 3 * width + vocab + output;
        let heads =
            sequences * (width * width + 2 * width) + sequences * masked * (width * width + width * vocab);
        Cost {
            parameters: layers * layer + embeddings + pooler + next_sentence + masked_lm,
            forward_flops: 2 * (layers * tokens * (products + pairs) + heads),
        }
    }
}

#[cfg(test)]
mod tests {
    use tercet_tensor::Params;

    use crate::{BertForPreTraining, Config, Preset};

    #[test]
    fn parameters_are_those_of_the_model() {
        for tie_word_embeddings in [true, false] {
            let config = Config { vocab_size: 99, tie_word_embeddings, ..Preset::TINY.config() };
            let params = Params::new();
            BertForPreTraining::new(&params, &config);
            assert_eq!(config.cost(1, 1, 1).parameters, params.len() as u64);
        }
    }

    #[test]
    fn a_layer_of_one_sequence_counts_as_by_hand() {
        let flops = |layers: usize| {
            let config = Config { num_hidden_layers: layers, ..Preset::TINY.config() };
            config.cost(1, 10, 2).forward_flops
        };
        // 10 tokens through 4·128² + 2·128·512 weights, and 10·10 pairs of 128 numbers, twice; two operations each.
        assert_eq!(flops(3) - flops(2), 2 * (10 * (4 * 16384 + 2 * 65536) + 2 * 100 * 128));
    }
}
