use serde::{Deserialize, Serialize};
use tercet_tensor::Init;

use crate::config::Config;

/// Which published initialisation to start from. They agree on everything but the feed-forward layers' tails, the
/// position scores and an untied output layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitPreset {
    /// The authors' t5x: every matrix starts with variance 1/inputs, so that untied logits begin near 0.
    #[default]
    T5x,
    /// Hugging Face's: an untied output layer starts with variance 1.
    Hf,
}

/// How each matrix starts: by its own fan-in, for there are no biases and no norm behind it to correct the scale.
pub(crate) struct Inits<'a> {
    config: &'a Config,
    preset: InitPreset,
}

/// The spread of a normal that is cut off at two deviations, as a share of its spread before.
const TRUNCATED: f32 = 0.879_625_7;

impl<'a> Inits<'a> {
    pub fn new(config: &'a Config, preset: InitPreset) -> Self {
        Self { config, preset }
    }

    /// The queries' projection also carries the 1/√d_kv that the scores are not divided by.
    pub fn q(&self) -> Init {
        self.normal(self.config.d_model * self.config.d_kv)
    }

    pub fn kv(&self) -> Init {
        self.normal(self.config.d_model)
    }

    /// The dense layers of the heads.
    pub fn head(&self) -> Init {
        self.normal(self.config.d_model)
    }

    pub fn o(&self) -> Init {
        self.normal(self.config.inner_width())
    }

    pub fn wi(&self) -> Init {
        self.kernel(self.config.d_model)
    }

    pub fn wo(&self) -> Init {
        self.kernel(self.config.d_ff)
    }

    pub fn embedding(&self) -> Init {
        self.normal(1)
    }

    pub fn lm_head(&self) -> Init {
        match self.preset {
            InitPreset::T5x => self.kernel(self.config.d_model),
            InitPreset::Hf => self.normal(1),
        }
    }

    /// t5x draws uniformly, with the mean of buckets and heads as fan-in.
    pub fn relative_bias(&self) -> Init {
        let sides = self.config.relative_attention_num_buckets + self.config.num_heads;
        match self.preset {
            InitPreset::T5x => {
                Init::Uniform { limit: self.config.initializer_factor * (6.0 / sides as f32).sqrt() }
            }
            InitPreset::Hf => self.normal(self.config.d_model),
        }
    }

    fn normal(&self, inputs: usize) -> Init {
        Init::Normal { std: self.std(inputs) }
    }

    fn kernel(&self, inputs: usize) -> Init {
        match self.preset {
            InitPreset::T5x => Init::TruncatedNormal { std: self.std(inputs) / TRUNCATED },
            InitPreset::Hf => self.normal(inputs),
        }
    }

    fn std(&self, inputs: usize) -> f32 {
        self.config.initializer_factor / (inputs as f32).sqrt()
    }
}
