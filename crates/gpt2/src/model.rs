use std::sync::Arc;

use tercet_attention::{Batch, Mask, MultiHead, Qkv, Sequences};
use tercet_nn::{Dropout, Embedding, LayerNorm, Linear};
use tercet_tensor::{Activation, Init, Scope, Tape, Tensor, ops};

use crate::config::{Config, InitPreset};

/// The GPT-2 decoder (Radford et al. 2019): from token ids to hidden states.
///
/// Letters of the shapes: N tokens of all sequences together, C = `n_embd`, F the feed-forward width, V the vocabulary.
#[derive(Clone)]
pub struct Gpt2 {
    wte: Embedding,
    wpe: Embedding,
    drop: Dropout,
    h: Vec<Arc<Block>>,
    ln_f: LayerNorm,
    recompute: Recompute,
}

/// What the backward pass does about the activations inside a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recompute {
    /// Keeps them.
    #[default]
    Nothing,
    /// Forgets them and runs the block again when its turn comes (Chen et al. 2016): less memory, a third more time.
    Blocks,
}

/// The residual stream at every depth, as Hugging Face's `output_hidden_states` gives it.
pub struct HiddenStates {
    /// The embeddings, then the output of each block but the last, then the final norm's: n_layer + 1 tensors (N, C).
    pub states: Vec<Tensor>,
}

impl Gpt2 {
    /// The model whose parameters are those of `scope`: `wte`, `wpe`, `h.0` …, `ln_f`.
    ///
    /// # Panics
    /// When the configuration is not valid.
    pub fn new(scope: &Scope, config: &Config, init: InitPreset) -> Self {
        config.validate().expect("a valid configuration");
        let std = config.initializer_range;
        let positions = match init {
            InitPreset::Hf => std,
            InitPreset::OpenAi => std / 2.0,
        };
        let normal = |std| Init::Normal { std };
        let block = |i| Arc::new(Block::new(&scope.at("h").at(i), config, i, init));
        Self {
            wte: Embedding::new(&scope.at("wte"), config.vocab_size, config.n_embd, normal(std)),
            wpe: Embedding::new(&scope.at("wpe"), config.n_positions, config.n_embd, normal(positions)),
            drop: Dropout::new(config.embd_pdrop),
            h: (0..config.n_layer).map(block).collect(),
            ln_f: LayerNorm::new(&scope.at("ln_f"), config.n_embd, config.layer_norm_epsilon),
            recompute: Recompute::Nothing,
        }
    }

    /// This model with another treatment of activations in training.
    pub fn recompute(self, recompute: Recompute) -> Self {
        Self { recompute, ..self }
    }

    /// The hidden state of every token, after the final norm: (N, C).
    ///
    /// # Panics
    /// When an id is not in the vocabulary or a sequence is longer than `n_positions`.
    pub fn forward(&self, tape: &Tape, batch: &Batch) -> Tensor {
        let mut x = self.embed(tape, batch);
        for block in &self.h {
            x = self.through(block, &x, &batch.sequences);
        }
        self.ln_f.forward(&x)
    }

    /// The residual stream at every depth.
    ///
    /// # Panics
    /// As [`Gpt2::forward`].
    pub fn hidden_states(&self, tape: &Tape, batch: &Batch) -> HiddenStates {
        let mut states = vec![self.embed(tape, batch)];
        for block in &self.h {
            let x = self.through(block, &states[states.len() - 1], &batch.sequences);
            states.push(x);
        }
        // Hugging Face's last hidden state is the normed one; the last block's own output is not among them.
        let last = states.pop().expect("at least the embeddings");
        states.push(self.ln_f.forward(&last));
        HiddenStates { states }
    }

    /// The attention probabilities of every block: for each sequence (heads, T, T). For inspection; held whole.
    ///
    /// # Panics
    /// As [`Gpt2::forward`].
    pub fn attentions(&self, tape: &Tape, batch: &Batch) -> Vec<Vec<Vec<f32>>> {
        let mut x = self.embed(tape, batch);
        let mut attentions = Vec::with_capacity(self.h.len());
        for block in &self.h {
            attentions.push(block.attn.probabilities(&block.ln_1.forward(&x), &batch.sequences));
            x = block.forward(&x, &batch.sequences);
        }
        attentions
    }

    /// The token embedding, which is the output layer too where the weights are tied.
    pub fn wte(&self) -> &Embedding {
        &self.wte
    }

    fn embed(&self, tape: &Tape, batch: &Batch) -> Tensor {
        let tokens = self.wte.forward(tape, &batch.ids); // (N, C)
        let positions = self.wpe.forward(tape, &batch.positions); // (N, C)
        self.drop.forward(&(tokens + positions))
    }

    fn through(&self, block: &Arc<Block>, x: &Tensor, sequences: &Sequences) -> Tensor {
        match self.recompute {
            Recompute::Nothing => block.forward(x, sequences),
            Recompute::Blocks => {
                let (block, sequences) = (Arc::clone(block), sequences.clone());
                ops::checkpoint(x, move |x| block.forward(x, &sequences))
            }
        }
    }
}

/// One layer. The norms stand inside the residual branches (pre-norm), so the stream `x` itself is never normalised.
struct Block {
    ln_1: LayerNorm,
    attn: SelfAttention,
    ln_2: LayerNorm,
    mlp: Mlp,
}

impl Block {
    fn new(scope: &Scope, config: &Config, layer: usize, init: InitPreset) -> Self {
        let norm = |name| LayerNorm::new(&scope.at(name), config.n_embd, config.layer_norm_epsilon);
        Self {
            ln_1: norm("ln_1"),
            attn: SelfAttention::new(&scope.at("attn"), config, layer, init),
            ln_2: norm("ln_2"),
            mlp: Mlp::new(&scope.at("mlp"), config, init),
        }
    }

    fn forward(&self, x: &Tensor, sequences: &Sequences) -> Tensor {
        let x = x + self.attn.forward(&self.ln_1.forward(x), sequences);
        &x + self.mlp.forward(&self.ln_2.forward(&x))
    }
}

/// Masked multi-head self-attention with one projection for queries, keys and values.
struct SelfAttention {
    c_attn: Linear,
    heads: MultiHead,
    c_proj: Linear,
    drop: Dropout,
}

impl SelfAttention {
    fn new(scope: &Scope, config: &Config, layer: usize, init: InitPreset) -> Self {
        let width = config.n_embd;
        let mut scale = 1.0;
        if config.scale_attn_weights {
            scale /= ((width / config.n_head) as f32).sqrt();
        }
        if config.scale_attn_by_inverse_layer_idx {
            scale /= (layer + 1) as f32;
        }
        let normal = Init::Normal { std: config.initializer_range };
        Self {
            c_attn: Linear::conv1d(&scope.at("c_attn"), width, 3 * width, normal),
            heads: MultiHead::new(layer, config.n_head, scale, Mask::Causal, config.attn_pdrop),
            c_proj: Linear::conv1d(&scope.at("c_proj"), width, width, residual_init(config, init)),
            drop: Dropout::new(config.resid_pdrop),
        }
    }

    /// softmax(QKᵀ/√dₖ + causal mask)·V over each sequence, all heads at once (Vaswani et al. 2017, eq. 1).
    fn forward(&self, x: &Tensor, sequences: &Sequences) -> Tensor {
        let qkv = self.c_attn.forward(x); // (N, 3C)
        let y = self.heads.apply(Qkv::Fused(&qkv), sequences); // (N, C)
        self.drop.forward(&self.c_proj.forward(&y))
    }

    fn probabilities(&self, x: &Tensor, sequences: &Sequences) -> Vec<Vec<f32>> {
        self.heads.probabilities(Qkv::Fused(&self.c_attn.forward(x)), sequences)
    }
}

/// The position-wise feed-forward layer (Vaswani et al. 2017, section 3.3, with GELU for ReLU).
struct Mlp {
    c_fc: Linear,
    act: Activation,
    c_proj: Linear,
    drop: Dropout,
}

impl Mlp {
    fn new(scope: &Scope, config: &Config, init: InitPreset) -> Self {
        let (width, inner) = (config.n_embd, config.inner_width());
        let normal = Init::Normal { std: config.initializer_range };
        Self {
            c_fc: Linear::conv1d(&scope.at("c_fc"), width, inner, normal),
            act: config.activation(),
            c_proj: Linear::conv1d(&scope.at("c_proj"), inner, width, residual_init(config, init)),
            drop: Dropout::new(config.resid_pdrop),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let x = ops::activation(&self.c_fc.forward(x), self.act); // (N, F)
        self.drop.forward(&self.c_proj.forward(&x)) // (N, C)
    }
}

/// How a layer starts that ends a residual branch.
///
/// Differs from the paper, which scales by 1/√N with N residual layers: Hugging Face counts 2·n_layer of them, and the
/// released code does not scale at all.
fn residual_init(config: &Config, init: InitPreset) -> Init {
    let std = config.initializer_range;
    match init {
        InitPreset::Hf => Init::Normal { std: std / ((2 * config.n_layer) as f32).sqrt() },
        InitPreset::OpenAi => Init::Normal { std },
    }
}
