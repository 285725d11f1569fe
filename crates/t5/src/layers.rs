use tercet_attention::{Mask, MultiHead, Qkv, Sequences};
use tercet_nn::{Bias, Dropout, Linear, RmsNorm};
use tercet_tensor::{Activation, Scope, Tensor, ops};

use crate::config::{Config, FeedForwardProj};
use crate::init::Inits;

/// The attention probabilities of one layer: for each sequence (heads, Tq, Tk).
pub type Probabilities = Vec<Vec<f32>>;

/// Multi-head attention within each sequence, with a score for each distance.
///
/// Differs from Vaswani et al.: scores are not divided by √d_kv, which the initial queries make up for.
#[derive(Clone)]
pub(crate) struct SelfAttention {
    q: Linear,
    k: Linear,
    v: Linear,
    heads: MultiHead,
    o: Linear,
    drop: Dropout,
}

impl SelfAttention {
    pub fn new(scope: &Scope, config: &Config, inits: &Inits, layer: usize, mask: Mask) -> Self {
        let (width, inner) = (config.d_model, config.inner_width());
        let projection = |name, init| Linear::new(&scope.at(name), width, inner, init, Bias::No);
        Self {
            q: projection("q", inits.q()),
            k: projection("k", inits.kv()),
            v: projection("v", inits.kv()),
            heads: MultiHead::new(layer, config.num_heads, 1.0, mask, config.dropout_rate),
            o: Linear::new(&scope.at("o"), inner, width, inits.o(), Bias::No),
            drop: Dropout::new(config.dropout_rate),
        }
    }

    /// softmax(QKᵀ + bias)·V over each sequence, all heads at once.
    pub fn forward(&self, x: &Tensor, sequences: &Sequences, bias: &Tensor) -> Tensor {
        let [q, k, v] = self.projections(x);
        let y = self.heads.biased(bias).apply(Qkv::Separate(&q, &k, &v), sequences); // (N, heads·d_kv)
        self.drop.forward(&self.o.forward(&y)) // (N, C)
    }

    pub fn probabilities(&self, x: &Tensor, sequences: &Sequences, bias: &Tensor) -> Probabilities {
        let [q, k, v] = self.projections(x);
        self.heads.biased(bias).probabilities(Qkv::Separate(&q, &k, &v), sequences)
    }

    fn projections(&self, x: &Tensor) -> [Tensor; 3] {
        [&self.q, &self.k, &self.v].map(|projection| projection.forward(x)) // each (N, heads·d_kv)
    }
}

/// Multi-head attention from each sequence of the decoder to the text that it reads; it has no positions.
#[derive(Clone)]
pub(crate) struct CrossAttention {
    q: Linear,
    k: Linear,
    v: Linear,
    heads: MultiHead,
    o: Linear,
    drop: Dropout,
}

/// What one layer of the decoder reads of the encoder: the same at every step.
#[derive(Clone)]
pub(crate) struct KeysValues {
    k: Tensor,
    v: Tensor,
}

impl CrossAttention {
    pub fn new(scope: &Scope, config: &Config, inits: &Inits) -> Self {
        let (width, inner) = (config.d_model, config.inner_width());
        let projection = |name, init| Linear::new(&scope.at(name), width, inner, init, Bias::No);
        Self {
            q: projection("q", inits.q()),
            k: projection("k", inits.kv()),
            v: projection("v", inits.kv()),
            heads: MultiHead::new(0, config.num_heads, 1.0, Mask::Full, config.dropout_rate),
            o: Linear::new(&scope.at("o"), inner, width, inits.o(), Bias::No),
            drop: Dropout::new(config.dropout_rate),
        }
    }

    /// Keys and values of the encoder's states (N, C).
    pub fn keys_values(&self, encoded: &Tensor) -> KeysValues {
        KeysValues { k: self.k.forward(encoded), v: self.v.forward(encoded) } // each (N, heads·d_kv)
    }

    /// softmax(QKᵀ)·V from the decoder's rows to the encoder's.
    pub fn forward(&self, x: &Tensor, read: &KeysValues, reading: &Sequences) -> Tensor {
        let q = self.q.forward(x); // (M, heads·d_kv)
        let y = self.heads.apply(Qkv::Separate(&q, &read.k, &read.v), reading); // (M, heads·d_kv)
        self.drop.forward(&self.o.forward(&y)) // (M, C)
    }

    pub fn probabilities(&self, x: &Tensor, read: &KeysValues, reading: &Sequences) -> Probabilities {
        self.heads.probabilities(Qkv::Separate(&self.q.forward(x), &read.k, &read.v), reading)
    }
}

/// The position-wise feed-forward layer, plain or gated.
#[derive(Clone)]
pub(crate) struct FeedForward {
    inner: Inner,
    wo: Linear,
    drop: Dropout,
}

#[derive(Clone)]
enum Inner {
    Dense { wi: Linear, act: Activation },
    Gated { wi_0: Linear, wi_1: Linear, act: Activation },
}

impl FeedForward {
    pub fn new(scope: &Scope, config: &Config, inits: &Inits) -> Self {
        let (width, inner) = (config.d_model, config.d_ff);
        let wi = |name| Linear::new(&scope.at(name), width, inner, inits.wi(), Bias::No);
        Self {
            inner: match config.feed_forward() {
                FeedForwardProj::Dense(act) => Inner::Dense { wi: wi("wi"), act },
                FeedForwardProj::Gated(act) => Inner::Gated { wi_0: wi("wi_0"), wi_1: wi("wi_1"), act },
            },
            wo: Linear::new(&scope.at("wo"), inner, width, inits.wo(), Bias::No),
            drop: Dropout::new(config.dropout_rate),
        }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        let inner = self.drop.forward(&self.inner.forward(x)); // (N, F)
        self.drop.forward(&self.wo.forward(&inner)) // (N, C)
    }
}

impl Inner {
    fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Self::Dense { wi, act } => ops::activation(&wi.forward(x), *act),
            Self::Gated { wi_0, wi_1, act } => &ops::activation(&wi_0.forward(x), *act) * &wi_1.forward(x),
        }
    }
}

/// Root-mean-square norm: T5 subtracts no mean and adds no bias, here or anywhere.
pub(crate) fn norm(scope: &Scope, config: &Config) -> RmsNorm {
    RmsNorm::new(scope, config.d_model, config.layer_norm_epsilon)
}
