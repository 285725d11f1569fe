use std::{io, path::PathBuf};

/// What a closure given to the trainer may fail with.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong in a training run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the run could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A checkpoint could not be written; the ones before it are untouched.
    #[error("could not save the checkpoint {path}: {source} (earlier checkpoints are intact)", path = path.display())]
    Save {
        /// The folder it was to become.
        path: PathBuf,
        /// Why not.
        source: Failure,
    },
    /// The output folder belongs to a run already.
    #[error("{path} already holds a run: resume it, or choose another folder", path = path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// Another process is writing to the output folder.
    #[error("{path} is in use by another process", path = path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// There is no run to resume.
    #[error("{path} holds no run to resume: it has no metrics.jsonl and no checkpoints", path = path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// A file of a checkpoint is not as its manifest says.
    #[error("{path} is damaged: expected {expected}, found {found}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Size or checksum in the manifest.
        expected: String,
        /// Size or checksum of what is there.
        found: String,
    },
    /// A file is not in the form it should have.
    #[error("{path}: {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// A file of weights or moments does not fit the model.
    #[error(transparent)]
    Weights(#[from] tercet_tensor::Error),
    /// A setting that decides the numbers is not the one that the run was started with.
    #[error("the run was started with {field} = {saved}, it cannot be resumed with {asked}")]
    Changed {
        /// The setting.
        field: &'static str,
        /// Its value in the checkpoint.
        saved: String,
        /// Its value now.
        asked: String,
    },
    /// A setting has a value that cannot be.
    #[error("{field} is {found}; it must be {expected}")]
    Setting {
        /// The setting.
        field: &'static str,
        /// What would be right.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// Trained parameters were not reached by the gradient: freeze them or use them.
    #[error("step {step}: no gradient reached {first}{others}", first = names[0], others = others(names))]
    NoGradient {
        /// The step, from 1.
        step: u64,
        /// The parameters.
        names: Vec<String>,
    },
    /// The loss or a gradient was infinite or NaN in too many steps in a row.
    #[error("{row} steps in a row had no finite gradient, the last is step {step}: {what}")]
    NotFinite {
        /// The last of them, from 1.
        step: u64,
        /// How many.
        row: u32,
        /// The loss, and the first parameter whose gradient is not finite.
        what: String,
    },
    /// A step had nothing to predict.
    #[error("step {step}: its micro-batches have no target at all")]
    NoTargets {
        /// The step, from 1.
        step: u64,
    },
    /// A closure or the source of batches failed.
    #[error("step {step}: {doing}: {source}")]
    Task {
        /// The step, from 1.
        step: u64,
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: Failure,
    },
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

fn others(names: &[String]) -> String {
    if names.len() > 1 { format!(" and {} other parameters", names.len() - 1) } else { String::new() }
}
