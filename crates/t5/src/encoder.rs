use tercet_attention::{Mask, Sequences};
use tercet_nn::{Dropout, RmsNorm};
use tercet_tensor::{Scope, Tensor};

use crate::config::Config;
use crate::init::Inits;
use crate::layers::{FeedForward, Probabilities, SelfAttention, norm};
use crate::relative_bias::{Direction, RelativeBias};

/// A stack that sees each text whole.
#[derive(Clone)]
pub(crate) struct Encoder {
    relative_bias: RelativeBias,
    drop: Dropout,
    block: Vec<EncoderBlock>,
    final_layer_norm: RmsNorm,
}

impl Encoder {
    pub fn new(scope: &Scope, config: &Config, inits: &Inits) -> Self {
        let blocks = scope.at("block");
        // Block 0 holds the scores of all blocks.
        let first = blocks.at(0).at("layer").at(0).at("SelfAttention");
        let block = |i| EncoderBlock::new(&blocks.at(i).at("layer"), config, inits, i);
        Self {
            relative_bias: RelativeBias::new(&first, config, inits, Direction::Both),
            drop: Dropout::new(config.dropout_rate),
            block: (0..config.num_layers).map(block).collect(),
            final_layer_norm: norm(&scope.at("final_layer_norm"), config),
        }
    }

    /// The hidden state of every token, (N, C), from its embedding.
    pub fn forward(&self, x: &Tensor, sequences: &Sequences) -> Tensor {
        self.run(x, sequences, |_, _, _| ())
    }

    /// What goes into each block, and the hidden states: num_layers + 1 tensors (N, C).
    pub fn hidden_states(&self, x: &Tensor, sequences: &Sequences) -> Vec<Tensor> {
        let mut states = Vec::new();
        let last = self.run(x, sequences, |_, x, _| states.push(x.clone()));
        states.push(last);
        states
    }

    /// The probabilities of each block: for each sequence (heads, T, T).
    pub fn attentions(&self, x: &Tensor, sequences: &Sequences) -> Vec<Probabilities> {
        let mut found = Vec::new();
        self.run(x, sequences, |block, x, bias| found.push(block.probabilities(x, sequences, bias)));
        found
    }

    /// [`Encoder::forward`], which shows each block with what goes into it and the position scores.
    fn run(
        &self,
        x: &Tensor,
        sequences: &Sequences,
        mut show: impl FnMut(&EncoderBlock, &Tensor, &Tensor),
    ) -> Tensor {
        let bias = self.relative_bias.forward(x.tape()); // (heads, 2·max_distance + 1)
        let mut x = self.drop.forward(x);
        for block in &self.block {
            show(block, &x, &bias);
            x = block.forward(&x, sequences, &bias);
        }
        self.drop.forward(&self.final_layer_norm.forward(&x))
    }
}

/// One layer of the encoder. The norms stand inside the residual branches (pre-norm), so the stream `x` itself is never
/// normalised.
#[derive(Clone)]
struct EncoderBlock {
    attention_norm: RmsNorm,
    attention: SelfAttention,
    feed_forward_norm: RmsNorm,
    feed_forward: FeedForward,
}

impl EncoderBlock {
    fn new(layers: &Scope, config: &Config, inits: &Inits, i: usize) -> Self {
        let attention = layers.at(0).at("SelfAttention");
        Self {
            attention_norm: norm(&layers.at(0).at("layer_norm"), config),
            attention: SelfAttention::new(&attention, config, inits, i, Mask::Full),
            feed_forward_norm: norm(&layers.at(1).at("layer_norm"), config),
            feed_forward: FeedForward::new(&layers.at(1).at("DenseReluDense"), config, inits),
        }
    }

    fn forward(&self, x: &Tensor, sequences: &Sequences, bias: &Tensor) -> Tensor {
        let x = x + self.attention.forward(&self.attention_norm.forward(x), sequences, bias);
        &x + self.feed_forward.forward(&self.feed_forward_norm.forward(&x))
    }

    fn probabilities(&self, x: &Tensor, sequences: &Sequences, bias: &Tensor) -> Probabilities {
        self.attention.probabilities(&self.attention_norm.forward(x), sequences, bias)
    }
}
