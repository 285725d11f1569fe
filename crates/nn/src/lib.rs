#![doc = include_str!("../README.md")]

mod activation;
mod dropout;
mod embedding;
mod linear;
mod norm;
mod vocabulary;

pub use activation::activation_named;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use linear::{Bias, Linear};
pub use norm::{LayerNorm, RmsNorm};
pub use vocabulary::Vocabulary;
