use std::path::{Path, PathBuf};

/// What can go wrong between text, ids and tokenizer files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A tokenizer file does not hold what its name promises.
    #[error("{}: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        message: String,
    },
    /// A folder holds no tokenizer in a form that is known.
    #[error(
        "{}: no tokenizer in this folder: expected tokenizer.json, or vocab.json with merges.txt",
        folder.display()
    )]
    NoTokenizer {
        /// The folder.
        folder: PathBuf,
    },
    /// A text could not be turned into ids.
    #[error("cannot encode the text: {0}")]
    Encode(String),
    /// A character-level tokenizer met a character that its training text did not have.
    #[error("character {character:?} at byte {offset} is not among the {size} characters of the tokenizer")]
    UnknownCharacter {
        /// The character.
        character: char,
        /// Where in the text it starts, in bytes.
        offset: usize,
        /// How many entries the vocabulary has.
        size: usize,
    },
    /// Ids could not be turned into text.
    #[error("cannot decode the ids: {0}")]
    Decode(String),
    /// An id that the vocabulary does not have.
    #[error("id {id} is not in the vocabulary of {size} entries")]
    UnknownId {
        /// The id.
        id: u32,
        /// How many entries the vocabulary has.
        size: usize,
    },
    /// The vocabulary asked for cannot hold what every vocabulary of its kind must hold.
    #[error("a vocabulary of {asked} is too small: {least} entries are taken by {taken_by}")]
    VocabularySize {
        /// The size asked for.
        asked: usize,
        /// The smallest size that works.
        least: usize,
        /// What takes these entries.
        taken_by: &'static str,
    },
    /// There was no text to train on.
    #[error("cannot train a tokenizer: the text is empty")]
    EmptyText,
    /// Training failed inside the algorithm.
    #[error("cannot train a tokenizer: {0}")]
    Train(String),
}

/// The result of anything in this crate that reads text, ids or files.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn format(path: &Path, message: impl ToString) -> Self {
        Self::Format { path: path.to_owned(), message: message.to_string() }
    }
}
