use std::collections::HashSet;
use std::fs;
use std::path::Path;

use tercet_tensor::{LoadReport, OnMissing, Params, Weights, save_safetensors};

use crate::config::Config;
use crate::error::Error;

impl Config {
    /// Gives the parameters of any BERT model of this configuration the weights of a folder or file, with or without
    /// the `bert.` prefix and with the old names `gamma` and `beta`; parameters that it does not hold, such as a new
    /// head's, are treated as `on_missing` says.
    ///
    /// # Errors
    /// When a file is missing or malformed, a tensor has another shape, or one is missing that may not.
    pub fn load_weights(
        &self,
        path: impl AsRef<Path>,
        params: &Params,
        on_missing: OnMissing,
    ) -> Result<LoadReport, Error> {
        let known: HashSet<String> = params.entries().into_iter().map(|e| e.name).collect();
        let tied = self.tie_word_embeddings;
        let place = |name: &str| {
            let name = name
                .replace("LayerNorm.gamma", "LayerNorm.weight")
                .replace("LayerNorm.beta", "LayerNorm.bias");
            let prefixed = format!("bert.{name}");
            let bare = name.strip_prefix("bert.").filter(|n| known.contains(*n)).map(str::to_owned);
            match name.as_str() {
                n if n.ends_with("embeddings.position_ids") => None,
                // Tied copies, which old files store.
                "cls.predictions.decoder.weight" if tied => None,
                "cls.predictions.decoder.bias" => None,
                _ if known.contains(&prefixed) => Some(prefixed),
                _ => Some(bare.unwrap_or(name)),
            }
        };
        Ok(Weights::open(path)?.load(params, place, on_missing)?)
    }

    /// Writes `config.json` and `model.safetensors` into a folder that exists, so that Hugging Face transformers loads
    /// it with equal outputs. `architecture` is the class, such as `BertForPreTraining`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>, params: &Params, architecture: &str) -> Result<(), Error> {
        let mut config = self.clone();
        config.other.insert("architectures".to_owned(), serde_json::json!([architecture]));
        let mut text = serde_json::to_string_pretty(&config).expect("a configuration is plain data");
        text.push('\n');
        let path = folder.as_ref().join("config.json");
        fs::write(&path, text).map_err(|source| Error::Io { path, source })?;
        save_safetensors(params, folder.as_ref().join("model.safetensors"), |name| Some(name.to_owned()))?;
        Ok(())
    }
}

/// The class that a configuration names, such as `BertForMaskedLM`; `None` where it names none.
pub fn architecture_of(config: &Config) -> Option<&str> {
    config.other.get("architectures")?.get(0)?.as_str()
}
