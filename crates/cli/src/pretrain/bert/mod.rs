mod batch;
mod examples;
mod held_out;
mod phase;
mod sample;
mod stream;
mod task;
mod text;

use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tercet_bert::{Config, Preset};
use tercet_objectives::masked::Unit;
use tercet_tokenizer::{Algorithm, Normalization, Tokenizer, Training};
use tercet_train::{Decay, Decays, Rule, Schedule};

use super::recipe::Recipe;
use super::settings::{Adam, Settings};
use crate::args::Arch;
use crate::error::Error;
use crate::model::{check_fit, folder_of, names_its_vocabulary};
use phase::Phase;
use task::BertTask;

/// BERT's own settings.
///
/// What is left open follows the released code and the paper (Devlin et al. 2019, appendix A.2): instances as
/// `create_pretraining_data.py` makes them, Adam without bias correction, decay 0.01 of all but biases and norms,
/// clipping to norm 1, a rate that rises and falls in straight lines, dropout 0.1.
#[derive(Clone, Debug, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bert {
    /// What a sentence is in plain text
    #[arg(long, value_enum, default_value_t, help_heading = "Data")]
    pub sentences: SentencesArg,
    /// Whether a trained tokenizer tells capitals
    #[arg(long, value_enum, default_value_t, help_heading = "Data")]
    pub case: CaseArg,
    /// How tokens are hidden
    #[arg(long, value_enum, default_value_t, help_heading = "Data")]
    pub objective: ObjectiveArg,
    /// What is hidden together
    #[arg(long, value_enum, default_value_t, help_heading = "Data")]
    pub unit: UnitArg,
    /// Share of the tokens to hide
    #[arg(long, default_value_t = 0.15, value_name = "SHARE", help_heading = "Data")]
    pub masked_lm_prob: f64,
    /// Most tokens of a sequence to hide, with google [default: that share of the longest sequence]
    #[arg(long, value_name = "N", help_heading = "Data")]
    pub max_predictions_per_seq: Option<usize>,
    /// How often a document aims at shorter sequences
    #[arg(long, default_value_t = 0.1, value_name = "SHARE", help_heading = "Data")]
    pub short_seq_prob: f64,
    /// How often google goes through the documents, each time with other sentence pairs and masks
    #[arg(long, default_value_t = 10, value_name = "N", help_heading = "Data")]
    pub dupe_factor: usize,

    /// Layers, in place of the size's
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub num_hidden_layers: Option<usize>,
    /// Width, in place of the size's
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub hidden_size: Option<usize>,
    /// Attention heads of a layer, in place of the size's
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub num_attention_heads: Option<usize>,
    /// Width of the feed-forward layer, in place of the size's
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub intermediate_size: Option<usize>,
    /// Positions there are embeddings for [default: the longest --phase]
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub max_position_embeddings: Option<usize>,
    /// Dropout of embeddings, attention and residual branches [default: 0.1, or what --config says]
    #[arg(long, value_name = "P", help_heading = "Model")]
    pub dropout: Option<f32>,

    /// Sequences of so many tokens for a share of the steps, in batches of --batch or their own: 512:10% or 512:10%:8.
    /// Given again for each phase, in order
    #[arg(long, value_name = "LENGTH:SHARE", default_value = "128:100%", help_heading = "Training")]
    pub phase: Vec<Phase>,
    /// The update rule
    #[arg(long, value_enum, default_value_t, help_heading = "Training")]
    pub optimizer: OptimizerArg,
    #[command(flatten)]
    #[serde(flatten)]
    pub adam: Adam,

    /// Tokens of the sample at each evaluation, the hidden ones with what the model says; 0 makes none
    #[arg(long, default_value_t = 48, value_name = "N", help_heading = "Output")]
    pub sample_tokens: usize,
}

impl Recipe for Bert {
    const ARCH: Arch = Arch::Bert;
    const NAME: &'static str = "BERT";
    const SIZES: &'static str = "tiny, mini, small, medium, base, large, or layers/width such as 6/512";
    const DEFAULTS: &'static [(&'static str, &'static str)] =
        &[("documents", "blank-lines"), ("batch", "32"), ("eps", "1e-6")];
    const LONGEST_WARMUP: u64 = 10_000;

    type Task = BertTask;

    /// 1e-4 for base (appendix A.2); smaller models bear more.
    fn peak_lr(settings: &Settings<Self>) -> f64 {
        match Preset::from_str(&settings.model.size) {
            Ok(Preset::BASE | Preset::LARGE) => 1e-4,
            Ok(Preset::SMALL | Preset::MEDIUM) => 5e-4,
            _ => 1e-3,
        }
    }

    fn schedule(settings: &Settings<Self>) -> Schedule {
        let total = settings.training.steps;
        Schedule::new(Decay::LinearFromStart { total }).with_warmup(settings.warmup())
    }

    fn optimizer(settings: &Settings<Self>) -> (Rule, Decays) {
        let Adam { weight_decay, beta1, beta2, eps } = settings.own.adam;
        let rule = match settings.own.optimizer {
            OptimizerArg::AdamWeightDecay => Rule::AdamWeightDecay { beta1, beta2, eps, weight_decay },
            OptimizerArg::AdamW => settings.own.adam.adam_w(),
        };
        (rule, Decays::NotBiasOrNorm)
    }

    fn tokenizer_training(settings: &Settings<Self>) -> Training {
        let normalization = match settings.own.case {
            CaseArg::Uncased => Normalization::default(),
            CaseArg::Cased => Normalization::cased(),
        };
        let algorithm = Algorithm::WordPiece(normalization);
        Training { algorithm, ..Training::word_piece(settings.data.vocab_size()) }
    }

    fn validate(settings: &Settings<Self>) -> Result<(), Error> {
        let own = &settings.own;
        phase::validate(&own.phase)?;
        // With less, most examples would have nothing hidden.
        if !(0.001..=1.0).contains(&own.masked_lm_prob) {
            return Err(Error::flag("masked-lm-prob", "a number from 0.001 to 1", own.masked_lm_prob));
        }
        if !(0.0..=1.0).contains(&own.short_seq_prob) {
            return Err(Error::flag("short-seq-prob", "a number from 0 to 1", own.short_seq_prob));
        }
        if own.dupe_factor == 0 {
            return Err(Error::flag("dupe-factor", "at least 1", 0));
        }
        if own.max_predictions_per_seq == Some(0) {
            return Err(Error::flag("max-predictions-per-seq", "at least 1", 0));
        }
        own.adam.validate()
    }

    fn prepare(settings: &Settings<Self>, saved: Option<Tokenizer>) -> Result<BertTask, Error> {
        BertTask::prepare(settings, saved)
    }
}

impl Settings<Bert> {
    /// The model's configuration for the ids of this tokenizer.
    fn model_config(&self, tokenizer: &Tokenizer) -> Result<Config, Error> {
        let (own, vocab) = (&self.own, tokenizer.vocab_size());
        let longest = own.phase.iter().map(|phase| phase.length).max().expect("validated");
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
                max_position_embeddings: longest,
                pad_token_id: tokenizer.token_to_id("[PAD]"),
                ..Preset::from_str(&self.model.size)?.config()
            },
        };
        let replace = |field: &mut usize, flag: Option<usize>| *field = flag.unwrap_or(*field);
        replace(&mut config.num_hidden_layers, own.num_hidden_layers);
        replace(&mut config.hidden_size, own.hidden_size);
        replace(&mut config.num_attention_heads, own.num_attention_heads);
        replace(&mut config.intermediate_size, own.intermediate_size);
        replace(&mut config.max_position_embeddings, own.max_position_embeddings);
        if let Some(p) = own.dropout {
            (config.hidden_dropout_prob, config.attention_probs_dropout_prob) = (p, p);
        }
        config.validate()?;
        if longest > config.max_position_embeddings {
            let expected = format!("at most the {} positions of the model", config.max_position_embeddings);
            return Err(Error::flag("phase", expected, longest));
        }
        if config.type_vocab_size < 2 {
            let (what, found) =
                ("type_vocab_size of the model".to_owned(), config.type_vocab_size.to_string());
            return Err(Error::Input { what, expected: "2, one for each sentence of a pair", found });
        }
        Ok(config)
    }
}

/// What a sentence is in plain text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SentencesArg {
    /// A line
    #[default]
    Lines,
    /// What a rule of thumb for English finds in the running text of a document
    Split,
}

/// Whether a trained tokenizer tells capitals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseArg {
    #[default]
    Uncased,
    Cased,
}

/// How tokens are hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectiveArg {
    /// As Google's create_pretraining_data.py: once, before training, id for id
    #[default]
    Google,
    /// As Hugging Face's collator: each token by itself, anew in every epoch
    Hf,
    /// As hf, but a token is never replaced by itself
    Card,
}

/// What is hidden together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitArg {
    /// Single tokens
    #[default]
    Token,
    /// Whole words
    Word,
}

/// The update rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerArg {
    /// As released with BERT: Adam without bias correction
    #[default]
    AdamWeightDecay,
    /// Adam with bias correction
    AdamW,
}

impl From<UnitArg> for Unit {
    fn from(unit: UnitArg) -> Self {
        match unit {
            UnitArg::Token => Self::Token,
            UnitArg::Word => Self::Word,
        }
    }
}
