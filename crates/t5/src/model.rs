use tercet_attention::Batch;
use tercet_nn::Embedding;
use tercet_tensor::{Scope, Tape, Tensor};

use crate::batch::T5Batch;
use crate::config::Config;
use crate::decoder::{Decoder, Memory};
use crate::encoder::Encoder;
use crate::init::{InitPreset, Inits};
use crate::layers::Probabilities;

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
        self.decoder.memory(&self.encode(tape, inputs), &inputs.sequences)
    }

    /// The decoder's hidden state of every row of `decoder_inputs`, of which sequence i reads what `memory` has for
    /// it: (M, C).
    ///
    /// # Panics
    /// When an id is not in the vocabulary, or there are not as many sequences as readers.
    pub fn decode(&self, tape: &Tape, decoder_inputs: &Batch, memory: &Memory) -> Tensor {
        let x = self.shared.forward(tape, &decoder_inputs.ids); // (M, C)
        self.decoder.forward(&x, &decoder_inputs.sequences, memory)
    }

    /// The residual streams at every depth.
    ///
    /// # Panics
    /// As [`T5::forward`].
    pub fn hidden_states(&self, tape: &Tape, batch: &T5Batch) -> HiddenStates {
        let (inputs, decoder_inputs) = (&batch.inputs, &batch.decoder_inputs);
        let (x, y) = (self.shared.forward(tape, &inputs.ids), self.shared.forward(tape, &decoder_inputs.ids));
        let memory = self.read(tape, inputs);
        HiddenStates {
            encoder: self.encoder.hidden_states(&x, &inputs.sequences),
            decoder: self.decoder.hidden_states(&y, &decoder_inputs.sequences, &memory),
        }
    }

    /// The attention probabilities of every layer. For inspection; held whole.
    ///
    /// # Panics
    /// As [`T5::forward`].
    pub fn attentions(&self, tape: &Tape, batch: &T5Batch) -> Attentions {
        let (inputs, decoder_inputs) = (&batch.inputs, &batch.decoder_inputs);
        let (x, y) = (self.shared.forward(tape, &inputs.ids), self.shared.forward(tape, &decoder_inputs.ids));
        let memory = self.read(tape, inputs);
        let encoder = self.encoder.attentions(&x, &inputs.sequences);
        let (decoder, cross) = self.decoder.attentions(&y, &decoder_inputs.sequences, &memory);
        Attentions { encoder, decoder, cross }
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
    pub encoder: Vec<Probabilities>,
    /// Of the decoder's rows to those up to themselves.
    pub decoder: Vec<Probabilities>,
    /// Of the decoder's rows to the encoder's tokens.
    pub cross: Vec<Probabilities>,
}
