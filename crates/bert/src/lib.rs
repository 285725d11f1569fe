#![doc = include_str!("../README.md")]

mod batch;
mod config;
mod error;
mod folder;
mod heads;
mod model;
mod pretraining;

pub use batch::BertBatch;
pub use config::{Config, Preset};
pub use error::Error;
pub use folder::architecture_of;
pub use heads::{
    BertForMultipleChoice, BertForNextSentencePrediction, BertForQuestionAnswering,
    BertForSequenceClassification, BertForTokenClassification,
};
pub use model::{Bert, Output, Pooler};
pub use pretraining::{BertForMaskedLm, BertForPreTraining, PreTrainingLoss};
