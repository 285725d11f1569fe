use tercet_tensor::Tape;

use crate::batch::BertBatch;
use crate::heads::BertForNextSentencePrediction;
use crate::pretraining::BertForMaskedLm;

/// An id that may stand in the place of a `[MASK]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The id.
    pub id: u32,
    /// Its probability among all ids.
    pub probability: f32,
}

impl BertForMaskedLm {
    /// What may stand at `rows` of a batch: for each row the `top` most probable ids, the best first.
    ///
    /// # Panics
    /// As [`Bert::forward`](crate::Bert::forward), and when a row is not in the batch.
    pub fn candidates(&self, batch: &BertBatch, rows: &[u32], top: usize) -> Vec<Vec<Candidate>> {
        let logits = self.logits(&Tape::off(), batch, rows);
        logits.chunks_exact(logits.cols()).map(|logits| best(&softmax(logits), top)).collect()
    }
}

impl BertForNextSentencePrediction {
    /// For each pair of a batch the probability that its second text follows its first.
    ///
    /// # Panics
    /// As [`Bert::forward`](crate::Bert::forward).
    pub fn follows(&self, batch: &BertBatch) -> Vec<f32> {
        self.forward(&Tape::off(), batch).chunks_exact(2).map(|logits| softmax(logits)[0]).collect()
    }
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|x| f64::from(x - most).exp()).collect();
    let total: f64 = powers.iter().sum();
    powers.into_iter().map(|power| (power / total) as f32).collect()
}

/// The most probable; of equals the lower id.
fn best(probabilities: &[f32], top: usize) -> Vec<Candidate> {
    let candidate = |(&probability, id)| Candidate { id, probability };
    let mut all: Vec<Candidate> = probabilities.iter().zip(0..).map(candidate).collect();
    all.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    all.truncate(top);
    all
}
