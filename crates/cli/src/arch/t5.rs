use std::path::Path;

use tercet_t5::{Config, InitPreset, T5Batch, T5ForConditionalGeneration};
use tercet_tensor::ops::LossTerms;
use tercet_tensor::{Params, Precision};

use super::{Shape, StepSize, at_least_1};
use crate::args::Arch;
use crate::error::Error;
use crate::model::Writer;
use crate::random_steps::{RandomSteps, random_ids};

/// The configuration in a folder with weights, which know best what is tied, or in a `config.json` alone.
pub fn read(path: &Path) -> Result<Config, Error> {
    let weights = ["model.safetensors", "model.safetensors.index.json"];
    let has_weights = weights.iter().any(|name| path.join(name).is_file());
    Ok(if has_weights { Config::of_checkpoint(path)? } else { Config::read(path)? })
}

impl Shape for Config {
    fn arch(&self) -> Arch {
        Arch::T5
    }

    fn describe(&self) -> String {
        let Self { num_layers, d_model, d_kv, d_ff, num_heads, vocab_size, .. } = self;
        let Self { relative_attention_num_buckets, relative_attention_max_distance, .. } = self;
        let Self { feed_forward_proj, layer_norm_epsilon, dropout_rate, .. } = self;
        let output = if self.tie_word_embeddings { "tied to shared" } else { "its own weights" };
        let decoders = self.decoder_layers();
        [
            format!("  num_layers {num_layers}, num_decoder_layers {decoders}, d_model {d_model}"),
            format!("  num_heads {num_heads}, d_kv {d_kv}, d_ff {d_ff}, feed_forward_proj {feed_forward_proj}"),
            format!("  vocab_size {vocab_size}, output layer {output}"),
            format!("  relative_attention_num_buckets {relative_attention_num_buckets}, relative_attention_max_distance {relative_attention_max_distance}"),
            format!("  layer_norm_epsilon {layer_norm_epsilon:e}, dropout_rate {dropout_rate}"),
        ]
        .join("\n")
    }

    fn params(&self) -> Params {
        let params = Params::new();
        T5ForConditionalGeneration::new(&params, self, InitPreset::default());
        params
    }

    fn set_dropout(&mut self, p: f32) -> Result<(), Error> {
        self.dropout_rate = p;
        Ok(self.validate()?)
    }

    /// By default an answer is as long as span corruption makes it.
    fn step_size(&self, batch: usize, seq: Option<usize>, target: Option<usize>) -> Result<StepSize, Error> {
        let seq = seq.unwrap_or(128);
        let target = target.unwrap_or((seq * 114 / 512).max(8));
        for (flag, length) in [("batch", batch), ("seq", seq), ("target", target)] {
            at_least_1(flag, length)?;
        }
        Ok(StepSize { batch, seq, target })
    }

    fn forward_flops(&self, size: StepSize) -> u64 {
        let [batch, seq, target] = [size.batch, size.seq, size.target].map(|n| n as u64);
        self.cost(batch, seq, target).forward_flops
    }

    fn random_steps(&self, size: StepSize, precision: Precision) -> RandomSteps {
        let StepSize { batch, seq, target } = size;
        let params = Params::new();
        let model = T5ForConditionalGeneration::new(&params, self, InitPreset::default());
        let texts = random_ids(0, self.vocab_size, batch, seq);
        let answers = random_ids(1, self.vocab_size, batch, target);
        let batch = T5Batch::new(&texts, &answers, self.decoder_start());
        let targets = batch.targets(1.0 / batch.labels.len() as f32);
        RandomSteps::new(params, precision, move |tape| {
            model.loss(tape, &batch, &targets, LossTerms::default()).total
        })
    }

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn random_writer(&self) -> Option<Writer> {
        let params = Params::new();
        let model = T5ForConditionalGeneration::new(&params, self, InitPreset::default());
        params.init(0);
        Some(Writer::T5(self.clone(), model))
    }
}
