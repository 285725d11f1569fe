use tercet_bert::{BertBatch, BertForPreTraining, Config};
use tercet_tensor::ops::Target;
use tercet_tensor::{Params, Precision, Rng};

use super::{Shape, StepSize, at_least_1};
use crate::args::Arch;
use crate::error::Error;
use crate::model::Writer;
use crate::random_steps::{RandomSteps, random_ids};

impl Shape for Config {
    fn arch(&self) -> Arch {
        Arch::Bert
    }

    fn describe(&self) -> String {
        let Self { num_hidden_layers, hidden_size, num_attention_heads, intermediate_size, .. } = self;
        let Self { vocab_size, max_position_embeddings, type_vocab_size, hidden_act, .. } = self;
        let Self { layer_norm_eps, hidden_dropout_prob, attention_probs_dropout_prob, .. } = self;
        let output = if self.tie_word_embeddings { "tied to word_embeddings" } else { "its own weights" };
        [
            format!("  num_hidden_layers {num_hidden_layers}, hidden_size {hidden_size}"),
            format!("  num_attention_heads {num_attention_heads}, intermediate_size {intermediate_size}"),
            format!("  vocab_size {vocab_size}, output layer {output}"),
            format!("  max_position_embeddings {max_position_embeddings}, type_vocab_size {type_vocab_size}"),
            format!("  hidden_act {hidden_act}, layer_norm_eps {layer_norm_eps:e}"),
            format!("  hidden_dropout_prob {hidden_dropout_prob}, attention_probs_dropout_prob {attention_probs_dropout_prob}"),
        ]
        .join("\n")
    }

    fn params(&self) -> Params {
        let params = Params::new();
        BertForPreTraining::new(&params, self);
        params
    }

    fn set_dropout(&mut self, p: f32) -> Result<(), Error> {
        (self.hidden_dropout_prob, self.attention_probs_dropout_prob) = (p, p);
        Ok(self.validate()?)
    }

    fn step_size(&self, batch: usize, seq: Option<usize>, target: Option<usize>) -> Result<StepSize, Error> {
        at_least_1("batch", batch)?;
        if let Some(target) = target {
            return Err(Error::flag("target", "left out: BERT gives no answers", target));
        }
        let seq = seq.unwrap_or(self.max_position_embeddings.min(128));
        if !(1..=self.max_position_embeddings).contains(&seq) {
            let expected = format!("1 to the {} positions of the model", self.max_position_embeddings);
            return Err(Error::flag("seq", expected, seq));
        }
        Ok(StepSize { batch, seq, target: 0 })
    }

    fn forward_flops(&self, size: StepSize) -> u64 {
        self.cost(size.batch as u64, size.seq as u64, hidden(size.seq) as u64).forward_flops
    }

    fn random_steps(&self, size: StepSize, precision: Precision) -> RandomSteps {
        self.ragged_steps(&vec![size.seq; size.batch], precision).expect("BERT reads any lengths")
    }

    /// Pretraining with both losses: 15 % of each sequence's positions are to be said, and whether it is a true pair.
    fn ragged_steps(&self, lengths: &[usize], precision: Precision) -> Option<RandomSteps> {
        let params = Params::new();
        let model = BertForPreTraining::new(&params, self);
        let tokens = lengths.iter().sum();
        let ids = random_ids(0, self.vocab_size, 1, tokens).concat();
        let batch = BertBatch::packed(ids, vec![0; tokens], lengths);
        let mut rng = Rng::named(0, "masks");
        let weight = 1.0 / lengths.iter().map(|&length| hidden(length)).sum::<usize>() as f32;
        let mut masked = Vec::new();
        for range in batch.sequences.ranges() {
            let length = range.len();
            let mut rows: Vec<usize> = range.clone().collect();
            rows.sort_by_cached_key(|_| rng.next_u64());
            rows.truncate(hidden(length));
            rows.sort_unstable();
            masked.extend(rows.into_iter().map(|row| Target { row: row as u32, id: batch.ids[row], weight }));
        }
        let weight = 1.0 / lengths.len() as f32;
        let next: Vec<Target> =
            (0..lengths.len() as u32).map(|row| Target { row, id: row % 2, weight }).collect();
        Some(RandomSteps::new(params, precision, move |tape| {
            let loss = model.loss(tape, &batch, &masked, &next);
            loss.masked.total + loss.next_sentence
        }))
    }

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn random_writer(&self) -> Option<Writer> {
        None
    }
}

/// How many of a sequence's positions are to be said.
fn hidden(seq: usize) -> usize {
    (seq * 15).div_ceil(100)
}
