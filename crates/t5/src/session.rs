use tercet_attention::{Batch, Cache};
use tercet_tensor::{Pool, Tape};

use crate::config::Config;
use crate::decoder::Memory;
use crate::heads::T5ForConditionalGeneration;

/// T5 at work on some texts: what the decoder reads of them, and the keys and values of what it has written.
///
/// A step computes only the new positions; its logits equal those of reading everything again.
pub struct Session<'a> {
    model: &'a T5ForConditionalGeneration,
    memory: Memory,
    cache: Cache,
    pool: Pool,
}

impl T5ForConditionalGeneration {
    /// Encodes `inputs` and begins one answer of up to `capacity` ids for each.
    ///
    /// # Panics
    /// When an id is not in the vocabulary.
    pub fn session(&self, config: &Config, inputs: &Batch, capacity: usize) -> Session<'_> {
        let pool = Pool::new();
        let memory = self.transformer.read(&Tape::off_in(&pool), inputs);
        let (layers, width) = (config.decoder_layers(), config.inner_width());
        let cache = Cache::new(layers, inputs.sequences.len(), capacity, width);
        Session { model: self, memory, cache, pool }
    }
}

impl Session<'_> {
    /// Appends `new[i]` to answer i, which from now on is what answer `parents[i]` was, and reads the same text; on
    /// the first step `parents` is empty, nothing moves, and each answer begins with the start id. Returns the logits
    /// of each answer's next token, (answers, V) row by row.
    ///
    /// # Panics
    /// When an answer is not there or would grow beyond the capacity, or an id is not in the vocabulary.
    pub fn step<S: AsRef<[u32]>>(&mut self, parents: &[usize], new: &[S]) -> Vec<f32> {
        if !parents.is_empty() {
            self.cache.reorder(parents);
            self.memory.reorder(parents);
        }
        let all: Vec<usize> = (0..new.len()).collect();
        let batch = Batch::continuing(&self.cache, &all, new);
        self.model.next_token_logits(&Tape::off_in(&self.pool), &batch, &self.memory).to_vec()
    }

    /// Positions written so far, for each answer.
    pub fn lengths(&self) -> Vec<usize> {
        self.cache.lengths()
    }
}
