use tercet_attention::{Mask, Sequences};
use tercet_nn::{Dropout, RmsNorm};
use tercet_tensor::{Scope, Tensor};

use crate::config::Config;
use crate::init::Inits;
use crate::layers::{CrossAttention, FeedForward, KeysValues, Probabilities, SelfAttention, norm};
use crate::relative_bias::{Direction, RelativeBias};

/// A stack that sees what it has written so far, and all of the text that it reads.
#[derive(Clone)]
pub(crate) struct Decoder {
    relative_bias: RelativeBias,
    drop: Dropout,
    block: Vec<DecoderBlock>,
    final_layer_norm: RmsNorm,
}

/// Where the decoder's rows stand: the same for all of its layers.
struct Place<'a> {
    sequences: &'a Sequences,
    /// Their position scores.
    bias: Tensor,
    /// The same sequences, as they lie to what they read.
    reading: Sequences,
}

impl Decoder {
    pub fn new(scope: &Scope, config: &Config, inits: &Inits) -> Self {
        let blocks = scope.at("block");
        let first = blocks.at(0).at("layer").at(0).at("SelfAttention");
        let block = |i| DecoderBlock::new(&blocks.at(i).at("layer"), config, inits, i);
        Self {
            relative_bias: RelativeBias::new(&first, config, inits, Direction::Past),
            drop: Dropout::new(config.dropout_rate),
            block: (0..config.decoder_layers()).map(block).collect(),
            final_layer_norm: norm(&scope.at("final_layer_norm"), config),
        }
    }

    /// What this decoder reads of the encoder's states (N, C), each sequence its own.
    pub fn memory(&self, encoded: &Tensor, sequences: &Sequences) -> Memory {
        Memory {
            layers: self.block.iter().map(|block| block.cross_attention.keys_values(encoded)).collect(),
            sequences: sequences.clone(),
            readers: (0..sequences.len()).collect(),
        }
    }

    /// The hidden state of every row, (M, C), from its embedding.
    pub fn forward(&self, x: &Tensor, sequences: &Sequences, memory: &Memory) -> Tensor {
        self.run(x, sequences, memory, |_, _, _, _| ())
    }

    /// What goes into each block, and the hidden states: num_decoder_layers + 1 tensors (M, C).
    pub fn hidden_states(&self, x: &Tensor, sequences: &Sequences, memory: &Memory) -> Vec<Tensor> {
        let mut states = Vec::new();
        let last = self.run(x, sequences, memory, |_, x, _, _| states.push(x.clone()));
        states.push(last);
        states
    }

    /// The probabilities of each block's self-attention and cross-attention: for each sequence (heads, Tq, Tk).
    pub fn attentions(
        &self,
        x: &Tensor,
        sequences: &Sequences,
        memory: &Memory,
    ) -> (Vec<Probabilities>, Vec<Probabilities>) {
        let mut found = Vec::new();
        self.run(x, sequences, memory, |block, x, at, read| found.push(block.probabilities(x, at, read)));
        found.into_iter().unzip()
    }

    /// [`Decoder::forward`], which shows each block with what goes into it.
    fn run(
        &self,
        x: &Tensor,
        sequences: &Sequences,
        memory: &Memory,
        mut show: impl FnMut(&DecoderBlock, &Tensor, &Place<'_>, &KeysValues),
    ) -> Tensor {
        let bias = self.relative_bias.forward(x.tape()); // (heads, 2·max_distance + 1)
        let reading = sequences.reading(&memory.sequences, &memory.readers);
        let place = Place { sequences, bias, reading };
        let mut x = self.drop.forward(x);
        for (block, read) in self.block.iter().zip(&memory.layers) {
            show(block, &x, &place, read);
            x = block.forward(&x, &place, read);
        }
        self.drop.forward(&self.final_layer_norm.forward(&x))
    }
}

/// One layer of the decoder: itself, the text, each position alone.
#[derive(Clone)]
struct DecoderBlock {
    attention_norm: RmsNorm,
    attention: SelfAttention,
    cross_attention_norm: RmsNorm,
    cross_attention: CrossAttention,
    feed_forward_norm: RmsNorm,
    feed_forward: FeedForward,
}

impl DecoderBlock {
    fn new(layers: &Scope, config: &Config, inits: &Inits, i: usize) -> Self {
        let (attention, cross) = (layers.at(0).at("SelfAttention"), layers.at(1).at("EncDecAttention"));
        Self {
            attention_norm: norm(&layers.at(0).at("layer_norm"), config),
            attention: SelfAttention::new(&attention, config, inits, i, Mask::Causal),
            cross_attention_norm: norm(&layers.at(1).at("layer_norm"), config),
            cross_attention: CrossAttention::new(&cross, config, inits),
            feed_forward_norm: norm(&layers.at(2).at("layer_norm"), config),
            feed_forward: FeedForward::new(&layers.at(2).at("DenseReluDense"), config, inits),
        }
    }

    fn forward(&self, x: &Tensor, at: &Place<'_>, read: &KeysValues) -> Tensor {
        let x = x + self.attention.forward(&self.attention_norm.forward(x), at.sequences, &at.bias);
        let x = &x + self.cross_attention.forward(&self.cross_attention_norm.forward(&x), read, &at.reading);
        &x + self.feed_forward.forward(&self.feed_forward_norm.forward(&x))
    }

    fn probabilities(&self, x: &Tensor, at: &Place<'_>, read: &KeysValues) -> (Probabilities, Probabilities) {
        let normed = self.attention_norm.forward(x);
        let itself = self.attention.probabilities(&normed, at.sequences, &at.bias);
        let x = x + self.attention.forward(&normed, at.sequences, &at.bias);
        let normed = self.cross_attention_norm.forward(&x);
        (itself, self.cross_attention.probabilities(&normed, read, &at.reading))
    }
}

/// What the decoder reads of encoded texts: keys and values of each of its layers, computed once, and which text each
/// of its sequences reads.
#[derive(Clone)]
pub struct Memory {
    layers: Vec<KeysValues>,
    sequences: Sequences,
    readers: Vec<usize>,
}

impl Memory {
    /// Makes the decoder's sequence i read what its former sequence `parents[i]` read. Nothing is copied.
    ///
    /// # Panics
    /// When `parents` names a sequence that is not there.
    pub fn reorder(&mut self, parents: &[usize]) {
        self.readers = parents.iter().map(|&parent| self.readers[parent]).collect();
    }
}
