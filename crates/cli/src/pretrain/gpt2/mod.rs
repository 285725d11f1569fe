mod held_out;
mod stream;
mod task;

use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tercet_data::Order;
use tercet_gpt2::{Config, InitPreset, Preset, Recompute};
use tercet_tokenizer::{Tokenizer, Training};
use tercet_train::{Decay, Decays, Ramp, Rule, Schedule};

use super::recipe::Recipe;
use super::settings::{Adam, Settings};
use crate::args::Arch;
use crate::error::Error;
use crate::model::{check_fit, folder_of, names_its_vocabulary};
use task::Gpt2Task;

/// GPT-2's own settings.
///
/// What is left open follows the published recipe: AdamW with β = (0.9, 0.95) and decay 0.1 of matrices and embeddings,
/// clipping to norm 1, a cosine down to a tenth, no dropout (nanoGPT), and rates by size (Brown et al. 2020, table 2.1;
/// the two smallest sizes are not in it).
#[derive(Clone, Debug, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Gpt2 {
    /// What a trained tokenizer's tokens are
    #[arg(long, value_enum, default_value_t, help_heading = "Data")]
    pub level: Level,
    /// Which windows of the text a step reads
    #[arg(long, value_enum, default_value_t, help_heading = "Data")]
    pub order: OrderArg,
    /// How far back a token may look
    #[arg(long, value_enum, default_value_t, help_heading = "Data")]
    pub attend: Attend,

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

    /// Tokens of a sequence
    #[arg(long, default_value_t = 128, value_name = "N", help_heading = "Training")]
    pub seq: usize,
    /// Learning rate at the end [default: a tenth of --lr]
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    pub min_lr: Option<f64>,
    /// What the learning rate does after the warm-up
    #[arg(long, value_enum, default_value_t, help_heading = "Training")]
    pub schedule: ScheduleArg,
    #[command(flatten)]
    #[serde(flatten)]
    pub adam: Adam,
    /// Activations to compute again in the backward pass, to save memory
    #[arg(long, value_enum, default_value_t, help_heading = "Training")]
    pub recompute: RecomputeArg,

    /// How the samples begin; without it they begin a document
    #[arg(long, value_name = "TEXT", help_heading = "Output")]
    pub prompt: Option<String>,
    /// Tokens of the sample at each evaluation; 0 makes none
    #[arg(long, default_value_t = 80, value_name = "N", help_heading = "Output")]
    pub sample_tokens: usize,
}

impl Recipe for Gpt2 {
    const ARCH: Arch = Arch::Gpt2;
    const NAME: &'static str = "GPT-2";
    const SIZES: &'static str = "tiny, mini, small, medium, large or xl";
    const DEFAULTS: &'static [(&'static str, &'static str)] = &[("weight_decay", "0.1"), ("beta2", "0.95")];
    const LONGEST_WARMUP: u64 = 2000;

    type Task = Gpt2Task;

    fn peak_lr(settings: &Settings<Self>) -> f64 {
        match Preset::from_str(&settings.model.size) {
            Ok(Preset::Small) => 6e-4,
            Ok(Preset::Medium) => 3e-4,
            Ok(Preset::Large) => 2.5e-4,
            Ok(Preset::Xl) => 2e-4,
            _ => 1e-3,
        }
    }

    fn schedule(settings: &Settings<Self>) -> Schedule {
        let (total, floor) = (settings.training.steps, settings.min_lr() / settings.lr());
        let decay = match settings.own.schedule {
            ScheduleArg::Cosine => Decay::Cosine { total, floor, cycles: 0.5 },
            ScheduleArg::Linear => Decay::Linear { total, floor },
            ScheduleArg::Constant => Decay::Constant,
            ScheduleArg::InverseSqrt => Decay::InverseSqrt { timescale: None },
        };
        Schedule::new(decay).with_warmup(settings.warmup()).with_ramp(Ramp::Between)
    }

    fn optimizer(settings: &Settings<Self>) -> (Rule, Decays) {
        (settings.own.adam.adam_w(), Decays::Matrices)
    }

    fn tokenizer_training(settings: &Settings<Self>) -> Training {
        match settings.own.level {
            Level::Bpe => Training::byte_level_bpe(settings.data.vocab_size()),
            Level::Char => Training::characters(),
        }
    }

    fn resolved(settings: &Settings<Self>) -> Self {
        Self { min_lr: Some(settings.min_lr()), ..settings.own.clone() }
    }

    fn validate(settings: &Settings<Self>) -> Result<(), Error> {
        if settings.own.seq == 0 {
            return Err(Error::flag("seq", "at least 1", 0));
        }
        if !(0.0..=settings.lr()).contains(&settings.min_lr()) {
            return Err(Error::flag("min-lr", "a number from 0 to --lr", settings.min_lr()));
        }
        settings.own.adam.validate()
    }

    fn prepare(settings: &Settings<Self>, saved: Option<Tokenizer>) -> Result<Gpt2Task, Error> {
        Gpt2Task::prepare(settings, saved)
    }
}

impl Settings<Gpt2> {
    /// The learning rate at the end.
    fn min_lr(&self) -> f64 {
        self.own.min_lr.unwrap_or(self.lr() / 10.0)
    }

    /// The model's configuration for the ids of this tokenizer.
    fn model_config(&self, tokenizer: &Tokenizer) -> Result<Config, Error> {
        let (own, vocab) = (&self.own, tokenizer.vocab_size());
        let mut config = match self.model.config.as_deref().or(self.model.from.as_deref()) {
            Some(path) => {
                let path = folder_of(path)?;
                let mut config = Config::read(&path)?;
                if self.model.from.is_none() && !names_its_vocabulary(&path)? {
                    config.vocab_size = vocab;
                }
                check_fit(&path, config.vocab_size, tokenizer)?;
                config
            }
            None => Config {
                vocab_size: vocab,
                n_positions: own.seq,
                bos_token_id: tokenizer.end_of_text(),
                eos_token_id: tokenizer.end_of_text(),
                ..Preset::from_str(&self.model.size)?.config().without_dropout()
            },
        };
        let replace = |field: &mut usize, flag: Option<usize>| *field = flag.unwrap_or(*field);
        replace(&mut config.n_layer, own.n_layer);
        replace(&mut config.n_head, own.n_head);
        replace(&mut config.n_embd, own.n_embd);
        replace(&mut config.n_positions, own.n_positions);
        if let Some(p) = own.dropout {
            (config.resid_pdrop, config.embd_pdrop, config.attn_pdrop) = (p, p, p);
        }
        config.validate()?;
        if own.seq > config.n_positions {
            let expected = format!("at most the {} positions of the model", config.n_positions);
            return Err(Error::flag("seq", expected, own.seq));
        }
        Ok(config)
    }
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
