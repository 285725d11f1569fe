//! Update rules: what one optimiser step does to a stretch of the flat buffers.

use serde::{Deserialize, Serialize};
use tercet_tensor::optim::{AdamW, adamw};

use crate::adafactor::Adafactor;

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
    /// [`Rule::AdamW`] at the rate lr·max(RMS(p), least_scale) for each parameter, as Adafactor's rates are scaled, by
    /// which nanoT5 trains T5; the decay goes with lr alone.
    AdamWScaled {
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
        /// The least that the rate is multiplied by.
        #[serde(default = "least_scale")]
        least_scale: f64,
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
    /// A second moment of n + m numbers for a matrix of n·m weights, and rates that follow the weights' own scale.
    Adafactor(Adafactor),
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
    /// Root mean square of the whole parameter, where the rule asks for it.
    pub rms: f64,
}

impl Rule {
    /// AdamW with β = (0.9, 0.999), ε = 1e-8 and the given decay.
    pub fn adam_w(weight_decay: f64) -> Self {
        Self::AdamW { beta1: beta1(), beta2: beta2(), eps: eps(), weight_decay, amsgrad: false }
    }

    /// The buffers as large as the parameters that the rule keeps between steps, by the names they have in a
    /// checkpoint. Adafactor keeps others, of sizes of their own.
    pub fn moments(&self) -> &'static [&'static str] {
        match self {
            Self::AdamW { amsgrad: true, .. } => &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
            Self::AdamW { .. }
            | Self::AdamWScaled { .. }
            | Self::Adam { .. }
            | Self::AdamWeightDecay { .. } => &["exp_avg", "exp_avg_sq"],
            Self::Sgd { momentum: 0.0, .. } => &[],
            Self::Sgd { .. } => &["momentum_buffer"],
            Self::Lion { .. } => &["exp_avg"],
            Self::Adafactor(_) => &[],
        }
    }

    /// Whether [`Rule::apply`] wants one parameter at a time, with its root mean square.
    pub(crate) fn asks_for_rms(&self) -> bool {
        matches!(self, Self::AdamWScaled { .. })
    }

    /// Updates the parameters `p` from their gradients `g`, and the moments, which lie in the order of
    /// [`Rule::moments`].
    pub(crate) fn apply(&self, update: Update, p: &mut [f32], g: &[f32], moments: &mut [&mut [f32]]) {
        let Update { step, lr, grad_scale, decays, rms } = update;
        let decay = |rate: f64| if decays { rate } else { 0.0 };
        let bias = |beta: f64| 1.0 - beta.powf(step as f64);
        match (*self, moments) {
            (Self::AdamW { beta1, beta2, eps, weight_decay, amsgrad: false }, [m, v]) => {
                let weight_decay = decay(weight_decay);
                adamw(&AdamW { lr, beta1, beta2, eps, weight_decay, step, grad_scale }, p, g, m, v);
            }
            (Self::AdamW { beta1, beta2, eps, weight_decay, .. }, [m, v, largest]) => {
                let keep = 1.0 - lr * decay(weight_decay);
                let form = AdamForm::new([beta1, beta2], lr / bias(beta1), bias(beta2), eps);
                AdamForm { keep: keep as f32, ..form }.run(p, g, grad_scale, [m, v], Some(largest));
            }
            (Self::AdamWScaled { beta1, beta2, eps, weight_decay, least_scale }, [m, v]) => {
                let scale = rms.max(least_scale);
                let (lr, weight_decay) = (lr * scale, decay(weight_decay) / scale);
                adamw(&AdamW { lr, beta1, beta2, eps, weight_decay, step, grad_scale }, p, g, m, v);
            }
            (Self::Adam { beta1, beta2, eps, weight_decay }, [m, v]) => {
                let form = AdamForm::new([beta1, beta2], lr / bias(beta1), bias(beta2), eps);
                AdamForm { l2: decay(weight_decay) as f32, ..form }.run(p, g, grad_scale, [m, v], None);
            }
            (Self::AdamWeightDecay { beta1, beta2, eps, weight_decay }, [m, v]) => {
                let keep = 1.0 - lr * decay(weight_decay);
                let form = AdamForm::new([beta1, beta2], lr, 1.0, eps);
                AdamForm { keep: keep as f32, ..form }.run(p, g, grad_scale, [m, v], None);
            }
            (Self::Sgd { momentum, nesterov, weight_decay }, buffer) => {
                let l2 = decay(weight_decay);
                sgd(p, g, [lr, grad_scale, l2, momentum].map(|x| x as f32), nesterov, step == 1, buffer);
            }
            (Self::Lion { beta1, beta2, weight_decay }, [m]) => {
                let keep = (1.0 - lr * decay(weight_decay)) as f32;
                lion(p, g, [Mean::new(beta1), Mean::new(beta2)], [lr, grad_scale].map(|x| x as f32), keep, m);
            }
            (rule, moments) => {
                panic!("{rule:?} keeps {:?}, was given {} buffers", rule.moments(), moments.len())
            }
        }
    }
}

/// What the forms of Adam share: m ← mean of g + l2·p, v ← mean of its square, p ← keep·p − rate·m/(√v·root + eps).
#[derive(Clone, Copy)]
struct AdamForm {
    first: Mean,
    second: Mean,
    rate: f32,
    root: f32,
    eps: f32,
    l2: f32,
    keep: f32,
}

impl AdamForm {
    /// Without decay; v is divided by `bias` before its root is taken.
    fn new([beta1, beta2]: [f64; 2], rate: f64, bias: f64, eps: f64) -> Self {
        let (first, second) = (Mean::new(beta1), Mean::new(beta2));
        let (rate, root, eps) = (rate as f32, bias.sqrt().recip() as f32, eps as f32);
        Self { first, second, rate, root, eps, l2: 0.0, keep: 1.0 }
    }

    /// With `largest`, the root is that of the largest v so far.
    fn run(
        self,
        p: &mut [f32],
        g: &[f32],
        grad_scale: f64,
        [m, v]: [&mut [f32]; 2],
        mut largest: Option<&mut [f32]>,
    ) {
        let scale = grad_scale as f32;
        for i in 0..p.len() {
            let g = scale * g[i] + self.l2 * p[i];
            m[i] = self.first.of(m[i], g);
            v[i] = self.second.of(v[i], g * g);
            let square = largest.as_mut().map_or(v[i], |largest| {
                largest[i] = largest[i].max(v[i]);
                largest[i]
            });
            p[i] = self.keep * p[i] - self.rate * m[i] / (square.sqrt() * self.root + self.eps);
        }
    }
}

fn sgd(
    p: &mut [f32],
    g: &[f32],
    [lr, scale, l2, momentum]: [f32; 4],
    nesterov: bool,
    first: bool,
    buffer: &mut [&mut [f32]],
) {
    for i in 0..p.len() {
        let mut g = scale * g[i] + l2 * p[i];
        if let [buffer] = buffer {
            buffer[i] = if first { g } else { momentum * buffer[i] + g };
            g = if nesterov { g + momentum * buffer[i] } else { buffer[i] };
        }
        p[i] -= lr * g;
    }
}

fn lion(p: &mut [f32], g: &[f32], [ahead, kept]: [Mean; 2], [lr, scale]: [f32; 2], keep: f32, m: &mut [f32]) {
    for i in 0..p.len() {
        let g = scale * g[i];
        let direction = ahead.of(m[i], g);
        let sign = if direction == 0.0 { 0.0 } else { direction.signum() };
        p[i] = keep * p[i] - lr * sign;
        m[i] = kept.of(m[i], g);
    }
}

/// An exponential mean: β·old + (1 − β)·new. Both factors are rounded from f64, for 1 − β loses its digits in f32.
#[derive(Clone, Copy)]
pub(crate) struct Mean {
    beta: f32,
    rest: f32,
}

impl Mean {
    pub fn new(beta: f64) -> Self {
        Self { beta: beta as f32, rest: (1.0 - beta) as f32 }
    }

    pub fn of(self, old: f32, new: f32) -> f32 {
        self.beta * old + self.rest * new
    }
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

fn least_scale() -> f64 {
    1e-3
}

fn lion_beta2() -> f64 {
    0.99
}
