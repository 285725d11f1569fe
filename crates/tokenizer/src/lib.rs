#![doc = include_str!("../README.md")]

mod encoder;
mod encoding;
mod error;
mod fingerprint;
mod input;
mod load;
mod save;
mod spiece;
mod stream;
mod tokenizer;
mod train;
mod truncation;
mod unigram;
mod word_piece;

pub use encoder::Encoder;
pub use encoding::Encoding;
pub use error::{Error, Result};
pub use fingerprint::Fingerprint;
pub use input::Input;
pub use stream::StreamDecoder;
pub use tokenizer::{Special, Tokenizer};
pub use train::{Algorithm, Training};
pub use truncation::{Strategy, Truncation};
pub use word_piece::Normalization;
