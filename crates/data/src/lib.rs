#![doc = include_str!("../README.md")]

mod corpus;
mod error;
mod order;
mod sentences;
mod store;
pub mod stories;

pub use corpus::{Corpus, DocumentSplit, Piece, Pieces};
pub use error::{Error, Result};
pub use order::{Batch, Cursor, Order, Permutation, Prefetch, Windows};
pub use sentences::sentences;
pub use store::{Progress, StoreWriter, TokenStore, View};
