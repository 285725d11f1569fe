use clap::{Parser, Subcommand, ValueEnum};
use tercet_tensor::Precision;

use crate::bench::Bench;

/// Transformers on CPUs: pretrain, generate, evaluate, inspect.
#[derive(Debug, Parser)]
#[command(name = "tercet", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure this machine, and whole steps on it; prints JSON lines
    #[command(subcommand)]
    Bench(Bench),
}

/// How matrix products treat their operands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PrecisionArg {
    /// As they are
    #[default]
    F32,
    /// Rounded to bfloat16, summed in f32
    Bf16,
}

impl PrecisionArg {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

impl From<PrecisionArg> for Precision {
    fn from(precision: PrecisionArg) -> Self {
        match precision {
            PrecisionArg::F32 => Self::F32,
            PrecisionArg::Bf16 => Self::Bf16,
        }
    }
}
