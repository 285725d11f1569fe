use tercet_attention::Batch;
use tercet_gpt2::Gpt2LmHead;
use tercet_objectives::causal::{self, Documents};
use tercet_objectives::{Ragged, Targets};
use tercet_tensor::Tape;
use tercet_tensor::ops::Target;
use tercet_train::MicroBatch;

/// Sequences for a language model, and what it must say after which of their ids.
#[derive(Clone)]
pub struct LmBatch {
    /// What the model reads.
    pub batch: Batch,
    targets: Targets,
}

impl LmBatch {
    /// Each id of a window but the first is a target.
    pub fn next_token(windows: &tercet_data::Batch, documents: Documents) -> Self {
        let windows = Ragged { ids: windows.ids.clone(), starts: windows.starts.clone() };
        Self::from(causal::next_token(&windows, documents))
    }

    /// Several batches as one.
    pub fn joined(batches: &[causal::Batch]) -> Self {
        let mut all = causal::Batch::default();
        for batch in batches {
            let first = all.inputs.ids.len() as u32;
            batch.inputs.sequences().for_each(|sequence| all.inputs.push(sequence.iter().copied()));
            all.targets.rows.extend(batch.targets.rows.iter().map(|row| first + row));
            all.targets.ids.extend(&batch.targets.ids);
        }
        Self::from(all)
    }

    /// The targets, each with this weight in the total.
    pub fn weighted(&self, weight: f32) -> Vec<Target> {
        self.targets.iter().map(|(row, id)| Target { row, id, weight }).collect()
    }

    /// How many targets there are.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Σ −ln p of the targets.
    pub fn nats(&self, model: &Gpt2LmHead, tape: &Tape) -> f64 {
        let loss = model.loss(tape, &self.batch, &self.weighted(1.0));
        loss.nll.iter().map(|&nats| f64::from(nats)).sum()
    }
}

impl From<causal::Batch> for LmBatch {
    fn from(batch: causal::Batch) -> Self {
        let lengths: Vec<usize> = batch.inputs.lengths().collect();
        Self { batch: Batch::packed(batch.inputs.ids, &lengths), targets: batch.targets }
    }
}

impl MicroBatch for LmBatch {
    fn tokens(&self) -> usize {
        self.batch.ids.len()
    }

    fn targets(&self) -> Vec<usize> {
        vec![self.targets.len()]
    }
}
