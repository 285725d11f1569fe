use tercet_bert::BertBatch;
use tercet_objectives::Targets;
use tercet_objectives::masked;
use tercet_tensor::ops::Target;
use tercet_train::MicroBatch;

/// Sentence pairs with hidden tokens, and what the model must say of them.
pub struct PairBatch {
    /// What the model reads.
    pub batch: BertBatch,
    /// The hidden tokens, by row.
    pub hidden: Targets,
    /// For each pair 0 where B follows A, 1 where it does not.
    pub next_sentence: Vec<u32>,
}

impl PairBatch {
    /// The hidden tokens, each with this weight in the total.
    pub fn masked_targets(&self, weight: f32) -> Vec<Target> {
        self.hidden.iter().map(|(row, id)| Target { row, id, weight }).collect()
    }

    /// The labels of the pairs, each with this weight in the total.
    pub fn next_sentence_targets(&self, weight: f32) -> Vec<Target> {
        (0..).zip(&self.next_sentence).map(|(row, &id)| Target { row, id, weight }).collect()
    }
}

impl From<masked::Batch> for PairBatch {
    fn from(batch: masked::Batch) -> Self {
        let lengths: Vec<usize> = batch.inputs.lengths().collect();
        let (hidden, next_sentence) = (batch.targets, batch.next_sentence);
        Self { batch: BertBatch::packed(batch.inputs.ids, batch.segments, &lengths), hidden, next_sentence }
    }
}

impl MicroBatch for PairBatch {
    fn tokens(&self) -> usize {
        self.batch.ids.len()
    }

    fn targets(&self) -> Vec<usize> {
        vec![self.hidden.len(), self.next_sentence.len()]
    }
}
