use std::fs;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tercet_nn::activation_named;
use tercet_tensor::Activation;

use crate::error::Error;

/// GPT-2's `config.json`, with Hugging Face's names and defaults. Fields that it does not know are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Tokens of the vocabulary.
    pub vocab_size: usize,
    /// Positions there are embeddings for: the longest sequence.
    pub n_positions: usize,
    /// Width of the residual stream.
    pub n_embd: usize,
    /// Number of blocks.
    pub n_layer: usize,
    /// Attention heads of a block.
    pub n_head: usize,
    /// Width of the feed-forward layer; `null` is 4·n_embd.
    pub n_inner: Option<usize>,
    /// The feed-forward layer's activation.
    pub activation_function: String,
    /// Dropout of each residual branch.
    pub resid_pdrop: f32,
    /// Dropout of the summed embeddings.
    pub embd_pdrop: f32,
    /// Dropout of the attention weights.
    pub attn_pdrop: f32,
    /// ε of every layer norm.
    pub layer_norm_epsilon: f32,
    /// Standard deviation of the initial weights.
    pub initializer_range: f32,
    /// Whether scores are divided by √(head width).
    pub scale_attn_weights: bool,
    /// Whether the scores of layer i are divided by i + 1 as well.
    pub scale_attn_by_inverse_layer_idx: bool,
    /// A different order of the same arithmetic in half precision; changes nothing here.
    pub reorder_and_upcast_attn: bool,
    /// Whether the output layer is the token embedding.
    pub tie_word_embeddings: bool,
    /// Cross-attention to an encoder, which this model does not have.
    pub add_cross_attention: bool,
    /// Id of the token that begins a text.
    pub bos_token_id: Option<u32>,
    /// Id of the token that ends a text.
    pub eos_token_id: Option<u32>,
    /// Id of padding in Hugging Face's padded batches; sequence classification looks for it.
    pub pad_token_id: Option<u32>,
    /// Which position the multiple-choice head of the double-heads model reads: `cls_index`, `first`, `last`, `mean`.
    pub summary_type: String,
    /// Whether the multiple-choice head projects.
    pub summary_use_proj: bool,
    /// Activation after that projection: `tanh` or none.
    pub summary_activation: Option<String>,
    /// Whether it projects to `num_labels` rather than to the hidden width.
    pub summary_proj_to_labels: bool,
    /// Dropout before that projection.
    pub summary_first_dropout: f32,
    /// Labels of the classification heads, by number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id2label: Option<Map<String, Value>>,
    /// Always `gpt2`.
    pub model_type: String,
    /// All other fields.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for Config {
    /// The 124M model, as Hugging Face's `GPT2Config()`.
    fn default() -> Self {
        Self {
            vocab_size: 50257,
            n_positions: 1024,
            n_embd: 768,
            n_layer: 12,
            n_head: 12,
            n_inner: None,
            activation_function: "gelu_new".to_owned(),
            resid_pdrop: 0.1,
            embd_pdrop: 0.1,
            attn_pdrop: 0.1,
            layer_norm_epsilon: 1e-5,
            initializer_range: 0.02,
            scale_attn_weights: true,
            scale_attn_by_inverse_layer_idx: false,
            reorder_and_upcast_attn: false,
            tie_word_embeddings: true,
            add_cross_attention: false,
            bos_token_id: Some(50256),
            eos_token_id: Some(50256),
            pad_token_id: None,
            summary_type: "cls_index".to_owned(),
            summary_use_proj: true,
            summary_activation: None,
            summary_proj_to_labels: true,
            summary_first_dropout: 0.1,
            id2label: None,
            model_type: "gpt2".to_owned(),
            other: Map::new(),
        }
    }
}

/// A size with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// 2 layers, 128 wide, 2 heads: for tests and first steps.
    Tiny,
    /// 4 layers, 256 wide, 4 heads.
    Mini,
    /// 12 layers, 768 wide, 12 heads: the published 124M model.
    Small,
    /// 24 layers, 1024 wide, 16 heads: 355M.
    Medium,
    /// 36 layers, 1280 wide, 20 heads: 774M.
    Large,
    /// 48 layers, 1600 wide, 25 heads: 1.5B.
    Xl,
}

impl Preset {
    /// Every preset, smallest first.
    pub const ALL: [Self; 6] = [Self::Tiny, Self::Mini, Self::Small, Self::Medium, Self::Large, Self::Xl];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Mini => "mini",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
            Self::Xl => "xl",
        }
    }

    /// The configuration of this size, everything else at its default.
    pub fn config(self) -> Config {
        let (n_layer, n_embd, n_head) = match self {
            Self::Tiny => (2, 128, 2),
            Self::Mini => (4, 256, 4),
            Self::Small => (12, 768, 12),
            Self::Medium => (24, 1024, 16),
            Self::Large => (36, 1280, 20),
            Self::Xl => (48, 1600, 25),
        };
        Config { n_layer, n_embd, n_head, ..Config::default() }
    }
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let names = || Self::ALL.map(Self::name).join(", ");
        let unknown = || Error::Config { field: "size", expected: names(), found: name.to_owned() };
        Self::ALL.into_iter().find(|p| p.name() == name).ok_or_else(unknown)
    }
}

/// Which published initialisation to start from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitPreset {
    /// Hugging Face's: normal 0.02, and 0.02/√(2·n_layer) for the layers that end a residual branch.
    #[default]
    Hf,
    /// OpenAI's released code: normal 0.02 everywhere, position embeddings 0.01, no scaling by depth.
    OpenAi,
}

impl Config {
    /// Reads `config.json`, or the file of that name in a folder, and validates it.
    ///
    /// # Errors
    /// When the file cannot be read, is not JSON of this form, or describes an impossible model.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let path = if path.is_dir() { path.join("config.json") } else { path.to_owned() };
        let text = fs::read(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        let config: Self = serde_json::from_slice(&text).map_err(|source| Error::Json { path, source })?;
        config.validate()?;
        Ok(config)
    }

    /// Checks that a model can be built with these values.
    ///
    /// # Errors
    /// The first field that is impossible, with what was expected.
    pub fn validate(&self) -> Result<(), Error> {
        let wrong = |field, expected: String, found: String| Err(Error::Config { field, expected, found });
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("n_positions", self.n_positions),
            ("n_embd", self.n_embd),
            ("n_head", self.n_head),
            ("n_inner", self.inner_width()),
        ];
        for (field, size) in sizes {
            if size == 0 || size > u32::MAX as usize {
                return wrong(field, "a size of at least 1 and below 2³²".to_owned(), size.to_string());
            }
        }
        if !self.n_embd.is_multiple_of(self.n_head) {
            let expected = format!("a divisor of n_embd {}", self.n_embd);
            return wrong("n_head", expected, self.n_head.to_string());
        }
        if activation_named(&self.activation_function).is_none() {
            let expected = "gelu, gelu_new, gelu_pytorch_tanh, relu, silu, tanh, quick_gelu or sigmoid";
            return wrong(
                "activation_function",
                expected.to_owned(),
                format!("{:?}", self.activation_function),
            );
        }
        let dropouts = [
            ("resid_pdrop", self.resid_pdrop),
            ("embd_pdrop", self.embd_pdrop),
            ("attn_pdrop", self.attn_pdrop),
            ("summary_first_dropout", self.summary_first_dropout),
        ];
        for (field, p) in dropouts {
            if !(0.0..1.0).contains(&p) {
                return wrong(field, "a probability in [0, 1)".to_owned(), p.to_string());
            }
        }
        if self.layer_norm_epsilon.is_nan() || self.layer_norm_epsilon <= 0.0 {
            return wrong(
                "layer_norm_epsilon",
                "a positive number".to_owned(),
                self.layer_norm_epsilon.to_string(),
            );
        }
        if self.add_cross_attention {
            return wrong("add_cross_attention", "false: GPT-2 has no encoder".to_owned(), "true".to_owned());
        }
        if self.model_type != "gpt2" {
            return wrong("model_type", "\"gpt2\"".to_owned(), format!("{:?}", self.model_type));
        }
        Ok(())
    }

    /// Width of the feed-forward layer.
    pub fn inner_width(&self) -> usize {
        self.n_inner.unwrap_or(4 * self.n_embd)
    }

    /// Number of classes of the classification heads; 2 where the configuration does not say.
    pub fn num_labels(&self) -> usize {
        let stated = self.other.get("num_labels").and_then(Value::as_u64).map(|n| n as usize);
        self.id2label.as_ref().map(Map::len).or(stated).unwrap_or(2)
    }

    /// This configuration without dropout.
    pub fn without_dropout(self) -> Self {
        Self { resid_pdrop: 0.0, embd_pdrop: 0.0, attn_pdrop: 0.0, summary_first_dropout: 0.0, ..self }
    }

    pub(crate) fn activation(&self) -> Activation {
        activation_named(&self.activation_function).expect("a validated configuration")
    }
}
