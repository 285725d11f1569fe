use tercet_attention::{Batch, Mask, Sequences};
use tercet_nn::{Dropout, Embedding, RmsNorm};
use tercet_tensor::{Scope, Tape, Tensor};

use crate::batch::T5Batch;
use crate::config::Config;
use crate::init::{InitPreset, Inits};
use crate::layers::{CrossAttention, FeedForward, KeysValues, SelfAttention};
use crate::relative_bias::{Direction, RelativeBias};

/// The T5 encoder-decoder (Raffel et al. 2020): from two sides of token ids to the decoder's hidden states.
///
/// Letters of the shapes: N tokens of all texts together, M rows of the decoder, C = `d_model`, F = `d_ff`.
#[derive(Clone)]
pub struct T5 {
    shared: Embedding,
    encoder: Encoder,
    decoder: Decoder,
}

impl T5 {
    /// The model whose parameters are those of `scope`: `shared`, `encoder.…`, `decoder.…`.
    ///
    /// # Panics
    /// When the configuration is not valid.
    pub fn new(scope: &Scope, config: &Config, init: InitPreset) -> Self {
        config.validate().expect("a valid configuration");
        let inits = Inits::new(config, init);
        Self {
            shared: Embedding::new(&scope.at("shared"), config.vocab_size, config.d_model, inits.embedding()),
            encoder: Encoder::new(&scope.at("encoder"), config, &inits),
            decoder: Decoder::new(&scope.at("decoder"), config, &inits),
        }
    }

    /// The decoder's hidden state of every row, after its final norm: (M, C).
    ///
    /// # Panics
    /// When an id is not in the vocabulary.
    pub fn forward(&self, tape: &Tape, batch: &T5Batch) -> Tensor {
        self.decode(tape, &batch.decoder_inputs, &self.read(tape, &batch.inputs))
    }

    /// The encoder's hidden state of every token, (N, C).
    ///
    /// # Panics
    /// When an id is not in the vocabulary.
    pub fn encode(&self, tape: &Tape, inputs: &Batch) -> Tensor {
        self.encoder.forward(&self.shared.forward(tape, &inputs.ids), &inputs.sequences)
    }

    /// Encodes texts and keeps of them what the decoder reads.
    ///
    /// # Panics
    /// When an id is not in the vocabulary.
    pub fn read(&self, tape: &Tape, inputs: &Batch) -> Memory {
        let encoded = self.encode(tape, inputs);
        let layers = self.decoder.block.iter().map(|b| b.cross_attention.keys_values(&encoded)).collect();
        Memory { layers, sequences: inputs.sequences.clone(), readers: (0..inputs.sequences.len()).collect() }
    }

    /// The decoder's hidden state of every row of `decoder_inputs`, of which sequence i reads what `memory` has for
    /// it: (M, C).
    ///
    /// # Panics
    /// When an id is not in the vocabulary, or there are not as many sequences as readers.
    pub fn decode(&self, tape: &Tape, decoder_inputs: &Batch, memory: &Memory) -> Tensor {
        let x = self.shared.forward(tape, &decoder_inputs.ids); // (M, C)
        self.decoder.run(&x, &decoder_inputs.sequences, memory, |_, _, _, _| ())
    }

    /// The residual streams at every depth.
    ///
    /// # Panics
    /// As [`T5::forward`].
    pub fn hidden_states(&self, tape: &Tape, batch: &T5Batch) -> HiddenStates {
        let embed = |batch: &Batch| self.shared.forward(tape, &batch.ids);
        let encoder = self.encoder.states(&embed(&batch.inputs), &batch.inputs.sequences);
        let mut decoder = Vec::new();
        let (memory, sequences) = (self.read(tape, &batch.inputs), &batch.decoder_inputs.sequences);
        let x = embed(&batch.decoder_inputs);
        let last = self.decoder.run(&x, sequences, &memory, |_, x, _, _| decoder.push(x.clone()));
        decoder.push(last);
        HiddenStates { encoder, decoder }
    }

    /// The attention probabilities of every layer. For inspection; held whole.
    ///
    /// # Panics
    /// As [`T5::forward`].
    pub fn attentions(&self, tape: &Tape, batch: &T5Batch) -> Attentions {
        let embed = |batch: &Batch| self.shared.forward(tape, &batch.ids);
        let mut found = Attentions::default();
        let sequences = &batch.inputs.sequences;
        self.encoder.run(&embed(&batch.inputs), sequences, |block, x, bias| {
            found.encoder.push(block.probabilities(x, sequences, bias));
        });
        let (memory, sequences) = (self.read(tape, &batch.inputs), &batch.decoder_inputs.sequences);
        self.decoder.run(&embed(&batch.decoder_inputs), sequences, &memory, |block, x, at, read| {
            let [itself, cross] = block.probabilities(x, at, read);
            found.decoder.push(itself);
            found.cross.push(cross);
        });
        found
    }

    /// The token embedding of both sides, which is the output layer too where the weights are tied.
    pub fn shared(&self) -> &Embedding {
        &self.shared
    }
}

/// The residual streams at every depth, as Hugging Face gives them: the embeddings, the output of each block but the
/// last, the final norm's.
pub struct HiddenStates {
    /// num_layers + 1 tensors (N, C).
    pub encoder: Vec<Tensor>,
    /// num_decoder_layers + 1 tensors (M, C).
    pub decoder: Vec<Tensor>,
}

/// The attention probabilities of every layer: for each sequence (heads, Tq, Tk).
#[derive(Clone, Debug, Default)]
pub struct Attentions {
    /// Of the encoder's tokens to one another.
    pub encoder: Vec<Vec<Vec<f32>>>,
    /// Of the decoder's rows to those up to themselves.
    pub decoder: Vec<Vec<Vec<f32>>>,
    /// Of the decoder's rows to the encoder's tokens.
    pub cross: Vec<Vec<Vec<f32>>>,
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

    /// What goes into each block, and the hidden states.
    pub fn states(&self, x: &Tensor, sequences: &Sequences) -> Vec<Tensor> {
        let mut states = Vec::new();
        let last = self.run(x, sequences, |_, x, _| states.push(x.clone()));
        states.push(last);
        states
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

    fn probabilities(&self, x: &Tensor, sequences: &Sequences, bias: &Tensor) -> Vec<Vec<f32>> {
        self.attention.probabilities(&self.attention_norm.forward(x), sequences, bias)
    }
}

/// A stack that sees what it has written so far, and all of the text that it reads.
#[derive(Clone)]
struct Decoder {
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
    fn new(scope: &Scope, config: &Config, inits: &Inits) -> Self {
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

    /// The hidden state of every row, (M, C), from its embedding; shows each block with what goes into it.
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

    fn probabilities(&self, x: &Tensor, at: &Place<'_>, read: &KeysValues) -> [Vec<Vec<f32>>; 2] {
        let normed = self.attention_norm.forward(x);
        let itself = self.attention.probabilities(&normed, at.sequences, &at.bias);
        let x = x + self.attention.forward(&normed, at.sequences, &at.bias);
        let normed = self.cross_attention_norm.forward(&x);
        [itself, self.cross_attention.probabilities(&normed, read, &at.reading)]
    }
}

/// Root-mean-square norm: T5 subtracts no mean and adds no bias, here or anywhere.
fn norm(scope: &Scope, config: &Config) -> RmsNorm {
    RmsNorm::new(scope, config.d_model, config.layer_norm_epsilon)
}
