use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tercet_generate::GenerationConfig;
use tercet_gpt2::{Config, Gpt2LmHead};
use tercet_t5::T5ForConditionalGeneration;
use tercet_tokenizer::Tokenizer;
use tercet_train::{Checkpoint, Checkpoints};

use crate::error::Error;
use crate::sample::{self, Begun};
use crate::text_to_text;

/// A model that writes, by its architecture.
pub enum Writer {
    /// One that continues a text.
    Gpt2(Config, Gpt2LmHead),
    /// One that answers it.
    T5(tercet_t5::Config, T5ForConditionalGeneration),
}

/// A model that writes text, and its tokenizer, from a folder.
pub struct TextModel {
    writer: Writer,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
}

/// How what a model writes stands to its prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// It goes on where the prompt ends.
    Continuation,
    /// It is a text of its own.
    Answer,
}

impl Writer {
    /// Reads prompts, and is ready to write as `settings` say.
    pub fn begin(&self, prompts: Vec<Vec<u32>>, settings: &GenerationConfig) -> Begun<'_> {
        match self {
            Self::Gpt2(config, model) => sample::begin(model, config, prompts, settings),
            Self::T5(config, model) => text_to_text::begin(model, config, &prompts, settings),
        }
    }

    fn vocab_size(&self) -> usize {
        match self {
            Self::Gpt2(config, _) => config.vocab_size,
            Self::T5(config, _) => config.vocab_size,
        }
    }
}

impl TextModel {
    /// Reads a Hugging Face folder, a checkpoint, or the best checkpoint of a run: what it is, its `config.json` tells.
    /// `tokenizer` is one from elsewhere.
    ///
    /// # Errors
    /// When a file is missing or damaged, tokenizer and model do not fit each other, or it is no model that writes.
    pub fn open(folder: &Path, tokenizer: Option<&Path>) -> Result<Self, Error> {
        let path = folder_of(folder)?;
        let writer = match model_type(&path)?.as_str() {
            "gpt2" => {
                let loaded = Gpt2LmHead::load(&path)?;
                Writer::Gpt2(loaded.config, loaded.model)
            }
            "t5" => {
                let loaded = T5ForConditionalGeneration::load(&path)?;
                Writer::T5(loaded.config, loaded.model)
            }
            found => {
                let (what, found) = (path.join("config.json").display().to_string(), found.to_owned());
                return Err(Error::Input { what, expected: "a model that writes, gpt2 or t5", found });
            }
        };
        let tokenizer = Tokenizer::open(tokenizer.unwrap_or(&path))?;
        check_fit(&path, writer.vocab_size(), &tokenizer)?;
        Ok(Self { writer, tokenizer })
    }

    /// The id that ends a text.
    pub fn end(&self) -> Option<u32> {
        let stated = match &self.writer {
            Writer::Gpt2(config, _) => config.eos_token_id,
            Writer::T5(config, _) => config.eos_token_id,
        };
        stated.or(self.tokenizer.end_of_text())
    }

    /// Ids that stand for nothing: a model may have more of them than its tokenizer, for the sake of round sizes.
    pub fn wordless(&self) -> Vec<u32> {
        (self.tokenizer.vocab_size() as u32..self.writer.vocab_size() as u32).collect()
    }

    /// How what it writes stands to its prompt.
    pub fn form(&self) -> Form {
        match &self.writer {
            Writer::Gpt2(..) => Form::Continuation,
            Writer::T5(..) => Form::Answer,
        }
    }

    /// Reads prompts, and is ready to write as `settings` say.
    ///
    /// # Errors
    /// When a prompt cannot be encoded.
    pub fn begin(&self, prompts: &[String], settings: &GenerationConfig) -> Result<Begun<'_>, Error> {
        let ids = |prompt: &String| match &self.writer {
            Writer::Gpt2(..) => sample::prompt_ids(prompt, &self.tokenizer),
            Writer::T5(..) => text_to_text::input_ids(prompt, &self.tokenizer),
        };
        let prompts = prompts.iter().map(ids).collect::<Result<_, _>>()?;
        Ok(self.writer.begin(prompts, settings))
    }
}

/// What a model folder's `config.json` calls its architecture. Files from before that was written are told by what only
/// theirs have.
///
/// # Errors
/// When the file cannot be read or tells neither.
pub fn model_type(folder: &Path) -> Result<String, Error> {
    let path = if folder.is_dir() { folder.join("config.json") } else { folder.to_owned() };
    let text = fs::read(&path).map_err(Error::io(&path))?;
    let wrong = |found: String| Error::Input {
        what: path.display().to_string(),
        expected: "a model's configuration",
        found,
    };
    let config: Value = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    if let Some(stated) = config["model_type"].as_str() {
        return Ok(stated.to_owned());
    }
    let telling =
        [("n_embd", "gpt2"), ("n_layer", "gpt2"), ("hidden_size", "bert"), ("d_kv", "t5"), ("d_model", "t5")];
    let told = telling.into_iter().find(|(field, _)| config.get(field).is_some());
    let found = || "one without model_type, n_embd, hidden_size or d_model".to_owned();
    told.map(|(_, name)| name.to_owned()).ok_or_else(|| wrong(found()))
}

/// A language model and its tokenizer, from a folder.
pub struct LanguageModel {
    /// Where it was read from.
    pub path: PathBuf,
    /// What its config.json says.
    pub config: Config,
    /// The model.
    pub model: Gpt2LmHead,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
}

impl LanguageModel {
    /// Reads a Hugging Face folder, a checkpoint, or the best checkpoint of a run; `tokenizer` is one from elsewhere.
    ///
    /// # Errors
    /// When a file is missing or damaged, or tokenizer and model do not fit each other.
    pub fn open(folder: &Path, tokenizer: Option<&Path>) -> Result<Self, Error> {
        let path = folder_of(folder)?;
        let config = Config::read(&path)?;
        let tokenizer = Tokenizer::open(tokenizer.unwrap_or(&path))?;
        check_fit(&path, config.vocab_size, &tokenizer)?;
        let loaded = Gpt2LmHead::load(&path)?;
        Ok(Self { path, config, model: loaded.model, tokenizer })
    }
}

/// The folder with the weights: that of a run's best checkpoint, or the folder itself. A checkpoint is compared with
/// its checksums.
///
/// # Errors
/// When a run has no checkpoint that is whole, or the checkpoint is damaged.
pub fn folder_of(folder: &Path) -> Result<PathBuf, Error> {
    let inside = folder.join("checkpoints");
    if !inside.is_dir() {
        if folder.join("manifest.json").is_file() {
            Checkpoint::open(folder)?;
        }
        return Ok(folder.to_owned());
    }
    let checkpoints = Checkpoints::new(inside);
    let latest = checkpoints.latest()?;
    let Some(checkpoint) = latest.checkpoint else {
        let damage = latest.damaged.into_iter().next();
        return Err(damage.map_or(Error::NoCheckpoint { path: folder.to_owned() }, |(_, error)| error.into()));
    };
    let best = checkpoint.state().best.map(|best| checkpoints.path(best.step));
    let whole = best.filter(|best| Checkpoint::open(best).is_ok());
    Ok(whole.unwrap_or_else(|| checkpoint.path().to_owned()))
}

/// Whether a `config.json`, or the file of that name in a folder, says how large the vocabulary is. Where it does not,
/// a new model takes the size of its tokenizer, not the published one.
///
/// # Errors
/// When the file cannot be read.
pub fn names_its_vocabulary(path: &Path) -> Result<bool, Error> {
    let path = if path.is_dir() { path.join("config.json") } else { path.to_owned() };
    let text = fs::read(&path).map_err(Error::io(&path))?;
    Ok(serde_json::from_slice::<Value>(&text).is_ok_and(|config| config.get("vocab_size").is_some()))
}

/// Checks that the model has an embedding for every id of the tokenizer.
///
/// # Errors
/// When it has not.
pub fn check_fit(path: &Path, vocab_size: usize, tokenizer: &Tokenizer) -> Result<(), Error> {
    let (expected, found) = (vocab_size, tokenizer.vocab_size());
    if found > expected {
        return Err(Error::TokenizerModel { model: path.to_owned(), expected, found });
    }
    Ok(())
}
