use std::path::PathBuf;

/// What can be wrong with a BERT configuration or folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of the configuration has a value that no model can be built with.
    #[error("config: {field} is {found}, expected {expected}")]
    Config {
        /// The field, as in config.json.
        field: &'static str,
        /// What would be right.
        expected: String,
        /// What was found.
        found: String,
    },
    /// config.json is not JSON, or a field has the wrong type.
    #[error("{path}: {source}", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where, and what was expected.
        source: serde_json::Error,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The weights lack the head that was asked for.
    #[error("{path}: no {head} head: {missing} is missing{saved}", path = path.display(),
        saved = architecture.as_ref().map_or(String::new(), |name| format!(" from what was saved as {name}")))]
    NoHead {
        /// The folder.
        path: PathBuf,
        /// What the head is for.
        head: &'static str,
        /// The first of its tensors.
        missing: String,
        /// The class that the configuration names.
        architecture: Option<String>,
    },
    /// The pooler's vector was asked for, and the weights have no pooler.
    #[error("the model has no pooler; take the mean or [CLS]")]
    NoPooler,
    /// More layers were asked for than there are.
    #[error("{found} layers asked for, the model has 1 to {there} with its embeddings")]
    Layers {
        /// How many were asked for.
        found: usize,
        /// How many there are.
        there: usize,
    },
    /// A text has more tokens than the model has positions, or none.
    #[error("{found} tokens, the model takes 1 to {limit}")]
    Length {
        /// The tokens of the text.
        found: usize,
        /// The positions of the model.
        limit: usize,
    },
    /// An id or a segment is beyond its embeddings: the tokenizer is not this model's.
    #[error("{what} {found}, the model has embeddings for {size}")]
    Beyond {
        /// Token id or segment.
        what: &'static str,
        /// The number.
        found: u32,
        /// One more than the largest that there may be.
        size: usize,
    },
    /// The weights could not be read or written, or do not fit the configuration.
    #[error(transparent)]
    Weights(#[from] tercet_tensor::Error),
}
