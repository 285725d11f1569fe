use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use tercet_tensor::{LoadReport, OnMissing, Params, Weights, save_safetensors};

use crate::config::Config;
use crate::error::Error;
use crate::heads::BertForNextSentencePrediction;
use crate::pretraining::BertForMaskedLm;

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

/// A model read from a Hugging Face folder.
pub struct Loaded<M> {
    /// What config.json says.
    pub config: Config,
    /// The parameters, with their values.
    pub params: Params,
    /// The model over them.
    pub model: M,
}

impl BertForMaskedLm {
    /// Reads a folder that has the masked-LM head, with or without others.
    ///
    /// # Errors
    /// When a file is missing or malformed, the configuration is impossible or names an unknown class, or a tensor is
    /// missing or of another shape.
    pub fn load(folder: impl AsRef<Path>) -> Result<Loaded<Self>, Error> {
        load(folder.as_ref(), "masked-LM", Self::new)
    }
}

impl BertForNextSentencePrediction {
    /// Reads a folder that has the next-sentence head, with or without others.
    ///
    /// # Errors
    /// As [`BertForMaskedLm::load`].
    pub fn load(folder: impl AsRef<Path>) -> Result<Loaded<Self>, Error> {
        load(folder.as_ref(), "next-sentence", Self::new)
    }
}

fn load<M>(
    folder: &Path,
    head: &'static str,
    new: impl FnOnce(&Params, &Config) -> M,
) -> Result<Loaded<M>, Error> {
    let config = Config::read(folder)?;
    known_architecture(&config)?;
    let params = Params::new();
    let model = new(&params, &config);
    let report = config.load_weights(folder, &params, OnMissing::Init { seed: 0 })?;
    let (path, names) = (folder.to_owned(), report.missing);
    let of_head = |name: &&String| name.starts_with("cls.") || name.starts_with("bert.pooler.");
    match names.first() {
        None => Ok(Loaded { config, params, model }),
        Some(first) if names.iter().all(|name| of_head(&name)) => {
            let architecture = architecture_of(&config).map(str::to_owned);
            Err(Error::NoHead { path, head, missing: first.clone(), architecture })
        }
        Some(_) => Err(tercet_tensor::Error::Missing { path, names }.into()),
    }
}

/// Refuses a configuration that names a class of which nothing is known here.
pub(crate) fn known_architecture(config: &Config) -> Result<(), Error> {
    const KNOWN: [&str; 8] = [
        "BertModel",
        "BertForPreTraining",
        "BertForMaskedLM",
        "BertForNextSentencePrediction",
        "BertForSequenceClassification",
        "BertForTokenClassification",
        "BertForQuestionAnswering",
        "BertForMultipleChoice",
    ];
    match architecture_of(config) {
        Some(name) if !KNOWN.contains(&name) => Err(Error::Config {
            field: "architectures",
            expected: KNOWN.join(", "),
            found: format!("{name:?}"),
        }),
        _ => Ok(()),
    }
}

/// The class that a configuration names, such as `BertForMaskedLM`; `None` where it names none.
pub fn architecture_of(config: &Config) -> Option<&str> {
    config.other.get("architectures")?.get(0)?.as_str()
}
