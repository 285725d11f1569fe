use std::fs;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tercet_nn::activation_named;
use tercet_tensor::{Activation, Init};

use crate::batch::Sequence;
use crate::error::Error;

/// BERT's `config.json`, with Hugging Face's names and defaults. Fields that it does not know are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Tokens of the vocabulary.
    pub vocab_size: usize,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Attention heads of a layer.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// The feed-forward layer's activation, and the masked-LM head's.
    pub hidden_act: String,
    /// Dropout of embeddings and of each branch.
    pub hidden_dropout_prob: f32,
    /// Dropout of the attention weights.
    pub attention_probs_dropout_prob: f32,
    /// Positions there are embeddings for: the longest sequence.
    pub max_position_embeddings: usize,
    /// Segments there are embeddings for.
    pub type_vocab_size: usize,
    /// Standard deviation of the initial weights.
    pub initializer_range: f32,
    /// ε of every layer norm.
    pub layer_norm_eps: f32,
    /// Id of padding in Hugging Face's padded batches.
    pub pad_token_id: Option<u32>,
    /// Dropout before a classifier; `null` is `hidden_dropout_prob`.
    pub classifier_dropout: Option<f32>,
    /// Whether the masked-LM head's output layer is the word embedding.
    pub tie_word_embeddings: bool,
    /// Only `absolute` exists here.
    pub position_embedding_type: String,
    /// Whether this is a decoder, which this model is not.
    pub is_decoder: bool,
    /// Labels of the classification heads, by number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id2label: Option<Map<String, Value>>,
    /// Always `bert`; old files do not say it.
    pub model_type: String,
    /// All other fields.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for Config {
    /// BERT base, uncased.
    fn default() -> Self {
        Self {
            vocab_size: 30522,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: "gelu".to_owned(),
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            initializer_range: 0.02,
            layer_norm_eps: 1e-12,
            pad_token_id: Some(0),
            classifier_dropout: None,
            tie_word_embeddings: true,
            position_embedding_type: "absolute".to_owned(),
            is_decoder: false,
            id2label: None,
            model_type: "bert".to_owned(),
            other: Map::new(),
        }
    }
}

/// A published size: layers and width, from the 24 small BERTs (Turc et al. 2019) to large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    layers: usize,
    width: usize,
}

impl Preset {
    /// 2 layers, 128 wide.
    pub const TINY: Self = Self { layers: 2, width: 128 };
    /// 4 layers, 256 wide.
    pub const MINI: Self = Self { layers: 4, width: 256 };
    /// 4 layers, 512 wide.
    pub const SMALL: Self = Self { layers: 4, width: 512 };
    /// 8 layers, 512 wide.
    pub const MEDIUM: Self = Self { layers: 8, width: 512 };
    /// 12 layers, 768 wide.
    pub const BASE: Self = Self { layers: 12, width: 768 };
    /// 24 layers, 1024 wide.
    pub const LARGE: Self = Self { layers: 24, width: 1024 };

    /// The configuration of this size: heads of width 64, a feed-forward layer four times as wide.
    pub fn config(self) -> Config {
        Config {
            num_hidden_layers: self.layers,
            hidden_size: self.width,
            num_attention_heads: self.width / 64,
            intermediate_size: 4 * self.width,
            ..Config::default()
        }
    }
}

impl FromStr for Preset {
    type Err = Error;

    /// `tiny`, `mini`, `small`, `medium`, `base`, `large`, or one of the 24 as layers/width: `6/512`.
    fn from_str(name: &str) -> Result<Self, Error> {
        let named = [
            ("tiny", Self::TINY),
            ("mini", Self::MINI),
            ("small", Self::SMALL),
            ("medium", Self::MEDIUM),
            ("base", Self::BASE),
            ("large", Self::LARGE),
        ];
        let of_24 = || {
            let (layers, width) = name.split_once('/')?;
            let (layers, width) = (layers.parse().ok()?, width.parse().ok()?);
            let known = [2, 4, 6, 8, 10, 12].contains(&layers) && [128, 256, 512, 768].contains(&width);
            known.then_some(Self { layers, width })
        };
        let preset = named.iter().find(|(n, _)| *n == name).map(|(_, p)| *p).or_else(of_24);
        preset.ok_or_else(|| Error::Config {
            field: "size",
            expected:
                "tiny, mini, small, medium, base, large, or layers/width with 2 to 12 layers, 128 to 768 wide"
                    .to_owned(),
            found: name.to_owned(),
        })
    }
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
            ("hidden_size", self.hidden_size),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ];
        for (field, size) in sizes {
            if size == 0 || size > u32::MAX as usize {
                return wrong(field, "a size of at least 1 and below 2³²".to_owned(), size.to_string());
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let expected = format!("a divisor of hidden_size {}", self.hidden_size);
            return wrong("num_attention_heads", expected, self.num_attention_heads.to_string());
        }
        if activation_named(&self.hidden_act).is_none() {
            let expected = "gelu, gelu_new, gelu_pytorch_tanh, relu, silu, tanh, quick_gelu or sigmoid";
            return wrong("hidden_act", expected.to_owned(), format!("{:?}", self.hidden_act));
        }
        let dropouts = [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            ("attention_probs_dropout_prob", self.attention_probs_dropout_prob),
            ("classifier_dropout", self.classifier_dropout.unwrap_or(0.0)),
        ];
        for (field, p) in dropouts {
            if !(0.0..1.0).contains(&p) {
                return wrong(field, "a probability in [0, 1)".to_owned(), p.to_string());
            }
        }
        if self.layer_norm_eps.is_nan() || self.layer_norm_eps <= 0.0 {
            return wrong("layer_norm_eps", "a positive number".to_owned(), self.layer_norm_eps.to_string());
        }
        if self.position_embedding_type != "absolute" {
            let found = format!("{:?}", self.position_embedding_type);
            return wrong("position_embedding_type", "\"absolute\"".to_owned(), found);
        }
        if self.is_decoder {
            return wrong("is_decoder", "false: BERT is an encoder".to_owned(), "true".to_owned());
        }
        if self.model_type != "bert" {
            return wrong("model_type", "\"bert\"".to_owned(), format!("{:?}", self.model_type));
        }
        Ok(())
    }

    /// Checks that a model of this configuration can read a text.
    ///
    /// # Errors
    /// When the text is longer than the positions or empty, or an id or segment is beyond its embeddings.
    pub fn check_sequence(&self, sequence: &Sequence) -> Result<(), Error> {
        let (found, limit) = (sequence.ids.len(), self.max_position_embeddings);
        if found == 0 || found > limit {
            return Err(Error::Length { found, limit });
        }
        for (what, numbers, size) in [
            ("token id", &sequence.ids, self.vocab_size),
            ("segment", &sequence.token_types, self.type_vocab_size),
        ] {
            if let Some(&found) = numbers.iter().find(|&&number| number as usize >= size) {
                return Err(Error::Beyond { what, found, size });
            }
        }
        Ok(())
    }

    /// Number of classes of the classification heads; 2 where the configuration does not say.
    pub fn num_labels(&self) -> usize {
        let stated = self.other.get("num_labels").and_then(Value::as_u64).map(|n| n as usize);
        self.id2label.as_ref().map(Map::len).or(stated).unwrap_or(2)
    }

    /// This configuration without dropout.
    pub fn without_dropout(self) -> Self {
        Self {
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            classifier_dropout: Some(0.0),
            ..self
        }
    }

    /// How every weight matrix and embedding starts: a normal cut off at two deviations, as in the original code.
    pub(crate) fn init(&self) -> Init {
        Init::TruncatedNormal { std: self.initializer_range }
    }

    pub(crate) fn activation(&self) -> Activation {
        activation_named(&self.hidden_act).expect("a validated configuration")
    }

    pub(crate) fn classifier_dropout(&self) -> f32 {
        self.classifier_dropout.unwrap_or(self.hidden_dropout_prob)
    }
}
