#![doc = include_str!("../README.md")]

mod adafactor;
mod batches;
mod checkpoint;
mod config;
mod crc32c;
mod disk;
mod error;
mod event;
mod metrics;
mod optimizer;
mod picture;
mod rule;
mod run;
mod run_folder;
mod run_log;
mod schedule;
mod state;
mod step;
mod tensorboard;
mod trainer;

pub use adafactor::{Adafactor, DecayUnit};
pub use batches::{Batches, MicroBatch};
pub use checkpoint::{Checkpoint, Checkpoints, Latest};
pub use config::TrainConfig;
pub use error::{Error, Failure};
pub use event::{End, Evaluation, Event, Outcome, StepReport};
pub use metrics::{Record, read_metrics};
pub use optimizer::{Decays, Moment, Optimizer, clip_factor};
pub use picture::LossCurve;
pub use rule::Rule;
pub use run_folder::RunFolder;
pub use schedule::{Decay, Ramp, Schedule};
pub use state::{Best, RunningMean, State};
pub use tensorboard::EventFile;
pub use trainer::Trainer;
