mod data;
mod held_out;
mod stream;
mod task;

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tercet_objectives::denoising::Objective;
use tercet_objectives::spans::Noise;
use tercet_t5::{Config, InitPreset, Preset, Version};
use tercet_tasks::Lengths;
use tercet_tensor::ops::LossTerms;
use tercet_tokenizer::{Tokenizer, Training};
use tercet_train::{Adafactor, Decay, Decays, Ramp, Rule, Schedule};

use super::gpt2::ScheduleArg;
use super::recipe::Recipe;
use super::settings::{Adam, Settings};
use crate::args::Arch;
use crate::error::Error;
use crate::model::{check_fit, folder_of, names_its_vocabulary};
use task::T5Task;

/// T5's own settings.
///
/// What is left open follows the original: span corruption of 15 % in spans of three, Adafactor at the rate
/// 1/√max(step, 10,000) times the size of each matrix, z-loss 1e-4, dropout in v1.0 alone (Raffel et al. 2020, section
/// 3.1; t5x). Scaled AdamW's rate is nanoT5's.
#[derive(Clone, Debug, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct T5 {
    /// Mixture of tasks, a TOML file. Without it, the text alone; without text, stories and tasks about them
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    pub mixture: Option<PathBuf>,
    /// What is hidden of a text
    #[arg(long, value_enum, default_value_t, help_heading = "Data")]
    pub objective: ObjectiveArg,
    /// Share of the text that is hidden; for prefix the mean share that follows the prefix [default: 0.15, prefix 0.5]
    #[arg(long, value_name = "SHARE", help_heading = "Data")]
    pub noise_density: Option<f64>,
    /// Mean length of a hidden span
    #[arg(long, default_value_t = 3.0, value_name = "TOKENS", help_heading = "Data")]
    pub mean_span: f64,
    /// Held-out examples of each task that an evaluation answers
    #[arg(long, default_value_t = 100, value_name = "N", help_heading = "Data")]
    pub eval_examples: u64,

    /// Version: 1.0 (ReLU, tied) or 1.1 (gated GELU, untied)
    #[arg(long, default_value = "1.1", value_name = "VERSION", help_heading = "Model")]
    pub version: String,
    /// Blocks of the encoder, in place of the size's
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub num_layers: Option<usize>,
    /// Blocks of the decoder, in place of the size's [default: as many as the encoder's]
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub num_decoder_layers: Option<usize>,
    /// Attention heads of a block, in place of the size's
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub num_heads: Option<usize>,
    /// Width, in place of the size's
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub d_model: Option<usize>,
    /// Width of a head, in place of the size's
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub d_kv: Option<usize>,
    /// Width of the feed-forward layers, in place of the size's
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub d_ff: Option<usize>,
    /// Dropout everywhere [default: 0.1 in version 1.0, 0 in 1.1, or what --config says]
    #[arg(long, value_name = "P", help_heading = "Model")]
    pub dropout: Option<f32>,
    /// Initialisation of an untied output layer: t5x begins near 0, hf does not
    #[arg(long, value_enum, default_value_t, help_heading = "Model")]
    pub init: InitArg,

    /// Most tokens that the encoder reads, the end included
    #[arg(long, default_value_t = 256, value_name = "N", help_heading = "Training")]
    pub seq: usize,
    /// Most tokens of a task's answer, the end included [default: what span corruption makes of --seq, at least 64]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub target: Option<usize>,
    /// Update rule
    #[arg(long, value_enum, default_value_t, help_heading = "Training")]
    pub optimizer: OptimizerArg,
    /// What the learning rate does; inverse-sqrt is flat for --warmup steps and has no other warm-up
    #[arg(long, value_enum, default_value = "inverse-sqrt", help_heading = "Training")]
    pub schedule: ScheduleArg,
    /// Learning rate at the end, for cosine and linear [default: a tenth of --lr]
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    pub min_lr: Option<f64>,
    /// Factor of log²Z, which keeps the normaliser of the softmax near 1
    #[arg(long, default_value_t = 1e-4, value_name = "X", help_heading = "Training")]
    pub z_loss: f32,
    /// Share of the target that is spread over the vocabulary
    #[arg(long, default_value_t = 0.0, value_name = "X", help_heading = "Training")]
    pub label_smoothing: f32,
    #[command(flatten)]
    #[serde(flatten)]
    pub adam: Adam,

    /// Whether an answer of each task, or a corrupted text, is shown at each evaluation
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL", help_heading = "Output")]
    pub samples: bool,
}

/// The original's rate is flat for so many steps.
const PLATEAU: u64 = 10_000;

impl Recipe for T5 {
    const ARCH: Arch = Arch::T5;
    const NAME: &'static str = "T5";
    const SIZES: &'static str = "tiny, mini, small, base, large, 3b or 11b";
    const DEFAULTS: &'static [(&'static str, &'static str)] =
        &[("size", "tiny"), ("batch", "32"), ("weight_decay", "0")];
    const LONGEST_WARMUP: u64 = PLATEAU;

    type Task = T5Task;

    fn peak_lr(settings: &Settings<Self>) -> f64 {
        match (settings.own.optimizer, settings.own.schedule) {
            // 1/√step is itself the rate.
            (OptimizerArg::Adafactor, ScheduleArg::InverseSqrt) => 1.0,
            (OptimizerArg::Adafactor, _) => 1e-2,
            (OptimizerArg::AdamWScaled, _) => 2e-2,
            (OptimizerArg::AdamW, _) => 1e-3,
        }
    }

    fn warmup(settings: &Settings<Self>) -> u64 {
        if settings.own.is_original_schedule() {
            PLATEAU
        } else {
            (settings.training.steps / 10).min(PLATEAU)
        }
    }

    fn schedule(settings: &Settings<Self>) -> Schedule {
        let (total, warmup, floor) =
            (settings.training.steps, settings.warmup(), settings.min_lr() / settings.lr());
        let decay = match settings.own.schedule {
            ScheduleArg::InverseSqrt if settings.own.is_original_schedule() => {
                return Schedule::new(Decay::ReciprocalSqrt { plateau: warmup });
            }
            ScheduleArg::InverseSqrt => Decay::InverseSqrt { timescale: None },
            ScheduleArg::Cosine => Decay::Cosine { total, floor, cycles: 0.5 },
            ScheduleArg::Linear => Decay::Linear { total, floor },
            ScheduleArg::Constant => Decay::Constant,
        };
        Schedule::new(decay).with_warmup(warmup).with_ramp(Ramp::Between)
    }

    fn optimizer(settings: &Settings<Self>) -> (Rule, Decays) {
        let Adam { weight_decay, beta1, beta2, eps } = settings.own.adam;
        let rule = match settings.own.optimizer {
            OptimizerArg::Adafactor => Rule::Adafactor(Adafactor { weight_decay, ..Adafactor::default() }),
            OptimizerArg::AdamW => settings.own.adam.adam_w(),
            OptimizerArg::AdamWScaled => {
                Rule::AdamWScaled { beta1, beta2, eps, weight_decay, least_scale: 1e-3 }
            }
        };
        (rule, Decays::Matrices)
    }

    fn tokenizer_training(settings: &Settings<Self>) -> Training {
        let training = Training::unigram(settings.data.vocab_size());
        if settings.data.text.is_empty() && settings.own.mixture.is_none() {
            return training;
        }
        // A model that is to learn `not_entailment` one day has to be able to write an underscore.
        Training { required: (' '..='~').collect(), ..training }
    }

    fn resolved(settings: &Settings<Self>) -> Self {
        Self { min_lr: Some(settings.min_lr()), ..settings.own.clone() }
    }

    fn validate(settings: &Settings<Self>) -> Result<(), Error> {
        let own = &settings.own;
        if own.seq < 2 {
            return Err(Error::flag("seq", "at least 2", own.seq));
        }
        if own.target.is_some_and(|target| target < 2) {
            return Err(Error::flag("target", "at least 2", own.target.unwrap_or_default()));
        }
        for (flag, x) in [("z-loss", own.z_loss), ("label-smoothing", own.label_smoothing)] {
            if !(0.0..1.0).contains(&x) {
                return Err(Error::flag(flag, "a number from 0 to below 1", x));
            }
        }
        if !(0.0..=settings.lr()).contains(&settings.min_lr()) {
            return Err(Error::flag("min-lr", "a number from 0 to --lr", settings.min_lr()));
        }
        own.objective().piece(own.seq)?;
        own.version.parse::<Version>()?;
        own.adam.validate()
    }

    fn prepare(settings: &Settings<Self>, saved: Option<Tokenizer>) -> Result<T5Task, Error> {
        T5Task::prepare(settings, saved)
    }
}

impl T5 {
    /// What is hidden of a text.
    pub fn objective(&self) -> Objective {
        let density = self.noise_density;
        match self.objective {
            ObjectiveArg::Span => {
                Objective::Spans(Noise { density: density.unwrap_or(0.15), mean_span: self.mean_span })
            }
            ObjectiveArg::Iid => Objective::Iid { density: density.unwrap_or(0.15) },
            ObjectiveArg::Prefix => Objective::PrefixLm { density: density.unwrap_or(0.5) },
        }
    }

    /// How many tokens a task's example may have.
    pub fn lengths(&self) -> Lengths {
        let corrupted = Noise::default().lengths(self.seq).map_or(0, |lengths| lengths.targets);
        Lengths { inputs: self.seq, targets: self.target.unwrap_or(corrupted.max(64)) }
    }

    /// What the loss adds to the cross-entropy.
    pub fn loss_terms(&self) -> LossTerms {
        LossTerms { label_smoothing: self.label_smoothing, z_loss: self.z_loss }
    }

    /// Whether the rate is 1/√max(step, plateau), which is no factor of a base rate.
    fn is_original_schedule(&self) -> bool {
        (self.optimizer, self.schedule) == (OptimizerArg::Adafactor, ScheduleArg::InverseSqrt)
    }
}

impl Settings<T5> {
    /// The learning rate at the end.
    fn min_lr(&self) -> f64 {
        self.own.min_lr.unwrap_or(self.lr() / 10.0)
    }

    /// The model's configuration for the ids of this tokenizer.
    fn model_config(&self, tokenizer: &Tokenizer) -> Result<Config, Error> {
        let (own, vocab_size) = (&self.own, tokenizer.vocab_size());
        let version: Version = own.version.parse()?;
        let mut config = match (&self.model.from, &self.model.config) {
            (Some(path), _) => Config::of_checkpoint(folder_of(path)?)?,
            (None, Some(path)) => {
                let path = folder_of(path)?;
                let mut config = Config::read(&path)?;
                if !names_its_vocabulary(&path)? {
                    config.vocab_size = vocab_size;
                }
                config
            }
            (None, None) => {
                let dropout_rate = if version == Version::V1_0 { 0.1 } else { 0.0 };
                Config { vocab_size, dropout_rate, ..self.model.size.parse::<Preset>()?.config(version) }
            }
        };
        if let Some(path) = self.model.from.as_ref().or(self.model.config.as_ref()) {
            check_fit(path, config.vocab_size, tokenizer)?;
        }
        let replace = |field: &mut usize, flag: Option<usize>| *field = flag.unwrap_or(*field);
        replace(&mut config.num_layers, own.num_layers);
        replace(&mut config.num_heads, own.num_heads);
        replace(&mut config.d_model, own.d_model);
        replace(&mut config.d_kv, own.d_kv);
        replace(&mut config.d_ff, own.d_ff);
        config.num_decoder_layers = own.num_decoder_layers.or(config.num_decoder_layers);
        config.dropout_rate = own.dropout.unwrap_or(config.dropout_rate);
        config.eos_token_id = tokenizer.end_of_text();
        config.validate()?;
        Ok(config)
    }
}

/// What is hidden of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectiveArg {
    /// Spans, each behind a sentinel
    #[default]
    Span,
    /// Single tokens, each by itself
    Iid,
    /// All that follows a prefix
    Prefix,
}

/// How the gradient changes the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerArg {
    /// The original's
    #[default]
    Adafactor,
    /// AdamW
    #[value(name = "adamw")]
    #[serde(rename = "adamw")]
    AdamW,
    /// AdamW at rates that follow the size of each matrix, as nanoT5
    #[value(name = "adamw-scaled")]
    #[serde(rename = "adamw-scaled")]
    AdamWScaled,
}

/// Which published initialisation to start from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitArg {
    #[default]
    T5x,
    Hf,
}

impl From<InitArg> for InitPreset {
    fn from(init: InitArg) -> Self {
        match init {
            InitArg::T5x => Self::T5x,
            InitArg::Hf => Self::Hf,
        }
    }
}
