use tercet_attention::{Mask, MultiHead, Qkv, Sequences};
use tercet_nn::{Bias, Dropout, Embedding, LayerNorm, Linear};
use tercet_tensor::{Activation, Scope, Tape, Tensor, ops};

use crate::batch::BertBatch;
use crate::config::Config;

/// The BERT encoder (Devlin et al. 2019): from token ids to hidden states.
///
/// Letters of the shapes: N tokens of all sequences together, C = `hidden_size`, F = `intermediate_size`.
#[derive(Clone)]
pub struct Bert {
    embeddings: Embeddings,
    layers: Vec<Layer>,
}

/// What the encoder makes of a batch.
pub struct Output {
    /// The embeddings, then the output of each layer: num_hidden_layers + 1 tensors (N, C).
    pub hidden_states: Vec<Tensor>,
}

impl Output {
    /// The last layer's hidden states, (N, C).
    pub fn last(&self) -> &Tensor {
        self.hidden_states.last().expect("at least the embeddings")
    }
}

impl Bert {
    /// The encoder whose parameters are those of `scope`: `embeddings.…`, `encoder.layer.0` ….
    ///
    /// # Panics
    /// When the configuration is not valid.
    pub fn new(scope: &Scope, config: &Config) -> Self {
        config.validate().expect("a valid configuration");
        let layers = scope.at("encoder").at("layer");
        Self {
            embeddings: Embeddings::new(&scope.at("embeddings"), config),
            layers: (0..config.num_hidden_layers).map(|i| Layer::new(&layers.at(i), config, i)).collect(),
        }
    }

    /// The hidden state of every token, (N, C).
    ///
    /// # Panics
    /// When an id is not in the vocabulary or a sequence is longer than `max_position_embeddings`.
    pub fn forward(&self, tape: &Tape, batch: &BertBatch) -> Tensor {
        let mut x = self.embeddings.forward(tape, batch);
        for layer in &self.layers {
            x = layer.forward(&x, &batch.sequences);
        }
        x
    }

    /// The hidden states of every layer.
    ///
    /// # Panics
    /// As [`Bert::forward`].
    pub fn hidden_states(&self, tape: &Tape, batch: &BertBatch) -> Output {
        let mut hidden_states = vec![self.embeddings.forward(tape, batch)];
        for layer in &self.layers {
            let x = layer.forward(&hidden_states[hidden_states.len() - 1], &batch.sequences);
            hidden_states.push(x);
        }
        Output { hidden_states }
    }

    /// The attention probabilities of every layer: for each sequence (heads, T, T). For inspection; held whole.
    ///
    /// # Panics
    /// As [`Bert::forward`].
    pub fn attentions(&self, tape: &Tape, batch: &BertBatch) -> Vec<Vec<Vec<f32>>> {
        let mut x = self.embeddings.forward(tape, batch);
        let mut attentions = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            attentions.push(layer.attention.probabilities(&x, &batch.sequences));
            x = layer.forward(&x, &batch.sequences);
        }
        attentions
    }

    /// The word embeddings, which are the masked-LM head's output layer too.
    pub fn word_embeddings(&self) -> &Embedding {
        &self.embeddings.word_embeddings
    }
}

/// The sum of word, position and segment embeddings, normed (figure 2).
#[derive(Clone)]
struct Embeddings {
    word_embeddings: Embedding,
    position_embeddings: Embedding,
    token_type_embeddings: Embedding,
    norm: LayerNorm,
    drop: Dropout,
}

impl Embeddings {
    fn new(scope: &Scope, config: &Config) -> Self {
        let table = |name, count| Embedding::new(&scope.at(name), count, config.hidden_size, config.init());
        Self {
            word_embeddings: table("word_embeddings", config.vocab_size),
            position_embeddings: table("position_embeddings", config.max_position_embeddings),
            token_type_embeddings: table("token_type_embeddings", config.type_vocab_size),
            norm: LayerNorm::new(&scope.at("LayerNorm"), config.hidden_size, config.layer_norm_eps),
            drop: Dropout::new(config.hidden_dropout_prob),
        }
    }

    fn forward(&self, tape: &Tape, batch: &BertBatch) -> Tensor {
        let words = self.word_embeddings.forward(tape, &batch.ids); // (N, C)
        let positions = self.position_embeddings.forward(tape, &batch.positions); // (N, C)
        let segments = self.token_type_embeddings.forward(tape, &batch.token_types); // (N, C)
        self.drop.forward(&self.norm.forward(&(words + segments + positions)))
    }
}

/// One layer. A norm stands after each residual sum (post-norm), so the stream itself is normalised.
#[derive(Clone)]
struct Layer {
    attention: SelfAttention,
    attention_output: Residual,
    intermediate: Linear,
    act: Activation,
    output: Residual,
}

impl Layer {
    fn new(scope: &Scope, config: &Config, layer: usize) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let (attention, intermediate) = (scope.at("attention"), scope.at("intermediate").at("dense"));
        Self {
            attention: SelfAttention::new(&attention.at("self"), config, layer),
            attention_output: Residual::new(&attention.at("output"), width, config),
            intermediate: Linear::new(&intermediate, width, inner, config.init(), Bias::Yes),
            act: config.activation(),
            output: Residual::new(&scope.at("output"), inner, config),
        }
    }

    fn forward(&self, x: &Tensor, sequences: &Sequences) -> Tensor {
        let x = self.attention_output.forward(&self.attention.forward(x, sequences), x);
        let inner = ops::activation(&self.intermediate.forward(&x), self.act); // (N, F)
        self.output.forward(&inner, &x)
    }
}

/// Multi-head self-attention over whole sequences.
#[derive(Clone)]
struct SelfAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    heads: MultiHead,
}

impl SelfAttention {
    fn new(scope: &Scope, config: &Config, layer: usize) -> Self {
        let width = config.hidden_size;
        let projection = |name| Linear::new(&scope.at(name), width, width, config.init(), Bias::Yes);
        let scale = 1.0 / ((width / config.num_attention_heads) as f32).sqrt();
        let dropout = config.attention_probs_dropout_prob;
        Self {
            query: projection("query"),
            key: projection("key"),
            value: projection("value"),
            heads: MultiHead::new(layer, config.num_attention_heads, scale, Mask::Full, dropout),
        }
    }

    /// softmax(QKᵀ/√dₖ)·V over each sequence, all heads at once (Vaswani et al. 2017, eq. 1).
    fn forward(&self, x: &Tensor, sequences: &Sequences) -> Tensor {
        let [q, k, v] = self.projections(x);
        self.heads.apply(Qkv::Separate(&q, &k, &v), sequences)
    }

    fn probabilities(&self, x: &Tensor, sequences: &Sequences) -> Vec<Vec<f32>> {
        let [q, k, v] = self.projections(x);
        self.heads.probabilities(Qkv::Separate(&q, &k, &v), sequences)
    }

    fn projections(&self, x: &Tensor) -> [Tensor; 3] {
        [self.query.forward(x), self.key.forward(x), self.value.forward(x)] // each (N, C)
    }
}

/// The end of a residual branch: project, drop, add to the stream, norm.
#[derive(Clone)]
struct Residual {
    dense: Linear,
    drop: Dropout,
    norm: LayerNorm,
}

impl Residual {
    fn new(scope: &Scope, inputs: usize, config: &Config) -> Self {
        Self {
            dense: Linear::new(&scope.at("dense"), inputs, config.hidden_size, config.init(), Bias::Yes),
            drop: Dropout::new(config.hidden_dropout_prob),
            norm: LayerNorm::new(&scope.at("LayerNorm"), config.hidden_size, config.layer_norm_eps),
        }
    }

    fn forward(&self, branch: &Tensor, stream: &Tensor) -> Tensor {
        self.norm.forward(&(stream + self.drop.forward(&self.dense.forward(branch))))
    }
}

/// A sequence as one vector: the hidden state of `[CLS]` through a layer and tanh, trained by next-sentence
/// prediction.
#[derive(Clone)]
pub struct Pooler {
    dense: Linear,
}

impl Pooler {
    /// The pooler with parameters `scope.dense`.
    pub fn new(scope: &Scope, config: &Config) -> Self {
        let width = config.hidden_size;
        Self { dense: Linear::new(&scope.at("dense"), width, width, config.init(), Bias::Yes) }
    }

    /// One vector for each sequence of the batch, (sequences, C), from hidden states (N, C).
    pub fn forward(&self, hidden: &Tensor, batch: &BertBatch) -> Tensor {
        let first = ops::gather_rows(hidden, &batch.first_rows());
        ops::activation(&self.dense.forward(&first), Activation::Tanh)
    }
}
