use tercet_attention::{Batch, Cache};
use tercet_tensor::{Pool, Tape};

use crate::config::Config;
use crate::heads::Gpt2LmHead;

/// A language model at work on some sequences, with the keys and values of what it has read.
///
/// A step computes only the new positions; its logits equal those of reading everything again.
pub struct Session<'a> {
    model: &'a Gpt2LmHead,
    cache: Cache,
    pool: Pool,
}

impl Gpt2LmHead {
    /// A session for `sequences` sequences of up to `capacity` positions.
    ///
    /// # Panics
    /// When `capacity` is more than the model's `n_positions`.
    pub fn session(&self, config: &Config, sequences: usize, capacity: usize) -> Session<'_> {
        let limit = config.n_positions;
        assert!(capacity <= limit, "{capacity} positions for a model of {limit}");
        let cache = Cache::new(config.n_layer, sequences, capacity, config.n_embd);
        Session { model: self, cache, pool: Pool::new() }
    }
}

impl Session<'_> {
    /// Appends `new[i]` to sequence i, which from now on is what sequence `parents[i]` was; on the first step `parents`
    /// is empty and nothing moves. Returns the logits of each sequence's next token, (sequences, V) row by row.
    ///
    /// # Panics
    /// When a sequence is not there or would grow beyond the capacity, or an id is not in the vocabulary.
    pub fn step<S: AsRef<[u32]>>(&mut self, parents: &[usize], new: &[S]) -> Vec<f32> {
        if !parents.is_empty() {
            self.cache.reorder(parents);
        }
        let all: Vec<usize> = (0..new.len()).collect();
        let batch = Batch::continuing(&self.cache, &all, new);
        self.model.next_token_logits(&Tape::off_in(&self.pool), &batch).to_vec()
    }

    /// Positions read so far, for each sequence.
    pub fn lengths(&self) -> Vec<usize> {
        self.cache.lengths()
    }

    /// The cache itself.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}
