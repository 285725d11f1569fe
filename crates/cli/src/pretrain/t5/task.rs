use std::path::Path;

use tercet_generate::{GenerationConfig, generate};
use tercet_t5::{Config, T5ForConditionalGeneration};
use tercet_tensor::{OnMissing, Params, Tape, Tensor};
use tercet_tokenizer::{Special, Tokenizer};
use tercet_train::Evaluation;

use super::T5;
use super::data::Data;
use super::held_out::MEAN;
use super::stream::{Examples, Stream};
use crate::error::Error;
use crate::model::folder_of;
use crate::output::count;
use crate::pretrain::recipe::Task;
use crate::pretrain::settings::Settings;
use crate::text_to_text;

/// What is learnt and T5, ready to meet.
pub struct T5Task {
    settings: Settings<T5>,
    data: Data,
    config: Config,
    params: Params,
    model: T5ForConditionalGeneration,
}

impl T5Task {
    pub fn prepare(settings: &Settings<T5>, saved: Option<Tokenizer>) -> Result<Self, Error> {
        let data = Data::prepare(settings, saved)?;
        let mut config = settings.model_config(&data.tokenizer)?;
        config.decoder_start_token_id = Some(data.batching.start);
        let params = Params::new();
        let model = T5ForConditionalGeneration::new(&params, &config, settings.own.init.into());
        params.init(settings.training.seed);
        if let Some(path) = &settings.model.from {
            config.load_weights(folder_of(path)?, &params, OnMissing::Fail)?;
        }
        Ok(Self { settings: settings.clone(), data, config, params, model })
    }

    /// The tasks with their shares, and what they measure before the run where the model has learnt before.
    fn tasks(&self) -> Vec<(&'static str, String)> {
        let mixture = &self.data.mixture;
        let share = |(number, member): (usize, &tercet_tasks::Member)| {
            format!("{} {:.1} %", member.name(), 100.0 * mixture.share(number))
        };
        let shares: Vec<String> = mixture.members().iter().enumerate().map(share).collect();
        let mut lines = vec![("mixture", shares.join(", "))];
        if self.settings.model.from.is_some() && !self.data.held_out.tasks().is_empty() {
            let metrics = self.evaluate(0).metrics;
            let figures: Vec<String> =
                metrics.iter().map(|(name, value)| format!("{name} {value:.1}")).collect();
            lines.push(("before", figures.join(", ")));
        }
        lines
    }
}

impl Task for T5Task {
    type Batches = Stream;

    const COLUMNS: &'static [(&'static str, &'static str)] = &[(MEAN, "tasks")];

    fn params(&self) -> &Params {
        &self.params
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.data.tokenizer
    }

    fn text_name(&self) -> &str {
        &self.data.name
    }

    fn introduction(&self) -> Vec<(&'static str, String)> {
        let Config { num_layers, d_model, num_heads, vocab_size, .. } = &self.config;
        let (parameters, vocabulary) = (count(self.params.len() as u64), count(*vocab_size as u64));
        let layers = format!("{num_layers} + {} layers", self.config.decoder_layers());
        let shape = format!("{layers}, {d_model} wide, {num_heads} heads, vocabulary {vocabulary}");
        let held_out = count(self.data.held_out.targets as u64);
        let mut lines = vec![
            ("model", format!("T5, {parameters} parameters: {shape}")),
            ("data", format!("{}; {held_out} held-out tokens to predict", self.data.name)),
        ];
        if self.data.mixture.members().len() > 1 || self.settings.own.mixture.is_some() {
            lines.extend(self.tasks());
        }
        lines
    }

    fn step(&self) -> String {
        let Settings { own, training, .. } = &self.settings;
        let examples = count((training.batch * training.accumulate) as u64);
        format!("{examples} examples of up to {} tokens", count(own.seq as u64))
    }

    fn flops_per_token(&self) -> f64 {
        let Settings { own, training, .. } = &self.settings;
        let (seq, target) = (own.seq as u64, own.lengths().targets as u64);
        let cost = self.config.cost(training.batch as u64, seq, target);
        3.0 * cost.forward_flops as f64 / (training.batch as u64 * (seq + target)) as f64
    }

    fn batches(&self) -> Result<Stream, Error> {
        Ok(Stream::new(self.data.mixture.clone(), self.data.batching.clone()))
    }

    fn loss(&self, tape: &Tape, batch: &Examples, weights: &[f32]) -> Tensor {
        let terms = self.settings.own.loss_terms();
        self.model.loss(tape, &batch.0, &batch.0.targets(weights[0]), terms).total
    }

    fn evaluate(&self, _step: u64) -> Evaluation {
        let Data { tokenizer, batching, held_out, .. } = &self.data;
        held_out.evaluate(&self.model, &self.config, tokenizer, batching.end)
    }

    fn shows_samples(&self) -> bool {
        self.settings.own.samples
    }

    fn sample(&self) -> Result<String, Error> {
        let held_out = &self.data.held_out;
        if !held_out.tasks().is_empty() {
            return Ok(held_out.told());
        }
        let Data { tokenizer, batching, .. } = &self.data;
        let Some((read, target)) = held_out.first() else { return Ok(String::new()) };
        let settings = GenerationConfig {
            max_new_tokens: Some(target.len()),
            eos_token_id: vec![batching.end],
            suppress_tokens: (tokenizer.vocab_size() as u32..self.config.vocab_size as u32).collect(),
            ..GenerationConfig::default()
        };
        let begun = text_to_text::begin(&self.model, &self.config, std::slice::from_ref(&read), &settings);
        let written = generate(begun.model, &begun.prompts, &begun.settings)?;
        let [read, said] = [&read, &written[0][0].ids].map(|ids| tokenizer.decode(ids, Special::With));
        Ok(format!("{}\n→ {}", read?, said?))
    }

    fn write_config(&self, path: &Path) -> Result<(), Error> {
        Ok(self.config.write(path.to_owned(), "T5ForConditionalGeneration")?)
    }
}
