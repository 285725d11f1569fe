use std::cell::RefCell;

use tercet_generate::{GenerationConfig, generate};
use tercet_objectives::spans;
use tercet_t5::{Config, T5ForConditionalGeneration};
use tercet_tasks::{Encoder, Example, Score, Task};
use tercet_tensor::ops::LossTerms;
use tercet_tensor::{Pool, Tape};
use tercet_tokenizer::{Special, Tokenizer};
use tercet_train::Evaluation;

use super::stream::{Batching, Examples};
use crate::error::Error;
use crate::text_to_text;

/// Examples of one pass.
const BATCH: usize = 32;

/// What a model is measured on.
pub struct HeldOut {
    /// Corrupted text, or the examples of the tasks where there is none.
    batches: Vec<Examples>,
    /// Ids to predict.
    pub targets: usize,
    tasks: Vec<Questions>,
    pool: Pool,
    /// What the model said at the last evaluation.
    said: RefCell<Vec<Said>>,
}

/// Held-out examples of a task.
pub struct Questions {
    pub task: &'static Task,
    pub examples: Vec<Example>,
    ids: Vec<spans::Example>,
    /// The longest answer, the end included.
    longest: usize,
}

/// One answer of each task.
struct Said {
    scores: Vec<Score>,
    question: String,
    answer: String,
}

impl Questions {
    /// Encodes questions.
    ///
    /// # Errors
    /// When one cannot be encoded, or its answer is too long.
    pub fn new(task: &'static Task, examples: Vec<Example>, encoder: &Encoder) -> Result<Self, Error> {
        let ids = examples.iter().map(|example| encoder.encode(task.name, example));
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        let longest = ids.iter().map(|ids| ids.targets.len() + 1).max().unwrap_or(1);
        Ok(Self { task, examples, ids, longest })
    }

    /// What the model answers, greedily.
    fn answers(
        &self,
        model: &T5ForConditionalGeneration,
        config: &Config,
        tokenizer: &Tokenizer,
        end: u32,
    ) -> Vec<String> {
        let settings = GenerationConfig {
            max_new_tokens: Some(self.longest),
            eos_token_id: vec![end],
            suppress_tokens: (tokenizer.vocab_size() as u32..config.vocab_size as u32).collect(),
            ..GenerationConfig::default()
        };
        let mut answers = Vec::with_capacity(self.ids.len());
        for batch in self.ids.chunks(BATCH) {
            let inputs: Vec<Vec<u32>> =
                batch.iter().map(|ids| ids.inputs.iter().copied().chain([end]).collect()).collect();
            let begun = text_to_text::begin(model, config, &inputs, &settings);
            // A model that is not a number any more says nothing.
            let written = generate(begun.model, &begun.prompts, &begun.settings).unwrap_or_default();
            let text = |ids: &[u32]| tokenizer.decode(ids, Special::Without).unwrap_or_default();
            answers.extend(written.iter().map(|outputs| text(&outputs[0].ids)));
            answers.resize(answers.len().next_multiple_of(BATCH).min(self.ids.len()), String::new());
        }
        answers
    }
}

impl HeldOut {
    /// Corrupted text to be filled in, and questions to be answered.
    pub fn new(text: &[spans::Example], tasks: Vec<Questions>, batching: &Batching) -> Self {
        let all: Vec<&spans::Example> = match text {
            [] => tasks.iter().flat_map(|questions| &questions.ids).collect(),
            text => text.iter().collect(),
        };
        let batch = |examples: &[&spans::Example]| {
            let examples: Vec<spans::Example> = examples.iter().map(|&example| example.clone()).collect();
            Examples::new(&examples, batching.start, batching.end)
        };
        let batches: Vec<Examples> = all.chunks(BATCH).map(batch).collect();
        let targets = batches.iter().map(|batch| batch.0.labels.len()).sum();
        Self { batches, targets, tasks, pool: Pool::new(), said: RefCell::default() }
    }

    /// The tasks that are measured.
    pub fn tasks(&self) -> &[Questions] {
        &self.tasks
    }

    /// The mean loss, and what each task measures.
    pub fn evaluate(
        &self,
        model: &T5ForConditionalGeneration,
        config: &Config,
        tokenizer: &Tokenizer,
        end: u32,
    ) -> Evaluation {
        let nats = |batch: &Examples| {
            let (tape, targets) = (Tape::off_in(&self.pool), batch.0.targets(1.0));
            let loss = model.loss(&tape, &batch.0, &targets, LossTerms::default());
            loss.nll.iter().map(|&nats| f64::from(nats)).sum::<f64>()
        };
        let loss = self.batches.iter().map(nats).sum::<f64>() / self.targets.max(1) as f64;
        let (mut metrics, mut said) = (std::collections::BTreeMap::new(), Vec::new());
        for (turn, questions) in self.tasks.iter().enumerate() {
            let answers = questions.answers(model, config, tokenizer, end);
            let scores = questions.task.score(&questions.examples, &answers);
            for score in &scores {
                metrics.insert(format!("{} {}", questions.task.name, score.metric), score.value);
            }
            let shown = turn % questions.examples.len().max(1);
            let question = questions.examples[shown].inputs.replace('\n', " ");
            said.push(Said { scores, question, answer: answers[shown].clone() });
        }
        if !said.is_empty() {
            let first = |said: &Said| said.scores.first().map_or(0.0, |score| score.value);
            let mean = said.iter().map(first).sum::<f64>() / said.len() as f64;
            metrics.insert(MEAN.to_owned(), mean);
        }
        self.said.replace(said);
        Evaluation { loss, metrics: metrics.into_iter().collect(), ..Evaluation::default() }
    }

    /// A text that the encoder reads, and what the decoder should say.
    pub fn first(&self) -> Option<(Vec<u32>, Vec<u32>)> {
        let batch = &self.batches.first()?.0;
        let (inputs, answer) = (batch.inputs.sequences.ranges(), batch.decoder_inputs.sequences.ranges());
        Some((batch.inputs.ids[inputs[0].clone()].to_vec(), batch.labels[answer[0].clone()].to_vec()))
    }

    /// What was said at the last evaluation, a line for each task: its scores, a question and the answer to it.
    pub fn told(&self) -> String {
        let line = |(questions, said): (&Questions, &Said)| {
            let scores: Vec<String> = said.scores.iter().map(|score| format!("{:.1}", score.value)).collect();
            let Said { question, answer, .. } = said;
            format!("{} {}: {} → {answer}\n", questions.task.name, scores.join("/"), beginning(question))
        };
        self.tasks.iter().zip(self.said.borrow().iter()).map(line).collect()
    }
}

/// As much of a question as a line holds.
fn beginning(question: &str) -> String {
    match question.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &question[..end]),
        None => question.to_owned(),
    }
}

/// Characters of a question that are shown.
const SHOWN: usize = 48;

/// The mean of the first measure of each task.
pub const MEAN: &str = "mean of tasks";
