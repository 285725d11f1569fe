use std::path::Path;

use tercet_data::Windows;
use tercet_gpt2::{Config, Gpt2LmHead};
use tercet_objectives::causal::Documents;
use tercet_tensor::{Params, Tape, Tensor};
use tercet_tokenizer::Tokenizer;
use tercet_train::Evaluation;

use super::held_out::HeldOut;
use super::stream::Stream;
use super::{Attend, Gpt2};
use crate::error::Error;
use crate::lm_batch::LmBatch;
use crate::model::folder_of;
use crate::output::count;
use crate::pretrain::recipe::Task;
use crate::pretrain::settings::Settings;
use crate::pretrain::source::Source;
use crate::sample;

/// Text and GPT-2, ready to meet.
pub struct Gpt2Task {
    settings: Settings<Gpt2>,
    source: Source,
    held_out: HeldOut,
    config: Config,
    params: Params,
    model: Gpt2LmHead,
}

impl Gpt2Task {
    pub fn prepare(settings: &Settings<Gpt2>, saved: Option<Tokenizer>) -> Result<Self, Error> {
        let source = Source::prepare(settings, saved)?;
        let config = settings.model_config(&source.tokenizer)?;
        let held_out = HeldOut::new(&source, settings.own.seq, settings.data.eval_tokens)?;
        let params = Params::new();
        let model = Gpt2LmHead::new(&params, &config, settings.own.init.into());
        let model = model.recompute(settings.own.recompute.into());
        params.init(settings.training.seed);
        if let Some(path) = &settings.model.from {
            config.load_weights(folder_of(path)?, &params, settings.training.seed)?;
        }
        Ok(Self { settings: settings.clone(), source, held_out, config, params, model })
    }
}

impl Task for Gpt2Task {
    type Batches = Stream;

    fn params(&self) -> &Params {
        &self.params
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.source.tokenizer
    }

    fn text_name(&self) -> &str {
        &self.source.name
    }

    fn introduction(&self) -> Vec<(&'static str, String)> {
        let Config { n_layer, n_embd, n_head, vocab_size, .. } = &self.config;
        let (parameters, vocabulary) = (count(self.params.len() as u64), count(*vocab_size as u64));
        let (source, held_out) = (&self.source, count(self.held_out.targets as u64));
        let shape = format!("{n_layer} layers, {n_embd} wide, {n_head} heads, vocabulary {vocabulary}");
        let tokens = count(source.train.tokens());
        vec![
            ("model", format!("GPT-2, {parameters} parameters: {shape}")),
            ("data", format!("{}: {tokens} tokens to train on, {held_out} held out", source.name)),
        ]
    }

    fn step(&self) -> String {
        let Settings { own, training, .. } = &self.settings;
        format!("{} tokens", count((training.batch * own.seq * training.accumulate) as u64))
    }

    fn flops_per_token(&self) -> f64 {
        let (batch, length) = (self.settings.training.batch, self.settings.own.seq);
        let cost = self.config.cost(batch as u64, length as u64);
        3.0 * cost.forward_flops as f64 / (batch * length) as f64
    }

    fn floor(&self) -> Option<f64> {
        self.held_out.floor
    }

    fn batches(&self) -> Result<Stream, Error> {
        let Settings { own, training, .. } = &self.settings;
        let windows = Windows::new(self.source.train.clone(), own.order.into(), own.seq, training.batch)?;
        let documents = match (own.attend, self.source.tokenizer.end_of_text()) {
            (Attend::Document, Some(separator)) => Documents::Split { separator },
            _ => Documents::Cross,
        };
        Ok(Stream::new(windows, documents, training.seed)?)
    }

    fn loss(&self, tape: &Tape, batch: &LmBatch, weights: &[f32]) -> Tensor {
        self.model.loss(tape, &batch.batch, &batch.weighted(weights[0])).total
    }

    fn evaluate(&self, _step: u64) -> Evaluation {
        self.held_out.evaluate(&self.model)
    }

    fn shows_samples(&self) -> bool {
        self.settings.own.sample_tokens > 0
    }

    fn sample(&self) -> Result<String, Error> {
        let own = &self.settings.own;
        let prompt = own.prompt.as_deref().unwrap_or_default();
        sample::text(&self.model, &self.config, &self.source.tokenizer, prompt, own.sample_tokens)
    }

    fn write_config(&self, path: &Path) -> Result<(), Error> {
        Ok(self.config.write(path.to_owned(), "GPT2LMHeadModel")?)
    }
}
