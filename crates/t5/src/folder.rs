use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use tercet_tensor::{LoadReport, OnMissing, Params, Weights, save_safetensors};

use crate::config::Config;
use crate::error::Error;
use crate::heads::T5ForConditionalGeneration;
use crate::init::InitPreset;

/// The names under which files hold the embedding: its own, and those of the copies that tie it.
const EMBEDDINGS: [&str; 3] = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];

/// A model read from a Hugging Face folder.
pub struct Loaded {
    /// What config.json says, and the weights about the output layer.
    pub config: Config,
    /// The parameters, with their values.
    pub params: Params,
    /// The model over them.
    pub model: T5ForConditionalGeneration,
    /// Names on which file and model disagreed.
    pub report: LoadReport,
}

impl T5ForConditionalGeneration {
    /// Reads `config.json` and the weights of a folder, single or sharded, under old names and new.
    ///
    /// # Errors
    /// When a file is missing or malformed, the configuration is impossible, or a tensor is missing, of another shape
    /// or without a place in the model.
    pub fn load(folder: impl AsRef<Path>) -> Result<Loaded, Error> {
        let folder = folder.as_ref();
        let config = Config::of_checkpoint(folder)?;
        let params = Params::new();
        let model = Self::new(&params, &config, InitPreset::default());
        let report = config.load_weights(folder, &params, OnMissing::Fail)?;
        if !report.unexpected.is_empty() {
            let (path, names) = (folder.to_owned(), report.unexpected);
            return Err(tercet_tensor::Error::Unexpected { path, names }.into());
        }
        Ok(Loaded { config, params, model, report })
    }
}

impl Config {
    /// Reads the `config.json` of a folder, and from its weights whether the output layer is tied: it is unless they
    /// hold an `lm_head.weight` that is not the embedding.
    ///
    /// Until transformers 5 `tie_word_embeddings: false` meant both untied and unscaled. Since then it is written as
    /// true for every T5 and `scale_decoder_outputs` says the other half. Both forms become the same configuration
    /// here.
    ///
    /// # Errors
    /// When a file is missing or malformed, or the configuration is impossible.
    pub fn of_checkpoint(folder: impl AsRef<Path>) -> Result<Self, Error> {
        let stated = Self::read(folder.as_ref().join("config.json"))?;
        let weights = Weights::open(folder.as_ref())?;
        let names: HashSet<&str> = weights.tensors().map(|(name, _)| name).collect();
        let embedding = EMBEDDINGS.into_iter().find(|name| names.contains(name));
        let tie_word_embeddings = match embedding {
            Some(embedding) if names.contains("lm_head.weight") => {
                weights.read("lm_head.weight")? == weights.read(embedding)?
            }
            _ => true,
        };
        let scale = stated.scales_decoder_outputs();
        let unusual = (scale != tie_word_embeddings).then_some(scale);
        let scale_decoder_outputs = stated.scale_decoder_outputs.or(unusual);
        Ok(Self { tie_word_embeddings, scale_decoder_outputs, ..stated })
    }

    /// Gives the parameters of any T5 model of this configuration the weights of a folder or file, with or without the
    /// `transformer.` prefix; parameters that it does not hold, such as a new head's, are treated as `on_missing` says.
    ///
    /// # Errors
    /// When a file is missing or malformed, a tensor has another shape, or one is missing that may not.
    pub fn load_weights(
        &self,
        path: impl AsRef<Path>,
        params: &Params,
        on_missing: OnMissing,
    ) -> Result<LoadReport, Error> {
        let weights = Weights::open(path)?;
        let known: HashSet<String> = params.entries().into_iter().map(|e| e.name).collect();
        let held: HashSet<&str> = weights.tensors().map(|(name, _)| bare(name)).collect();
        let embedding = EMBEDDINGS.into_iter().find(|name| held.contains(name));
        let place = |name: &str| {
            let name = match bare(name) {
                name if Some(name) == embedding => EMBEDDINGS[0],
                name if EMBEDDINGS.contains(&name) => return None,
                "lm_head.weight" if self.tie_word_embeddings => return None,
                // Old files hold position scores of the cross-attention, which were never used.
                name if name.ends_with("EncDecAttention.relative_attention_bias.weight") => return None,
                name => name,
            };
            let prefixed = format!("transformer.{name}");
            Some(if known.contains(&prefixed) { prefixed } else { name.to_owned() })
        };
        Ok(weights.load(params, place, on_missing)?)
    }

    /// Writes `config.json` and `model.safetensors` into a folder that exists, so that Hugging Face transformers loads
    /// it with equal outputs. `architecture` is the class, such as `T5ForConditionalGeneration`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>, params: &Params, architecture: &str) -> Result<(), Error> {
        let folder = folder.as_ref();
        self.write(folder.join("config.json"), architecture)?;
        save_safetensors(params, folder.join("model.safetensors"), |name| Some(name.to_owned()))?;
        Ok(())
    }

    /// Writes `config.json` alone.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: PathBuf, architecture: &str) -> Result<(), Error> {
        let mut config = self.clone();
        config.other.insert("architectures".to_owned(), serde_json::json!([architecture]));
        let mut text = serde_json::to_string_pretty(&config).expect("a configuration is plain data");
        text.push('\n');
        fs::write(&path, text).map_err(|source| Error::Io { path, source })
    }
}

/// A tensor's name without the prefix that some heads put before it.
fn bare(name: &str) -> &str {
    name.strip_prefix("transformer.").unwrap_or(name)
}
