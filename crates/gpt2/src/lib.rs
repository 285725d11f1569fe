#![doc = include_str!("../README.md")]

mod config;
mod cost;
mod error;
mod folder;
mod heads;
mod model;
mod session;

pub use config::{Config, InitPreset, Preset};
pub use cost::Cost;
pub use error::Error;
pub use folder::Loaded;
pub use heads::{
    DoubleHeads, Gpt2DoubleHeads, Gpt2ForQuestionAnswering, Gpt2ForSequenceClassification,
    Gpt2ForTokenClassification, Gpt2LmHead,
};
pub use model::{Gpt2, HiddenStates, Recompute};
pub use session::Session;
