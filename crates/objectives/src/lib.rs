#![doc = include_str!("../README.md")]

pub mod causal;
mod error;
mod ragged;
mod targets;

pub use error::Error;
pub use ragged::Ragged;
pub use targets::{IGNORE, Targets};
