//! Update rules: what one optimiser step does to a stretch of the flat buffers.

use serde::{Deserialize, Serialize};
use tercet_tensor::optim::{AdamW, adamw};

/// An update rule with its constants; the learning rate comes from the schedule, step by step.
///
/// Serialised with its name in `name`, as in `{"name": "adam_w", "beta2": 0.95}`: constants that are left out have
/// the published defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    /// Adam with decoupled weight decay (Loshchilov and Hutter, algorithm 2), in the form of `torch.optim.AdamW`:
    /// p ← p − lr·wd·p, then p ← p − lr·m̂/(√v̂ + ε).
    AdamW {
        /// Decay of the first moment.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the second moment.
        #[serde(default = "beta2")]
        beta2: f64,
        /// Added to the root of the second moment.
        #[serde(default = "eps")]
        eps: f64,
        /// Decay of the weights that decay at all, in units of the rate.
        #[serde(default)]
        weight_decay: f64,
        /// Divides by the largest second moment seen so far (Reddi et al., 2018).
        #[serde(default)]
        amsgrad: bool,
    },
    /// Adam with the decay added to the gradient (`torch.optim.Adam`).
    Adam {
        /// Decay of the first moment.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the second moment.
        #[serde(default = "beta2")]
        beta2: f64,
        /// Added to the root of the second moment.
        #[serde(default = "eps")]
        eps: f64,
        /// Factor on the weights that is added to the gradient.
        #[serde(default)]
        weight_decay: f64,
    },
    /// The optimiser that BERT was pretrained with: no bias correction, p ← p − lr·(m/(√v + ε) + wd·p).
    AdamWeightDecay {
        /// Decay of the first moment.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the second moment.
        #[serde(default = "beta2")]
        beta2: f64,
        /// Added to the root of the second moment.
        #[serde(default = "bert_eps")]
        eps: f64,
        /// Decay of the weights that decay at all, in units of the rate.
        #[serde(default)]
        weight_decay: f64,
    },
    /// Gradient descent with momentum, in the form of `torch.optim.SGD`: the first step's buffer is the gradient.
    Sgd {
        /// Share of the buffer that is kept; 0 is plain descent.
        #[serde(default)]
        momentum: f64,
        /// Looks one momentum step ahead.
        #[serde(default)]
        nesterov: bool,
        /// Factor on the weights that is added to the gradient.
        #[serde(default)]
        weight_decay: f64,
    },
    /// Signs only: p ← p − lr·(sign(β₁m + (1 − β₁)g) + wd·p), m ← β₂m + (1 − β₂)g (Chen et al., 2023).
    Lion {
        /// Share of the moment in the direction.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the moment.
        #[serde(default = "lion_beta2")]
        beta2: f64,
        /// Decay of the weights that decay at all, in units of the rate.
        #[serde(default)]
        weight_decay: f64,
    },
}

/// One step as seen by a stretch of parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Update {
    /// Steps taken, this one included.
    pub step: u64,
    /// The rate of this step.
    pub lr: f64,
    /// Multiplies every gradient: the clipping factor.
    pub grad_scale: f64,
    /// Whether these parameters decay.
    pub decays: bool,
}

impl Rule {
    /// AdamW with β = (0.9, 0.999), ε = 1e-8 and the given decay.
    pub fn adam_w(weight_decay: f64) -> Self {
        Self::AdamW { beta1: beta1(), beta2: beta2(), eps: eps(), weight_decay, amsgrad: false }
    }

    /// The flat buffers that the rule keeps between steps, by the names they have in a checkpoint.
    pub fn moments(&self) -> &'static [&'static str] {
        match self {
            Self::AdamW { amsgrad: true, .. } => &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
            Self::AdamW { .. } | Self::Adam { .. } | Self::AdamWeightDecay { .. } => {
                &["exp_avg", "exp_avg_sq"]
            }
            Self::Sgd { momentum: 0.0, .. } => &[],
            Self::Sgd { .. } => &["momentum_buffer"],
            Self::Lion { .. } => &["exp_avg"],
        }
    }

    /// Updates the parameters `p` from their gradients `g`, and the moments, which lie in the order of
    /// [`Rule::moments`].
    pub(crate) fn apply(&self, update: Update, p: &mut [f32], g: &[f32], moments: &mut [&mut [f32]]) {
        let Update { step, lr, grad_scale, decays } = update;
        let decay = |rate: f64| if decays { rate } else { 0.0 };
        let (n, scale) = (step as i32, grad_scale as f32);
        match (*self, moments) {
            (Self::AdamW { beta1, beta2, eps, weight_decay, amsgrad: false }, [m, v]) => {
                let constants =
                    AdamW { lr, beta1, beta2, eps, weight_decay: decay(weight_decay), step, grad_scale };
                adamw(&constants, p, g, m, v);
            }
            (Self::AdamW { beta1, beta2, eps, weight_decay, .. }, [m, v, largest]) => {
                let keep = (1.0 - lr * decay(weight_decay)) as f32;
                let (rate, root) = corrected(lr, beta1, beta2, n);
                let (first, second, eps) = (Mean::new(beta1), Mean::new(beta2), eps as f32);
                for i in 0..p.len() {
                    let g = scale * g[i];
                    m[i] = first.of(m[i], g);
                    v[i] = second.of(v[i], g * g);
                    largest[i] = largest[i].max(v[i]);
                    p[i] = keep * p[i] - rate * m[i] / (largest[i].sqrt() * root + eps);
                }
            }
            (Self::Adam { beta1, beta2, eps, weight_decay }, [m, v]) => {
                let l2 = decay(weight_decay) as f32;
                let (rate, root) = corrected(lr, beta1, beta2, n);
                let (first, second, eps) = (Mean::new(beta1), Mean::new(beta2), eps as f32);
                for i in 0..p.len() {
                    let g = scale * g[i] + l2 * p[i];
                    m[i] = first.of(m[i], g);
                    v[i] = second.of(v[i], g * g);
                    p[i] -= rate * m[i] / (v[i].sqrt() * root + eps);
                }
            }
            (Self::AdamWeightDecay { beta1, beta2, eps, weight_decay }, [m, v]) => {
                let (lr, wd) = (lr as f32, decay(weight_decay) as f32);
                let (first, second, eps) = (Mean::new(beta1), Mean::new(beta2), eps as f32);
                for i in 0..p.len() {
                    let g = scale * g[i];
                    m[i] = first.of(m[i], g);
                    v[i] = second.of(v[i], g * g);
                    p[i] -= lr * (m[i] / (v[i].sqrt() + eps) + wd * p[i]);
                }
            }
            (Self::Sgd { weight_decay, .. }, []) => {
                let (lr, l2) = (lr as f32, decay(weight_decay) as f32);
                p.iter_mut().zip(g).for_each(|(p, g)| *p -= lr * (scale * g + l2 * *p));
            }
            (Self::Sgd { momentum, nesterov, weight_decay }, [buffer]) => {
                let (lr, l2, mu) = (lr as f32, decay(weight_decay) as f32, momentum as f32);
                for i in 0..p.len() {
                    let g = scale * g[i] + l2 * p[i];
                    buffer[i] = if step == 1 { g } else { mu * buffer[i] + g };
                    p[i] -= lr * if nesterov { g + mu * buffer[i] } else { buffer[i] };
                }
            }
            (Self::Lion { beta1, beta2, weight_decay }, [m]) => {
                let (lr, wd) = (lr as f32, decay(weight_decay) as f32);
                let (ahead, kept) = (Mean::new(beta1), Mean::new(beta2));
                for i in 0..p.len() {
                    let g = scale * g[i];
                    let direction = ahead.of(m[i], g);
                    let sign = if direction == 0.0 { 0.0 } else { direction.signum() };
                    p[i] -= lr * (sign + wd * p[i]);
                    m[i] = kept.of(m[i], g);
                }
            }
            (rule, moments) => {
                panic!("{rule:?} keeps {:?}, was given {} buffers", rule.moments(), moments.len())
            }
        }
    }
}

/// An exponential mean: β·old + (1 − β)·new. Both factors are rounded from f64, for 1 − β loses its digits in f32.
#[derive(Clone, Copy)]
struct Mean {
    beta: f32,
    rest: f32,
}

impl Mean {
    fn new(beta: f64) -> Self {
        Self { beta: beta as f32, rest: (1.0 - beta) as f32 }
    }

    fn of(self, old: f32, new: f32) -> f32 {
        self.beta * old + self.rest * new
    }
}

/// The rate over 1 − β₁ⁿ, and 1/√(1 − β₂ⁿ): Adam's correction of moments that start from zero.
fn corrected(lr: f64, beta1: f64, beta2: f64, n: i32) -> (f32, f32) {
    ((lr / (1.0 - beta1.powi(n))) as f32, (1.0 - beta2.powi(n)).sqrt().recip() as f32)
}

fn beta1() -> f64 {
    0.9
}

fn beta2() -> f64 {
    0.999
}

fn eps() -> f64 {
    1e-8
}

fn bert_eps() -> f64 {
    1e-6
}

fn lion_beta2() -> f64 {
    0.99
}
