#![doc = include_str!("../README.md")]

mod answers;
mod batch;
mod config;
mod cost;
mod error;
mod features;
mod folder;
mod heads;
mod model;
mod pretraining;

pub use answers::Candidate;
pub use batch::{BertBatch, Sequence, token_batches};
pub use config::{Config, Preset};
pub use cost::Cost;
pub use error::Error;
pub use features::{FeatureExtractor, Layers, Pooling, Scale};
pub use folder::{Loaded, architecture_of};
pub use heads::{
    BertForMultipleChoice, BertForNextSentencePrediction, BertForQuestionAnswering,
    BertForSequenceClassification, BertForTokenClassification,
};
pub use model::{Bert, Output, Pooler};
pub use pretraining::{BertForMaskedLm, BertForPreTraining, PreTrainingLoss};
