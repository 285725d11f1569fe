use std::fs;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, ValueEnum};
use serde::{Deserialize, Serialize};
use tercet_data::{DocumentSplit, Order};
use tercet_gpt2::{InitPreset, Recompute};
use tercet_tokenizer::Training;
use toml::Table;

use crate::args::{Arch, PrecisionArg};
use crate::error::Error;
use crate::file;

/// Every setting of a pretraining run. Each is a flag, and a line of the same name in a run file; what is here alone
/// decides both.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RunFile {
    /// Architecture to pretrain
    #[arg(value_enum)]
    pub arch: Option<Arch>,

    /// Text: files, folders or patterns, plain or JSON lines, also .gz and .zst; or one token store (.ids). Without it,
    /// generated stories
    #[arg(long, num_args = 1.., value_name = "PATH", help_heading = "Data")]
    #[serde(default)]
    pub text: Vec<PathBuf>,
    /// Text to hold out, in place of the end of the training text
    #[arg(long, num_args = 1.., value_name = "PATH", help_heading = "Data")]
    #[serde(default)]
    pub held_out_text: Vec<PathBuf>,
    /// Share of the training text to hold out
    #[arg(long, default_value_t = 0.05, value_name = "SHARE", help_heading = "Data")]
    pub held_out: f64,
    /// Tokens of the held-out text that an evaluation reads; 0 for all
    #[arg(long, default_value_t = 32768, value_name = "TOKENS", help_heading = "Data")]
    pub eval_tokens: usize,
    /// What a document is in plain text: file, lines, blank-lines, or the line that stands between two
    #[arg(long, default_value = "file", value_name = "HOW", help_heading = "Data")]
    pub documents: String,
    /// Stories to generate where no text is given
    #[arg(long, default_value_t = 20000, value_name = "COUNT", help_heading = "Data")]
    pub stories: u64,
    /// Tokenizer: a folder or tokenizer.json. Without it, one is trained on the text
    #[arg(long, value_name = "PATH", help_heading = "Data")]
    pub tokenizer: Option<PathBuf>,
    /// What a trained tokenizer's tokens are
    #[arg(long, value_enum, default_value_t, help_heading = "Data")]
    pub level: Level,
    /// Entries of a trained byte-level vocabulary [default: 8192, for stories 2048]
    #[arg(long, value_name = "SIZE", help_heading = "Data")]
    pub vocab_size: Option<usize>,
    /// Which windows of the text a step reads
    #[arg(long, value_enum, default_value_t, help_heading = "Data")]
    pub order: OrderArg,
    /// How far back a token may look
    #[arg(long, value_enum, default_value_t, help_heading = "Data")]
    pub attend: Attend,
    /// Where token stores and trained tokenizers are kept for later runs [default: tercet-cache beside --out]
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    pub cache: Option<PathBuf>,

    /// Size: tiny, mini, small, medium, large or xl
    #[arg(long, default_value = "mini", help_heading = "Model")]
    pub size: String,
    /// Configuration in place of a size: config.json or a folder with one
    #[arg(long, value_name = "PATH", help_heading = "Model")]
    pub config: Option<PathBuf>,
    /// Start from the weights of this folder or run
    #[arg(long, value_name = "DIR", help_heading = "Model")]
    pub from: Option<PathBuf>,
    /// Blocks, in place of the size's
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub n_layer: Option<usize>,
    /// Attention heads of a block, in place of the size's
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub n_head: Option<usize>,
    /// Width, in place of the size's
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub n_embd: Option<usize>,
    /// Positions there are embeddings for [default: --seq]
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub n_positions: Option<usize>,
    /// Dropout of embeddings, attention and residual branches [default: 0, or what --config says]
    #[arg(long, value_name = "P", help_heading = "Model")]
    pub dropout: Option<f32>,
    /// Initialisation: hf scales the ends of residual branches by depth, openai does not
    #[arg(long, value_enum, default_value_t, help_heading = "Model")]
    pub init: InitArg,

    /// Optimiser steps
    #[arg(long, default_value_t = 2000, value_name = "N", help_heading = "Training")]
    pub steps: u64,
    /// Sequences of a micro-batch
    #[arg(long, default_value_t = 8, value_name = "N", help_heading = "Training")]
    pub batch: usize,
    /// Tokens of a sequence
    #[arg(long, default_value_t = 128, value_name = "N", help_heading = "Training")]
    pub seq: usize,
    /// Micro-batches of a step
    #[arg(long, default_value_t = 1, value_name = "N", help_heading = "Training")]
    pub accumulate: usize,
    /// Learning rate [default: 1e-3 for tiny and mini, 6e-4 for small, less for larger]
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    pub lr: Option<f64>,
    /// Learning rate at the end [default: a tenth of --lr]
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    pub min_lr: Option<f64>,
    /// What the learning rate does after the warm-up
    #[arg(long, value_enum, default_value_t, help_heading = "Training")]
    pub schedule: ScheduleArg,
    /// Steps over which the learning rate rises [default: a tenth of --steps, at most 2000]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub warmup: Option<u64>,
    /// AdamW's decay of weights with two or more dimensions
    #[arg(long, default_value_t = 0.1, value_name = "X", help_heading = "Training")]
    pub weight_decay: f64,
    /// AdamW's β₁
    #[arg(long, default_value_t = 0.9, value_name = "X", help_heading = "Training")]
    pub beta1: f64,
    /// AdamW's β₂
    #[arg(long, default_value_t = 0.95, value_name = "X", help_heading = "Training")]
    pub beta2: f64,
    /// AdamW's ε
    #[arg(long, default_value_t = 1e-8, value_name = "X", help_heading = "Training")]
    pub eps: f64,
    /// Largest gradient norm; 0 does not clip
    #[arg(long, default_value_t = 1.0, value_name = "NORM", help_heading = "Training")]
    pub clip: f64,
    /// Operands of the matrix products
    #[arg(long, value_enum, default_value_t, help_heading = "Training")]
    pub precision: PrecisionArg,
    /// Activations to compute again in the backward pass, to save memory
    #[arg(long, value_enum, default_value_t, help_heading = "Training")]
    pub recompute: RecomputeArg,
    /// Seed of initial weights, order and dropout
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = "Training")]
    pub seed: u64,
    /// Threads; 0 for one a core. The result does not depend on it
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = "Training")]
    pub threads: usize,

    /// Folder for checkpoints, logs and pictures [default: runs/gpt2-SIZE]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Steps between evaluations [default: a tenth of --steps]
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub eval_every: Option<u64>,
    /// Steps between checkpoints [default: a tenth of --steps]
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub save_every: Option<u64>,
    /// Latest checkpoints to keep, besides the best
    #[arg(long, default_value_t = 2, value_name = "N", help_heading = "Output")]
    pub keep: usize,
    /// Evaluations without a new best after which the run stops; 0 never stops early
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = "Output")]
    pub patience: u32,
    /// Steps in a row without a finite gradient that are put up with
    #[arg(long, default_value_t = 5, value_name = "N", help_heading = "Output")]
    pub max_skips: u32,
    /// How the samples begin; without it they begin a document
    #[arg(long, value_name = "TEXT", help_heading = "Output")]
    pub prompt: Option<String>,
    /// Tokens of the sample at each evaluation; 0 makes none
    #[arg(long, default_value_t = 80, value_name = "N", help_heading = "Output")]
    pub sample_tokens: usize,
}

/// What a trained tokenizer's tokens are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Byte-level BPE
    #[default]
    Bpe,
    /// One token a character
    Char,
}

/// Which windows of the text a step reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderArg {
    /// Every block of the text once an epoch, shuffled
    #[default]
    Windows,
    /// From anywhere in the text
    Random,
    /// The beginning of every document once an epoch, shuffled
    Documents,
}

/// How far back a token may look in a window that holds the end of one document and the beginning of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attend {
    /// To the beginning of the window, as GPT-2
    #[default]
    Window,
    /// To the beginning of its document
    Document,
}

/// Which published initialisation to start from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitArg {
    #[default]
    Hf,
    Openai,
}

/// What the learning rate does after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleArg {
    /// Half a cosine down to --min-lr
    #[default]
    Cosine,
    /// A straight line down to --min-lr
    Linear,
    Constant,
    /// With 1/√step
    InverseSqrt,
}

/// What the backward pass computes again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecomputeArg {
    #[default]
    Nothing,
    Blocks,
}

impl RunFile {
    /// The settings of a command: its flags where they are given, else the lines of `path`, else the defaults.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is not a setting.
    pub fn overlaid(self, flags: &ArgMatches, path: &Path) -> Result<Self, Error> {
        let format = |reason: String| Error::RunFile { path: path.to_owned(), reason };
        let mut settings = Table::try_from(&self).expect("settings are plain data");
        for (key, value) in read(path)? {
            let id = key.replace('-', "_");
            if !is_setting(&id) || key.contains('_') {
                return Err(format(format!("unknown setting {key:?}; `tercet pretrain --help` lists them")));
            }
            if flags.value_source(&id) != Some(ValueSource::CommandLine) {
                settings.insert(key, value);
            }
        }
        settings.try_into().map_err(|error: toml::de::Error| format(one_line(error.message())))
    }

    /// Writes the settings as a file that `--run` takes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let head = "# Every setting of this run. To repeat it: tercet pretrain --run FILE --out FOLDER\n";
        let text = toml::to_string(self).expect("settings are plain data");
        file::write(path, format!("{head}{text}").as_bytes())
    }

    /// Where documents end in plain text.
    pub fn document_split(&self) -> DocumentSplit {
        document_split(&self.documents)
    }

    /// How to train a tokenizer.
    pub fn training(&self) -> Training {
        let default = if self.text.is_empty() { 2048 } else { 8192 };
        match self.level {
            Level::Bpe => Training::byte_level_bpe(self.vocab_size.unwrap_or(default)),
            Level::Char => Training::characters(),
        }
    }

    /// The output folder.
    pub fn out(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| Path::new("runs").join(format!("gpt2-{}", self.size)))
    }

    /// Where stores and tokenizers are kept.
    pub fn cache(&self) -> PathBuf {
        let beside = || self.out().parent().map_or_else(PathBuf::new, Path::to_owned).join("tercet-cache");
        self.cache.clone().unwrap_or_else(beside)
    }
}

/// Where documents end in plain text: a word, or the line between two.
pub fn document_split(how: &str) -> DocumentSplit {
    match how {
        "file" => DocumentSplit::File,
        "lines" => DocumentSplit::Lines,
        "blank-lines" => DocumentSplit::BlankLines,
        marker => DocumentSplit::Marker(marker.to_owned()),
    }
}

fn read(path: &Path) -> Result<Table, Error> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    text.parse::<Table>().map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        let reason = format!("line {line}: {}", one_line(error.message()));
        Error::RunFile { path: path.to_owned(), reason }
    })
}

fn is_setting(id: &str) -> bool {
    RunFile::augment_args(Command::new("")).get_arguments().any(|setting| setting.get_id() == id)
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl From<OrderArg> for Order {
    fn from(order: OrderArg) -> Self {
        match order {
            OrderArg::Windows => Self::Blocks,
            OrderArg::Random => Self::Crops,
            OrderArg::Documents => Self::Documents,
        }
    }
}

impl From<InitArg> for InitPreset {
    fn from(init: InitArg) -> Self {
        match init {
            InitArg::Hf => Self::Hf,
            InitArg::Openai => Self::OpenAi,
        }
    }
}

impl From<RecomputeArg> for Recompute {
    fn from(recompute: RecomputeArg) -> Self {
        match recompute {
            RecomputeArg::Nothing => Self::Nothing,
            RecomputeArg::Blocks => Self::Blocks,
        }
    }
}
