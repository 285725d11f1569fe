use std::fs;
use std::path::{Path, PathBuf};

use tercet_tensor::{LoadReport, OnMissing, Params, Weights, save_safetensors};

use crate::config::{Config, InitPreset};
use crate::error::Error;
use crate::heads::Gpt2LmHead;

/// A language model read from a Hugging Face folder.
pub struct Loaded {
    /// What config.json says.
    pub config: Config,
    /// The parameters, with their values.
    pub params: Params,
    /// The model over them.
    pub model: Gpt2LmHead,
    /// Names on which file and model disagreed.
    pub report: LoadReport,
}

impl Gpt2LmHead {
    /// Reads `config.json` and the weights of a folder, single or sharded, with or without the `transformer.` prefix.
    ///
    /// Whether the output layer is tied is what the configuration says; a file that holds a copy of a tied one is
    /// read as well.
    ///
    /// # Errors
    /// When a file is missing or malformed, the configuration is impossible, or a tensor is missing, of another shape
    /// or without a place in the model.
    pub fn load(folder: impl AsRef<Path>) -> Result<Loaded, Error> {
        let folder = folder.as_ref();
        let config = Config::read(folder)?;
        let params = Params::new();
        let model = Self::new(&params, &config, InitPreset::Hf);
        let report = load_weights(folder, &params, &config, OnMissing::Fail)?;
        if !report.unexpected.is_empty() {
            let (path, names) = (folder.to_owned(), report.unexpected);
            return Err(tercet_tensor::Error::Unexpected { path, names }.into());
        }
        Ok(Loaded { config, params, model, report })
    }
}

/// Gives `params` the weights of a folder or file; for any head, whose own parameters may be missing from the file.
///
/// # Errors
/// As [`Gpt2LmHead::load`], except for tensors without a place, which are in the report.
pub(crate) fn load_weights(
    path: &Path,
    params: &Params,
    config: &Config,
    on_missing: OnMissing,
) -> Result<LoadReport, Error> {
    let known: std::collections::HashSet<String> = params.entries().into_iter().map(|e| e.name).collect();
    let tied = config.tie_word_embeddings;
    let place = |name: &str| {
        let prefixed = format!("transformer.{name}");
        match name {
            // The causal mask, which old files store.
            n if n.ends_with(".attn.bias") || n.ends_with(".attn.masked_bias") => None,
            "lm_head.weight" if tied => None,
            _ if known.contains(&prefixed) => Some(prefixed),
            _ => Some(name.to_owned()),
        }
    };
    Ok(Weights::open(path)?.load(params, place, on_missing)?)
}

impl Config {
    /// Gives the parameters of any GPT-2 model of this configuration the weights of a folder or file; parameters that
    /// it does not hold, such as a new head's, are drawn from `seed`.
    ///
    /// # Errors
    /// When a file is missing or malformed or a tensor has another shape.
    pub fn load_weights(
        &self,
        path: impl AsRef<Path>,
        params: &Params,
        seed: u64,
    ) -> Result<LoadReport, Error> {
        load_weights(path.as_ref(), params, self, OnMissing::Init { seed })
    }

    /// Writes `config.json` and `model.safetensors` into a folder that exists, so that Hugging Face transformers loads
    /// it with equal outputs. `architecture` is the class, such as `GPT2LMHeadModel`.
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
