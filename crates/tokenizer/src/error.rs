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
        "{}: no tokenizer in this folder: expected tokenizer.json, vocab.json with merges.txt, \
         spiece.model or vocab.txt",
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
    /// A text cannot be cut to the length asked for.
    #[error("cannot cut to {max_length} ids: at least {least} are needed, for {taken_by}")]
    TooShort {
        /// The length asked for.
        max_length: usize,
        /// The shortest length that works.
        least: usize,
        /// What takes these ids.
        taken_by: &'static str,
    },
    /// The second of two texts was to be cut, and there is one.
    #[error("cannot cut the second text: there is only one")]
    NoSecondText,
    /// The pieces of a long text would not advance.
    #[error("pieces of {window} ids cannot share {stride} with the one before")]
    Stride {
        /// The ids to share.
        stride: usize,
        /// The ids of a piece.
        window: usize,
    },
    /// A regular expression to split by is not one.
    #[error("the pattern {pattern:?} is not a regular expression: {message}")]
    Pattern {
        /// The expression.
        pattern: String,
        /// What is wrong with it.
        message: String,
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
