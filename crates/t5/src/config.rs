use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tercet_nn::activation_named;
use tercet_tensor::Activation;

use crate::error::Error;

/// T5's `config.json`, with Hugging Face's names and defaults. Fields that it does not know are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Tokens of the vocabulary: 32,000 pieces and 100 sentinels, rounded up.
    pub vocab_size: usize,
    /// Width of the residual streams.
    pub d_model: usize,
    /// Width of one head's queries, keys and values; `num_heads·d_kv` need not be `d_model`.
    pub d_kv: usize,
    /// Width of the feed-forward layers.
    pub d_ff: usize,
    /// Number of the encoder's blocks.
    pub num_layers: usize,
    /// Number of the decoder's; `null` is as many as the encoder's.
    pub num_decoder_layers: Option<usize>,
    /// Attention heads of a layer.
    pub num_heads: usize,
    /// Buckets of distances that have a score of their own.
    pub relative_attention_num_buckets: usize,
    /// The distance from which on all are one bucket.
    pub relative_attention_max_distance: usize,
    /// Dropout of embeddings, of each branch, inside the feed-forward layers and of the attention weights.
    pub dropout_rate: f32,
    /// Dropout before and inside a classification head.
    pub classifier_dropout: f32,
    /// ε of every norm.
    pub layer_norm_epsilon: f32,
    /// Multiplies the spread of all initial weights.
    pub initializer_factor: f32,
    /// The feed-forward layers: an activation, or `gated-` and an activation, where `gated-gelu` is `gelu_new`.
    pub feed_forward_proj: String,
    /// Whether the output layer is the token embedding.
    pub tie_word_embeddings: bool,
    /// Whether the decoder's states are multiplied by d_model^−½ before the output layer. Files from before
    /// transformers 5 do not say it: there it goes with `tie_word_embeddings`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_decoder_outputs: Option<bool>,
    /// Id of padding in Hugging Face's padded batches.
    pub pad_token_id: Option<u32>,
    /// Id of the token that ends a text.
    pub eos_token_id: Option<u32>,
    /// Id that the decoder begins with; 0, the padding, in every published model.
    pub decoder_start_token_id: Option<u32>,
    /// Whether there is a decoder; false in folders of an encoder alone.
    pub is_encoder_decoder: bool,
    /// Labels of the classification heads, by number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id2label: Option<Map<String, Value>>,
    /// Always `t5`.
    pub model_type: String,
    /// All other fields.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for Config {
    /// T5 v1.0 small, as Hugging Face's `T5Config()`.
    fn default() -> Self {
        Self {
            vocab_size: 32128,
            d_model: 512,
            d_kv: 64,
            d_ff: 2048,
            num_layers: 6,
            num_decoder_layers: None,
            num_heads: 8,
            relative_attention_num_buckets: 32,
            relative_attention_max_distance: 128,
            dropout_rate: 0.1,
            classifier_dropout: 0.0,
            layer_norm_epsilon: 1e-6,
            initializer_factor: 1.0,
            feed_forward_proj: "relu".to_owned(),
            tie_word_embeddings: true,
            scale_decoder_outputs: None,
            pad_token_id: Some(0),
            eos_token_id: Some(1),
            decoder_start_token_id: Some(0),
            is_encoder_decoder: true,
            id2label: None,
            model_type: "t5".to_owned(),
            other: Map::new(),
        }
    }
}

/// The form of the feed-forward layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForwardProj {
    /// `act(x·Wᵢ)·Wₒ` (Vaswani et al. 2017).
    Dense(Activation),
    /// `(act(x·W₀) ⊙ x·W₁)·Wₒ` (Shazeer 2020).
    Gated(Activation),
}

impl Config {
    /// Reads `config.json`, or the file of that name in a folder, and validates it. What it says of
    /// `tie_word_embeddings` is not the last word: see [`Config::of_checkpoint`].
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
            ("d_model", self.d_model),
            ("d_kv", self.d_kv),
            ("d_ff", self.d_ff),
            ("num_layers", self.num_layers),
            ("num_decoder_layers", self.decoder_layers()),
            ("num_heads", self.num_heads),
        ];
        for (field, size) in sizes {
            if size == 0 || size > u32::MAX as usize {
                return wrong(field, "a size of at least 1 and below 2³²".to_owned(), size.to_string());
            }
        }
        let (buckets, farthest) = (self.relative_attention_num_buckets, self.relative_attention_max_distance);
        if buckets < 4 {
            let expected = "at least 4: two for each direction".to_owned();
            return wrong("relative_attention_num_buckets", expected, buckets.to_string());
        }
        if farthest <= buckets / 2 || farthest > u32::MAX as usize {
            let expected = format!("more than half of relative_attention_num_buckets {buckets}");
            return wrong("relative_attention_max_distance", expected, farthest.to_string());
        }
        let dropouts = [("dropout_rate", self.dropout_rate), ("classifier_dropout", self.classifier_dropout)];
        for (field, p) in dropouts {
            if !(0.0..1.0).contains(&p) {
                return wrong(field, "a probability in [0, 1)".to_owned(), p.to_string());
            }
        }
        let positive = [
            ("layer_norm_epsilon", self.layer_norm_epsilon),
            ("initializer_factor", self.initializer_factor),
        ];
        for (field, x) in positive {
            if !x.is_finite() || x <= 0.0 {
                return wrong(field, "a positive number".to_owned(), x.to_string());
            }
        }
        if self.parse_feed_forward().is_none() {
            let expected = "an activation (relu, gelu, gelu_new, silu, …), alone or after \"gated-\"";
            let found = format!("{:?}", self.feed_forward_proj);
            return wrong("feed_forward_proj", expected.to_owned(), found);
        }
        if self.model_type != "t5" {
            return wrong("model_type", "\"t5\"".to_owned(), format!("{:?}", self.model_type));
        }
        Ok(())
    }

    /// The form of the feed-forward layers.
    ///
    /// # Panics
    /// When the configuration is not valid.
    pub fn feed_forward(&self) -> FeedForwardProj {
        self.parse_feed_forward().expect("a validated configuration")
    }

    fn parse_feed_forward(&self) -> Option<FeedForwardProj> {
        Some(match self.feed_forward_proj.split_once('-') {
            // Published as `gelu`, trained with its approximation.
            Some(("gated", "gelu")) => FeedForwardProj::Gated(Activation::GeluNew),
            Some(("gated", name)) => FeedForwardProj::Gated(activation_named(name)?),
            Some(_) => return None,
            None => FeedForwardProj::Dense(activation_named(&self.feed_forward_proj)?),
        })
    }

    /// Number of the decoder's blocks.
    pub fn decoder_layers(&self) -> usize {
        self.num_decoder_layers.unwrap_or(self.num_layers)
    }

    /// The id that the decoder begins with; padding where the configuration does not say.
    pub fn decoder_start(&self) -> u32 {
        self.decoder_start_token_id.or(self.pad_token_id).unwrap_or(0)
    }

    /// Width of the queries of all heads together.
    pub fn inner_width(&self) -> usize {
        self.num_heads * self.d_kv
    }

    /// Whether the decoder's states are multiplied by d_model^−½ before the output layer.
    pub fn scales_decoder_outputs(&self) -> bool {
        self.scale_decoder_outputs.unwrap_or(self.tie_word_embeddings)
    }

    /// Number of classes of the classification heads; 2 where the configuration does not say.
    pub fn num_labels(&self) -> usize {
        let stated = self.other.get("num_labels").and_then(Value::as_u64).map(|n| n as usize);
        self.id2label.as_ref().map(Map::len).or(stated).unwrap_or(2)
    }

    /// This configuration without dropout.
    pub fn without_dropout(self) -> Self {
        Self { dropout_rate: 0.0, classifier_dropout: 0.0, ..self }
    }
}
