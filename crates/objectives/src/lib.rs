#![doc = include_str!("../README.md")]

pub mod causal;
pub mod denoising;
mod error;
pub mod masked;
mod ragged;
mod random;
pub mod spans;
mod targets;

pub use error::Error;
pub use ragged::Ragged;
pub use random::Random;
pub use targets::{IGNORE, Targets};
