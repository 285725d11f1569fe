use std::path::{Path, PathBuf};

use tercet_tokenizer::Fingerprint;

/// What can go wrong between files of text and batches of ids.
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
    /// A folder or a pattern that holds no text.
    #[error("{input}: no text files here: expected {expected}")]
    NoFiles {
        /// The folder or pattern, as it was given.
        input: String,
        /// What would have been taken.
        expected: &'static str,
    },
    /// Files without a single document.
    #[error("{}: there is no text in it", first_of(paths))]
    NoText {
        /// The files.
        paths: Vec<PathBuf>,
    },
    /// Bytes that are not UTF-8.
    #[error("{}:{line}: not UTF-8 at byte {offset} of the text", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Where the first wrong byte is, from 0, in the decompressed text.
        offset: u64,
    },
    /// A line of a JSON lines file that is not a document.
    #[error("{}:{line}: expected a JSON object with a string `text`, found {found}", path.display())]
    NotADocument {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        found: String,
    },
    /// A JSON line that is too long to be held in memory.
    #[error("{}:{line}: the line is longer than {limit} bytes", path.display())]
    LongLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The most bytes that a line may have.
        limit: usize,
    },
    /// A file that is no token store of this version.
    #[error("{}: not a token store: expected {expected}, found {found}", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What the format says.
        expected: String,
        /// What the file says.
        found: String,
    },
    /// A token store whose length is not what its header says.
    #[error("{}: the token store is damaged: its header says {expected} bytes, the file has {found}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The length that follows from the header.
        expected: String,
        /// The length of the file.
        found: u64,
    },
    /// A token store whose content is not what was written.
    #[error("{}: the token store is damaged: {what}; delete it to have it made again", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The part whose checksum, or whose sense, is wrong.
        what: String,
    },
    /// A token store that another tokenizer made.
    #[error("{}: made with tokenizer {found}, which is not this one, {expected}", path.display())]
    OtherTokenizer {
        /// The file.
        path: PathBuf,
        /// The tokenizer in use.
        expected: Fingerprint,
        /// The tokenizer of the store.
        found: Fingerprint,
    },
    /// An id that the store's vocabulary does not have.
    #[error("id {id} does not fit a vocabulary of {vocab_size}")]
    Id {
        /// The id.
        id: u32,
        /// The size of the vocabulary.
        vocab_size: u64,
    },
    /// Too few tokens for a single window.
    #[error("{tokens} tokens are too few for one window of {needed}: give more text or shorter sequences")]
    TooShort {
        /// The tokens at hand.
        tokens: u64,
        /// The tokens of a window.
        needed: u64,
    },
    /// A setting without meaning.
    #[error("{name} must be {expected}, found {found}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it was.
        found: String,
    },
    /// A saved position that does not belong to this data.
    #[error(
        "the saved position is in data of {found} windows, this data has {expected}: the text or the settings have changed"
    )]
    OtherData {
        /// The windows of the data at hand.
        expected: u64,
        /// The windows of the data that the position was saved in.
        found: u64,
    },
    /// The tokenizer could not be used.
    #[error(transparent)]
    Tokenizer(#[from] tercet_tokenizer::Error),
}

/// The result of anything in this crate that reads files or settings.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

fn first_of(paths: &[PathBuf]) -> String {
    match paths {
        [path] => path.display().to_string(),
        [path, rest @ ..] => format!("{} and {} more files", path.display(), rest.len()),
        [] => "no files".into(),
    }
}
