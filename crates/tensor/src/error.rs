use std::path::PathBuf;

/// What can be wrong with a file of weights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not in the safetensors format, or is cut off.
    #[error("{path}: not a safetensors file: {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// A folder has no weights.
    #[error("{path}: found neither model.safetensors nor model.safetensors.index.json", path = path.display())]
    NoWeights {
        /// The folder.
        path: PathBuf,
    },
    /// A tensor has a shape that the model does not expect.
    #[error("{path}: tensor {name} has shape {found:?}, the model expects {expected:?}", path = path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The model's shape.
        expected: Vec<usize>,
        /// The file's shape.
        found: Vec<usize>,
    },
    /// A tensor has a type that is not a float of 16, 32 or 64 bits.
    #[error("{path}: tensor {name} is of type {found}; F32, F16, BF16 and F64 can be read", path = path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The file's type.
        found: String,
    },
    /// Tensors that the model needs are not in the file.
    #[error("{path}: missing {count} tensors: {list}", path = path.display(), count = names.len(), list = few(names))]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// The names.
        names: Vec<String>,
    },
    /// Tensors in the file belong to nothing in the model.
    #[error("{path}: {count} tensors have no place in this model: {list}", path = path.display(), count = names.len(), list = few(names))]
    Unexpected {
        /// The file or folder.
        path: PathBuf,
        /// The names.
        names: Vec<String>,
    },
}

/// The first few of a list of names, and how many more there are.
fn few(names: &[String]) -> String {
    let shown = names.iter().take(6).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > 6 { format!("{shown} and {} more", names.len() - 6) } else { shown }
}
