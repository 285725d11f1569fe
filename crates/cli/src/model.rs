use std::path::{Path, PathBuf};

use tercet_gpt2::{Config, Gpt2LmHead};
use tercet_tokenizer::Tokenizer;
use tercet_train::{Checkpoint, Checkpoints};

use crate::error::Error;

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
        check_fit(&path, &config, &tokenizer)?;
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

/// Checks that the model has an embedding for every id of the tokenizer.
///
/// # Errors
/// When it has not.
pub fn check_fit(path: &Path, config: &Config, tokenizer: &Tokenizer) -> Result<(), Error> {
    let (expected, found) = (config.vocab_size, tokenizer.vocab_size());
    if found > expected {
        return Err(Error::TokenizerModel { model: path.to_owned(), expected, found });
    }
    Ok(())
}
