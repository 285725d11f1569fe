#![doc = include_str!("../README.md")]

mod batch;
mod cache;
mod multi_head;
mod sequences;

pub use batch::{Batch, Padded};
pub use cache::Cache;
pub use multi_head::{Mask, MultiHead, Qkv};
pub use sequences::Sequences;
