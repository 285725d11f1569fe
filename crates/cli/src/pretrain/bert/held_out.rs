use rayon::prelude::*;
use tercet_bert::BertForPreTraining;
use tercet_objectives::masked::{self, Instance};
use tercet_tensor::{Pool, Tape};
use tercet_train::Evaluation;

use super::batch::PairBatch;
use super::examples::{Entries, Maker};
use super::text::Document;
use crate::error::Error;

/// Sequences of one pass.
const BATCH: usize = 16;

/// Sentence pairs that training does not see, hidden tokens and labels with them.
pub struct HeldOut {
    batches: Vec<PairBatch>,
    pool: Pool,
    /// How many pairs.
    pub pairs: usize,
    /// One of them, to be shown.
    pub shown: Instance,
    /// What can be had without reading.
    pub chance: Chance,
}

/// The accuracies of saying the same always.
pub struct Chance {
    /// The token that is most frequent in the training text.
    pub token: u32,
    /// Its share of the hidden tokens.
    pub masked: f64,
    /// The share of the more frequent label of the pairs.
    pub next_sentence: f64,
}

/// Σ −ln p of some targets, and how many were given the highest score.
#[derive(Clone, Copy, Default)]
struct Score {
    nats: f64,
    right: usize,
    all: usize,
}

impl HeldOut {
    /// Pairs of the held-out documents, until they have `most` tokens; 0 is no limit.
    ///
    /// # Errors
    /// When no pair can be made.
    pub fn new(
        (train, held_out): (&[Document], &[Document]),
        entries: &Entries,
        length: usize,
        most: usize,
    ) -> Result<Self, Error> {
        let mut pairs = Maker::held_out(held_out, entries, length)?;
        let mut tokens = 0;
        let enough = pairs.iter().position(|pair| {
            tokens += pair.ids.len();
            most > 0 && tokens >= most
        });
        pairs.truncate(enough.map_or(pairs.len(), |last| last + 1));
        let longest = pairs.iter().take(BATCH).max_by_key(|pair| pair.ids.len());
        let shown = longest.expect("a document makes a pair").clone();
        let chance = Chance::of(&pairs, most_frequent(train, entries));
        let batches = pairs.chunks(BATCH).map(|pairs| masked::batch(pairs).into()).collect();
        Ok(Self { batches, pool: Pool::new(), pairs: pairs.len(), shown, chance })
    }

    /// How well the model does.
    pub fn evaluate(&self, model: &BertForPreTraining) -> Evaluation {
        let (mut hidden, mut next_sentence) = (Score::default(), Score::default());
        for batch in &self.batches {
            let tape = Tape::off_in(&self.pool);
            let (words, pairs) = model.logits(&tape, &batch.batch, &batch.hidden.rows);
            hidden.add(&words, words.cols(), &batch.hidden.ids);
            next_sentence.add(&pairs, 2, &batch.next_sentence);
        }
        let metrics = [
            ("mlm_loss", hidden.loss()),
            ("mlm_accuracy", hidden.accuracy()),
            ("nsp_loss", next_sentence.loss()),
            ("nsp_accuracy", next_sentence.accuracy()),
        ];
        Evaluation {
            loss: hidden.loss() + next_sentence.loss(),
            metrics: metrics.map(|(name, value)| (name.to_owned(), value)).into(),
            ..Evaluation::default()
        }
    }
}

impl Score {
    /// Adds logits (targets, `classes`) of which `targets` are the right classes.
    fn add(&mut self, logits: &[f32], classes: usize, targets: &[u32]) {
        let rows: Vec<(f64, bool)> = logits
            .par_chunks(classes)
            .zip(targets)
            .map(|(logits, &target)| {
                let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f64 = logits.iter().map(|&logit| f64::from(logit - highest).exp()).sum();
                let own = logits[target as usize];
                (sum.ln() - f64::from(own - highest), own == highest)
            })
            .collect();
        for (nats, right) in rows {
            self.nats += nats;
            self.right += usize::from(right);
            self.all += 1;
        }
    }

    fn loss(&self) -> f64 {
        self.nats / self.all.max(1) as f64
    }

    fn accuracy(&self) -> f64 {
        self.right as f64 / self.all.max(1) as f64
    }
}

impl Chance {
    fn of(pairs: &[Instance], token: u32) -> Self {
        let hidden = || pairs.iter().flat_map(|pair| &pair.targets.ids);
        let share = |part: usize, all: usize| part as f64 / all.max(1) as f64;
        let random = share(pairs.iter().filter(|pair| pair.is_random_next).count(), pairs.len());
        Self {
            token,
            masked: share(hidden().filter(|&&id| id == token).count(), hidden().count()),
            next_sentence: random.max(1.0 - random),
        }
    }
}

fn most_frequent(documents: &[Document], entries: &Entries) -> u32 {
    let mut counts = vec![0u64; entries.vocabulary.size];
    documents.iter().flatten().flatten().for_each(|&id| counts[id as usize] += 1);
    (0..).zip(&counts).max_by_key(|(_, count)| **count).map_or(0, |(id, _)| id)
}
