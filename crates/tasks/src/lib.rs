#![doc = include_str!("../README.md")]

mod denoising;
mod encoder;
mod error;
mod example;
mod examples;
mod form;
mod mixture;
mod registry;
mod score;
mod source;
mod split;
mod task;

pub use denoising::{Denoising, TextPosition};
pub use encoder::{Encoder, Lengths};
pub use error::{Error, Result};
pub use example::{Example, Reference};
pub use examples::Examples;
pub use mixture::{Content, Drawn, Member, MemberEntry, Mixing, Mixture, MixtureFile, Place, Position};
pub use score::Score;
pub use split::Split;
pub use task::Task;
