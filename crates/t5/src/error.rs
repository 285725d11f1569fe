use std::path::PathBuf;

/// What can be wrong with a T5 configuration or folder.
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
    /// The weights could not be read or written, or do not fit the configuration.
    #[error(transparent)]
    Weights(#[from] tercet_tensor::Error),
}
