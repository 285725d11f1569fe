#![doc = include_str!("../README.md")]

mod crc32c;
mod optimizer;
mod picture;
mod rule;
mod schedule;
mod tensorboard;

pub use optimizer::{Decays, Optimizer, clip_factor};
pub use picture::LossCurve;
pub use rule::Rule;
pub use schedule::{Decay, Ramp, Schedule};
pub use tensorboard::EventFile;
