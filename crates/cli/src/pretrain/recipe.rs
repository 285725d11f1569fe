use std::str::FromStr;

use tercet_gpt2::{Config, Preset};
use tercet_tokenizer::Tokenizer;
use tercet_train::{Decay, Decays, Ramp, Rule, Schedule, TrainConfig};

use super::run_file::{Level, RunFile, ScheduleArg};
use crate::error::Error;
use crate::model::{check_fit, folder_of};

/// What the settings leave open follows the published recipe: AdamW with β = (0.9, 0.95) and decay 0.1 of matrices and
/// embeddings, clipping to norm 1, a cosine down to a tenth, no dropout (nanoGPT), and rates by size (Brown et al.
/// 2020, table 2.1; the two smallest sizes are not in it).
impl RunFile {
    /// The learning rate.
    pub fn lr(&self) -> f64 {
        let by_size = || match Preset::from_str(&self.size) {
            Ok(Preset::Small) => 6e-4,
            Ok(Preset::Medium) => 3e-4,
            Ok(Preset::Large) => 2.5e-4,
            Ok(Preset::Xl) => 2e-4,
            _ => 1e-3,
        };
        self.lr.unwrap_or_else(by_size)
    }

    /// The learning rate at the end.
    pub fn min_lr(&self) -> f64 {
        self.min_lr.unwrap_or(self.lr() / 10.0)
    }

    /// Steps over which the rate rises.
    pub fn warmup(&self) -> u64 {
        self.warmup.unwrap_or((self.steps / 10).min(2000))
    }

    /// Steps between evaluations.
    pub fn eval_every(&self) -> u64 {
        self.eval_every.unwrap_or((self.steps / 10).max(1))
    }

    /// Steps between checkpoints.
    pub fn save_every(&self) -> u64 {
        self.save_every.unwrap_or((self.steps / 10).max(1))
    }

    /// The same settings with everything that was left open filled in, as they are saved.
    pub fn resolved(&self) -> Self {
        Self {
            lr: Some(self.lr()),
            min_lr: Some(self.min_lr()),
            warmup: Some(self.warmup()),
            eval_every: Some(self.eval_every()),
            save_every: Some(self.save_every()),
            out: Some(self.out()),
            cache: Some(self.cache()),
            vocab_size: self.trains_bpe().then(|| self.training().vocab_size),
            ..self.clone()
        }
    }

    /// What the trainer is told.
    pub fn train_config(&self) -> TrainConfig {
        let (total, floor) = (self.steps, self.min_lr() / self.lr());
        let decay = match self.schedule {
            ScheduleArg::Cosine => Decay::Cosine { total, floor, cycles: 0.5 },
            ScheduleArg::Linear => Decay::Linear { total, floor },
            ScheduleArg::Constant => Decay::Constant,
            ScheduleArg::InverseSqrt => Decay::InverseSqrt { timescale: None },
        };
        TrainConfig {
            steps: self.steps,
            accumulate: self.accumulate,
            lr: self.lr(),
            schedule: Schedule::new(decay).with_warmup(self.warmup()).with_ramp(Ramp::Between),
            optimizer: Rule::AdamW {
                beta1: self.beta1,
                beta2: self.beta2,
                eps: self.eps,
                weight_decay: self.weight_decay,
                amsgrad: false,
            },
            decays: Decays::Matrices,
            clip: (self.clip > 0.0).then_some(self.clip),
            seed: self.seed,
            eval_every: self.eval_every(),
            save_every: self.save_every(),
            keep_last: self.keep,
            patience: (self.patience > 0).then_some(self.patience),
            max_skips: self.max_skips,
        }
    }

    /// The model's configuration for the ids of this tokenizer.
    ///
    /// # Errors
    /// When no model can be built so, or it does not fit the tokenizer or the sequences.
    pub fn model_config(&self, tokenizer: &Tokenizer) -> Result<Config, Error> {
        let vocab = tokenizer.vocab_size();
        let mut config = match self.config.as_deref().or(self.from.as_deref()) {
            Some(path) => {
                let config = Config::read(folder_of(path)?)?;
                check_fit(path, config.vocab_size, tokenizer)?;
                config
            }
            None => Config {
                vocab_size: vocab,
                n_positions: self.seq,
                bos_token_id: tokenizer.end_of_text(),
                eos_token_id: tokenizer.end_of_text(),
                ..Preset::from_str(&self.size)?.config().without_dropout()
            },
        };
        let replace = |own: &mut usize, flag: Option<usize>| *own = flag.unwrap_or(*own);
        replace(&mut config.n_layer, self.n_layer);
        replace(&mut config.n_head, self.n_head);
        replace(&mut config.n_embd, self.n_embd);
        replace(&mut config.n_positions, self.n_positions);
        if let Some(p) = self.dropout {
            (config.resid_pdrop, config.embd_pdrop, config.attn_pdrop) = (p, p, p);
        }
        config.validate()?;
        if self.seq > config.n_positions {
            let expected = format!("at most the {} positions of the model", config.n_positions);
            return Err(Error::Flag { flag: "seq", expected, found: self.seq.to_string() });
        }
        Ok(config)
    }

    /// Checks what no other part checks.
    ///
    /// # Errors
    /// The first setting that has no meaning.
    pub fn validate(&self) -> Result<(), Error> {
        let wrong = |flag, expected: &str, found: String| {
            Err(Error::Flag { flag, expected: expected.to_owned(), found })
        };
        for (flag, count) in [("batch", self.batch), ("seq", self.seq), ("accumulate", self.accumulate)] {
            if count == 0 {
                return wrong(flag, "at least 1", "0".to_owned());
            }
        }
        if self.steps == 0 {
            return wrong("steps", "at least 1", "0".to_owned());
        }
        if !(self.lr().is_finite() && self.lr() > 0.0) {
            return wrong("lr", "a number above 0", self.lr().to_string());
        }
        if !(0.0..=self.lr()).contains(&self.min_lr()) {
            return wrong("min-lr", "a number from 0 to --lr", self.min_lr().to_string());
        }
        for (flag, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&beta) {
                return wrong(flag, "a number from 0 to below 1", beta.to_string());
            }
        }
        Ok(self.train_config().validate()?)
    }

    fn trains_bpe(&self) -> bool {
        self.tokenizer.is_none() && self.level == Level::Bpe
    }
}
