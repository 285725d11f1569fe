use std::path::Path;
use std::sync::Arc;

use tercet_bert::{BertForPreTraining, Config};
use tercet_tensor::{OnMissing, Params, Tape, Tensor};
use tercet_tokenizer::Tokenizer;
use tercet_train::Evaluation;

use super::batch::PairBatch;
use super::examples::{Entries, Estimate, Maker};
use super::held_out::HeldOut;
use super::phase::{Stretch, stretches};
use super::stream::Stream;
use super::text::Text;
use super::{Bert, ObjectiveArg, sample};
use crate::error::Error;
use crate::machine;
use crate::model::folder_of;
use crate::output::{count, short};
use crate::pretrain::recipe::Task;
use crate::pretrain::settings::Settings;

/// Documents and BERT, ready to meet.
pub struct BertTask {
    settings: Settings<Bert>,
    tokenizer: Tokenizer,
    name: String,
    entries: Arc<Entries>,
    maker: Maker,
    /// What the pairs of the phase with the most of them take.
    pairs: Estimate,
    stretches: Vec<Stretch>,
    /// By phase.
    held_out: Vec<HeldOut>,
    /// Documents, sentences and tokens to train on, and documents that are held out.
    counts: [usize; 4],
    config: Config,
    params: Params,
    model: BertForPreTraining,
}

impl BertTask {
    pub fn prepare(settings: &Settings<Bert>, saved: Option<Tokenizer>) -> Result<Self, Error> {
        let Text { tokenizer, train, held_out: apart, name } = Text::prepare(settings, saved)?;
        let entries = Arc::new(Entries::of(&tokenizer)?);
        let config = settings.model_config(&tokenizer)?;
        let training = &settings.training;
        let stretches = stretches(&settings.own.phase, training.steps, training.batch);
        let of_phase = |stretch: &Stretch| {
            HeldOut::new((&train, &apart), &entries, stretch.length, settings.data.eval_tokens)
        };
        let held_out = stretches.iter().map(of_phase).collect::<Result<_, _>>()?;
        let tokens = train.iter().flatten().map(Vec::len).sum();
        let counts = [train.len(), train.iter().map(Vec::len).sum(), tokens, apart.len()];
        let maker = Maker::new(settings, Arc::new(train), Arc::clone(&entries));
        let pairs = largest(&maker, &stretches)?;
        check_memory(&pairs)?;
        let params = Params::new();
        let model = BertForPreTraining::new(&params, &config);
        params.init(training.seed);
        if let Some(path) = &settings.model.from {
            let new = OnMissing::Init { seed: training.seed };
            config.load_weights(folder_of(path)?, &params, new)?;
        }
        let settings = settings.clone();
        Ok(Self {
            settings,
            tokenizer,
            name,
            entries,
            maker,
            pairs,
            stretches,
            held_out,
            counts,
            config,
            params,
            model,
        })
    }

    /// What the examples are, and what they take.
    fn examples(&self) -> String {
        let Estimate { examples, bytes } = self.pairs;
        let how = match self.settings.own.objective {
            ObjectiveArg::Google => "google, made once",
            ObjectiveArg::Hf => "hf, new in every epoch",
            ObjectiveArg::Card => "card, new in every epoch",
        };
        format!("{how}: about {} sentence pairs, {}B of memory", count(examples), short(bytes))
    }

    fn phase(&self, number: usize, stretch: &Stretch) -> String {
        let Stretch { length, batch, begin, end } = stretch;
        let (first, last) = (count(begin + 1), count(*end));
        format!("{}: steps {first} to {last} in batches of {batch} × {length} tokens at most", number + 1)
    }
}

impl Task for BertTask {
    type Batches = Stream;

    const COLUMNS: &'static [(&'static str, &'static str)] =
        &[("mlm_loss", "mlm"), ("mlm_accuracy", "mlm acc"), ("nsp_accuracy", "nsp acc")];

    fn params(&self) -> &Params {
        &self.params
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn text_name(&self) -> &str {
        &self.name
    }

    fn introduction(&self) -> Vec<(&'static str, String)> {
        let Config { num_hidden_layers, hidden_size, num_attention_heads, vocab_size, .. } = &self.config;
        let (parameters, vocabulary) = (count(self.params.len() as u64), count(*vocab_size as u64));
        let shape = format!("{num_hidden_layers} layers, {hidden_size} wide, {num_attention_heads} heads");
        let [documents, sentences, tokens, apart] = self.counts.map(|n| count(n as u64));
        let pairs: Vec<String> = self.held_out.iter().map(|of_phase| count(of_phase.pairs as u64)).collect();
        let pairs = pairs.join(" and ");
        let mut lines = vec![
            ("model", format!("BERT, {parameters} parameters: {shape}, vocabulary {vocabulary}")),
            ("data", format!("{}: {documents} documents, {sentences} sentences, {tokens} tokens", self.name)),
            ("", format!("held out {apart} other documents, of which {pairs} sentence pairs")),
            ("pairs", self.examples()),
        ];
        if self.stretches.len() > 1 {
            let phases = self.stretches.iter().enumerate();
            lines.extend(phases.map(|(number, stretch)| ("phase", self.phase(number, stretch))));
        }
        lines.extend(self.held_out.iter().enumerate().map(|(number, HeldOut { chance, .. })| {
            let said = self.tokenizer.id_to_token(chance.token).unwrap_or_default();
            let (masked, next) = (chance.masked, chance.next_sentence);
            let phase = if self.held_out.len() > 1 { format!("{}: ", number + 1) } else { String::new() };
            let by = format!("by saying {said:?} always");
            ("chance", format!("{phase}mlm accuracy {masked:.3} {by}, nsp accuracy {next:.3}"))
        }));
        lines
    }

    fn step(&self) -> String {
        let Stretch { length, batch, .. } = self.stretches[0];
        let sequences = batch * self.settings.training.accumulate;
        format!("{} sentence pairs of {length} tokens at most", count(sequences as u64))
    }

    /// The mean over the phases, of full sequences.
    fn flops_per_token(&self) -> f64 {
        let (mut flops, mut tokens) = (0.0, 0.0);
        for Stretch { length, batch, begin, end } in &self.stretches {
            let (length, steps) = (*length as u64, (end - begin) as f64);
            let masked = (length as f64 * self.settings.own.masked_lm_prob) as u64;
            flops += steps * 3.0 * self.config.cost(*batch as u64, length, masked).forward_flops as f64;
            tokens += steps * (*batch as u64 * length) as f64;
        }
        flops / tokens
    }

    fn batches(&self) -> Result<Stream, Error> {
        let accumulate = self.settings.training.accumulate;
        Ok(Stream::new(self.maker.clone(), self.stretches.clone(), accumulate))
    }

    fn loss(&self, tape: &Tape, batch: &PairBatch, weights: &[f32]) -> Tensor {
        let (masked, next) = (batch.masked_targets(weights[0]), batch.next_sentence_targets(weights[1]));
        let loss = self.model.loss(tape, &batch.batch, &masked, &next);
        loss.masked.total + loss.next_sentence
    }

    /// On pairs as long as those that the step was of.
    fn evaluate(&self, step: u64) -> Evaluation {
        let phase = self.stretches.iter().position(|stretch| step <= stretch.end);
        let phase = phase.unwrap_or(self.stretches.len() - 1);
        Evaluation { stage: phase as u32, ..self.held_out[phase].evaluate(&self.model) }
    }

    fn shows_samples(&self) -> bool {
        self.settings.own.sample_tokens > 0
    }

    fn sample(&self) -> Result<String, Error> {
        let tokens = self.settings.own.sample_tokens;
        Ok(sample::text(&self.model, &self.tokenizer, &self.entries, &self.held_out[0].shown, tokens))
    }

    fn write_config(&self, path: &Path) -> Result<(), Error> {
        Ok(self.config.write(path.to_owned(), "BertForPreTraining")?)
    }
}

fn largest(maker: &Maker, stretches: &[Stretch]) -> Result<Estimate, Error> {
    let estimates: Vec<Estimate> =
        stretches.iter().map(|stretch| maker.estimate(stretch.length)).collect::<Result<_, _>>()?;
    let largest = estimates.into_iter().max_by(|a, b| a.bytes.total_cmp(&b.bytes));
    Ok(largest.expect("a run has a phase"))
}

/// Refuses sentence pairs that do not fit into memory before time goes into making them.
fn check_memory(pairs: &Estimate) -> Result<(), Error> {
    match machine::available_bytes() {
        Some(free) if pairs.bytes > free => {
            let what = format!("about {}B of sentence pairs", short(pairs.bytes));
            let expected =
                "no more than the free memory; a smaller --dupe-factor or --objective hf takes less";
            Err(Error::Input { what, expected, found: format!("{}B free", short(free)) })
        }
        _ => Ok(()),
    }
}
