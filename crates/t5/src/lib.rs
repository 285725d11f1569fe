#![doc = include_str!("../README.md")]

mod batch;
mod config;
mod cost;
mod decoder;
mod encoder;
mod error;
mod folder;
mod heads;
mod init;
mod layers;
mod model;
mod relative_bias;
mod session;
mod size;

pub use batch::T5Batch;
pub use config::{Config, FeedForwardProj};
pub use cost::Cost;
pub use decoder::Memory;
pub use error::Error;
pub use folder::Loaded;
pub use heads::{
    T5EncoderModel, T5ForConditionalGeneration, T5ForQuestionAnswering, T5ForSequenceClassification,
    T5ForTokenClassification,
};
pub use init::InitPreset;
pub use layers::Probabilities;
pub use model::{Attentions, HiddenStates, T5};
pub use relative_bias::{Direction, relative_position_bucket};
pub use session::Session;
pub use size::{Preset, Version};
