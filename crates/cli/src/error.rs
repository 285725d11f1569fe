use std::io;
use std::path::{Path, PathBuf};

/// What ends a command early. Its message is the one line that the user sees.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A flag has a value that the command cannot work with.
    #[error("--{flag} is {found}, expected {expected}")]
    Flag {
        /// The flag without its dashes.
        flag: &'static str,
        /// What would be right.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A run file is not one.
    #[error("{}: {reason}", path.display())]
    RunFile {
        /// The file.
        path: PathBuf,
        /// Which line, and what is wrong with it.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A tokenizer has more entries than the model has embeddings.
    #[error(
        "{}: the model has a vocabulary of {expected}, the tokenizer has {found} entries: they do not belong together",
        model.display()
    )]
    TokenizerModel {
        /// The model's folder.
        model: PathBuf,
        /// The model's vocabulary.
        expected: usize,
        /// The tokenizer's.
        found: usize,
    },
    /// A run has no model yet.
    #[error("{}: this run has no whole checkpoint", path.display())]
    NoCheckpoint {
        /// The run's folder.
        path: PathBuf,
    },
    /// Text from standard input is not text.
    #[error("standard input: not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// The first wrong byte.
        offset: usize,
    },
    /// What is to be worked on is not what it should be.
    #[error("{what}: expected {expected}, found {found}")]
    Input {
        /// The file, or what else it is.
        what: String,
        /// What is needed.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A text is not one that the command can work with.
    #[error("{place}: {reason}")]
    Text {
        /// Which: a line of a file, or an argument.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that would be overwritten.
    #[error("{} is there already: remove it, or choose another name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The threads could not be started.
    #[error("cannot start {threads} threads: {source}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system said.
        source: rayon::ThreadPoolBuildError,
    },
    /// Standard output is closed or full.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    /// A model or its folder is at fault.
    #[error(transparent)]
    Bert(#[from] tercet_bert::Error),
    /// A model or its folder is at fault.
    #[error(transparent)]
    Gpt2(#[from] tercet_gpt2::Error),
    /// A T5 or its folder is at fault.
    #[error(transparent)]
    T5(#[from] tercet_t5::Error),
    /// A mixture, or the files of its tasks.
    #[error(transparent)]
    Tasks(#[from] tercet_tasks::Error),
    /// Text, or a token store.
    #[error(transparent)]
    Data(#[from] tercet_data::Error),
    /// A tokenizer or its files.
    #[error(transparent)]
    Tokenizer(#[from] tercet_tokenizer::Error),
    /// What to make of text.
    #[error(transparent)]
    Objectives(#[from] tercet_objectives::Error),
    /// A run or its folder.
    #[error(transparent)]
    Train(#[from] tercet_train::Error),
    /// What to generate, or how.
    #[error(transparent)]
    Generate(#[from] tercet_generate::Error),
}

impl Error {
    /// An [`Error::Flag`].
    pub fn flag(flag: &'static str, expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Flag { flag, expected: expected.into(), found: found.to_string() }
    }

    /// An [`Error::Io`] about this file.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
