#![doc = include_str!("../README.md")]

mod encoder;
mod encoding;
mod error;
mod fingerprint;
mod load;
mod save;
mod stream;
mod tokenizer;
mod train;

pub use encoder::Encoder;
pub use encoding::Encoding;
pub use error::{Error, Result};
pub use fingerprint::Fingerprint;
pub use stream::StreamDecoder;
pub use tokenizer::{Special, Tokenizer};
pub use train::{Algorithm, Training};
