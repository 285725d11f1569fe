//! The operations: few, coarse, one file each, every one with its backward.
//!
//! To add one, write a file with a function that computes the value and a struct that implements
//! [`Op`](crate::Op); the test `every_op_has_a_gradcheck` asks for its finite-difference check.

mod activation;
mod add;
mod attention;
mod binary_cross_entropy;
mod checkpoint;
mod columns;
mod cross_entropy;
mod dropout;
mod embedding;
mod gather_rows;
mod layer_norm;
mod linear;
mod mse;
mod mul;
mod reshape;
mod rms_norm;
mod scale;
mod sum;
mod transpose;
mod vocab_loss;

pub use activation::activation;
pub use add::add;
pub use attention::{AttentionSpec, Qkv, attention};
pub use binary_cross_entropy::binary_cross_entropy;
pub use checkpoint::checkpoint;
pub use columns::columns;
pub use cross_entropy::cross_entropy;
pub use dropout::dropout;
pub use embedding::embedding;
pub use gather_rows::gather_rows;
pub use layer_norm::layer_norm;
pub use linear::{Layout, linear};
pub use mse::mse;
pub use mul::mul;
pub use reshape::reshape;
pub use rms_norm::rms_norm;
pub use scale::scale;
pub use sum::sum;
pub use transpose::transpose;
pub use vocab_loss::{LossTerms, Target, VocabLoss, vocab_loss};
