#![doc = include_str!("../README.md")]

mod beam;
mod choice;
mod config;
mod error;
mod filter;
mod generation;
mod processor;
mod stop;

pub use choice::uniform;
pub use config::{EarlyStopping, GenerationConfig};
pub use error::Error;
pub use generation::{Finish, Generation, Output, Step, Token, generate};
pub use processor::{History, Processor};
pub use stop::StopStrings;
