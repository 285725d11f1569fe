use std::path::{Path, PathBuf};

/// What can go wrong between the files of a task and the ids that a model learns from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A name that no task has.
    #[error("no task is called {name:?}; the tasks are {known}")]
    UnknownTask {
        /// The name.
        name: String,
        /// All that there are.
        known: String,
    },
    /// A folder without the files of a task.
    #[error("{}: nothing to read for task {task}: expected {expected}", folder.display())]
    NoFile {
        /// The task.
        task: &'static str,
        /// Where its files should be.
        folder: PathBuf,
        /// What they could be called.
        expected: String,
    },
    /// A task that reads files was given none.
    #[error("task {task} reads files: expected a path, found none")]
    NoPath {
        /// The task.
        task: &'static str,
    },
    /// A line of a table without the columns that a task reads.
    #[error("{}:{line}: expected the columns {expected}, found {found}", path.display())]
    Columns {
        /// The table.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The columns that are read, by name.
        expected: String,
        /// What the line has.
        found: String,
    },
    /// A record that is not what it should be.
    #[error("{}:{line}: expected {expected}, found {found}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The line, from 1; 1 in a file that is one value.
        line: usize,
        /// What a task reads.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Two files that do not belong together.
    #[error("{} has {lines} lines, {} has {others}: a translation has as many", path.display(), other.display())]
    Unpaired {
        /// One.
        path: PathBuf,
        /// Its lines.
        lines: usize,
        /// The other.
        other: PathBuf,
        /// Its lines.
        others: usize,
    },
    /// A target that does not fit.
    #[error(
        "{member}: a target of {found} ids where {allowed} are allowed, the end of text included: {start:?}"
    )]
    LongTarget {
        /// The task.
        member: String,
        /// The most ids.
        allowed: usize,
        /// Its ids.
        found: usize,
        /// How it begins.
        start: String,
    },
    /// A mixture file that is not one.
    #[error("{}: {message}", path.display())]
    MixtureFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A setting without meaning.
    #[error("{name} must be {expected}, found {found}")]
    Setting {
        /// Its name.
        name: String,
        /// What it may be.
        expected: &'static str,
        /// What it was.
        found: String,
    },
    /// A saved position of another mixture.
    #[error("the saved position is in a mixture of {found}, this one is of {expected}")]
    OtherMixture {
        /// The members at hand.
        expected: String,
        /// Those of the saved position.
        found: String,
    },
    /// The text could not be read.
    #[error(transparent)]
    Data(#[from] tercet_data::Error),
    /// The objective could not be used.
    #[error(transparent)]
    Objective(#[from] tercet_objectives::Error),
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
