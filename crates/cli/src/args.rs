use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use tercet_tensor::Precision;

use crate::bench::Bench;
use crate::{embed, eval, fill_mask, generate, inspect, next_sentence, pretrain, tokenizer};

/// Transformers on CPUs: pretrain, generate, evaluate, inspect.
///
/// Without a command: trains a small GPT-2 for about two minutes on stories that it makes up itself.
#[derive(Debug, Parser)]
#[command(name = "tercet", version, args_override_self = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model from scratch on text; with --run FILE or --resume DIR, the architecture is theirs
    #[command(subcommand)]
    Pretrain(pretrain::Pretrain),
    /// Continue text with a model
    Generate(generate::Args),
    /// Turn texts into vectors with a BERT
    Embed(embed::Args),
    /// Say what may stand in the place of `[MASK]`
    FillMask(fill_mask::Args),
    /// Say how probable it is that one text follows another
    NextSentence(next_sentence::Args),
    /// Measure how good a model is
    #[command(subcommand)]
    Eval(eval::Eval),
    /// Train a tokenizer, or use one
    #[command(subcommand)]
    Tokenizer(tokenizer::Command),
    /// Show a model's configuration, parameters, memory and time
    Inspect(inspect::Args),
    /// Measure this machine, and whole steps on it; prints lines of JSON
    #[command(subcommand)]
    Bench(Bench),
}

/// The architectures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arch {
    /// The decoder of Radford et al. 2019
    #[default]
    Gpt2,
    /// The encoder of Devlin et al. 2019
    Bert,
    /// The encoder-decoder of Raffel et al. 2020
    T5,
}

impl Arch {
    /// The name on the command line and in run files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gpt2 => "gpt2",
            Self::Bert => "bert",
            Self::T5 => "t5",
        }
    }
}

/// How matrix products treat their operands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

/// The command line, with the defaults that each architecture has.
pub fn command() -> clap::Command {
    Cli::command().mut_subcommand("pretrain", pretrain::with_defaults)
}

/// How this program was called, so that it can be called again.
pub fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "tercet".to_owned())
}
