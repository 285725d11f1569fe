use tercet_attention::Batch;
use tercet_gpt2::{Config, Gpt2LmHead, InitPreset};
use tercet_tensor::ops::Target;
use tercet_tensor::{Params, Precision};

use super::{Shape, StepSize, at_least_1};
use crate::args::Arch;
use crate::error::Error;
use crate::model::Writer;
use crate::random_steps::{RandomSteps, random_ids};

impl Shape for Config {
    fn arch(&self) -> Arch {
        Arch::Gpt2
    }

    fn describe(&self) -> String {
        let Self { n_layer, n_embd, n_head, n_positions, vocab_size, activation_function, .. } = self;
        let Self { resid_pdrop, embd_pdrop, attn_pdrop, layer_norm_epsilon, .. } = self;
        let output = if self.tie_word_embeddings { "tied to wte" } else { "its own weights" };
        [
            format!("  n_layer {n_layer}, n_embd {n_embd}, n_head {n_head}, n_inner {}", self.inner_width()),
            format!("  vocab_size {vocab_size}, n_positions {n_positions}, output layer {output}"),
            format!("  activation_function {activation_function}, layer_norm_epsilon {layer_norm_epsilon:e}"),
            format!("  embd_pdrop {embd_pdrop}, attn_pdrop {attn_pdrop}, resid_pdrop {resid_pdrop}"),
        ]
        .join("\n")
    }

    fn params(&self) -> Params {
        let params = Params::new();
        Gpt2LmHead::new(&params, self, InitPreset::Hf);
        params
    }

    fn set_dropout(&mut self, p: f32) -> Result<(), Error> {
        (self.resid_pdrop, self.embd_pdrop, self.attn_pdrop) = (p, p, p);
        Ok(self.validate()?)
    }

    fn step_size(&self, batch: usize, seq: Option<usize>, target: Option<usize>) -> Result<StepSize, Error> {
        at_least_1("batch", batch)?;
        let wrong =
            |flag, expected, found: usize| Err(Error::Flag { flag, expected, found: found.to_string() });
        if let Some(target) = target {
            return wrong("target", "left out: GPT-2 gives no answers".to_owned(), target);
        }
        let seq = seq.unwrap_or(self.n_positions.min(128));
        if !(2..=self.n_positions).contains(&seq) {
            return wrong("seq", format!("2 to the {} positions of the model", self.n_positions), seq);
        }
        Ok(StepSize { batch, seq, target: 0 })
    }

    fn forward_flops(&self, size: StepSize) -> u64 {
        self.cost(size.batch as u64, size.seq as u64).forward_flops
    }

    fn random_steps(&self, size: StepSize, precision: Precision) -> RandomSteps {
        let StepSize { batch, seq, .. } = size;
        let params = Params::new();
        let model = Gpt2LmHead::new(&params, self, InitPreset::Hf);
        let weight = 1.0 / (batch * (seq - 1)) as f32;
        let batch = Batch::new(&random_ids(0, self.vocab_size, batch, seq));
        let rows = (0..batch.ids.len()).filter(|row| (row + 1) % seq != 0);
        let targets: Vec<Target> =
            rows.map(|row| Target { row: row as u32, id: batch.ids[row + 1], weight }).collect();
        RandomSteps::new(params, precision, move |tape| model.loss(tape, &batch, &targets).total)
    }

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn random_writer(&self) -> Option<Writer> {
        let params = Params::new();
        let model = Gpt2LmHead::new(&params, self, InitPreset::Hf);
        params.init(0);
        Some(Writer::Gpt2(self.clone(), model))
    }
}
