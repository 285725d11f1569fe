use std::ops::Range;

use tokenizers::Encoding as Parts;

/// A text as ids, with where in the text each of them came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// The ids.
    pub ids: Vec<u32>,
    /// The vocabulary entries that the ids stand for.
    pub tokens: Vec<String>,
    /// The bytes of the text that each id covers; empty at 0 for special tokens that were added.
    pub offsets: Vec<Range<usize>>,
    /// The index of the word (a piece of the pre-tokenizer) that each id belongs to; none for added special tokens.
    pub words: Vec<Option<u32>>,
}

impl Encoding {
    pub(crate) fn new(parts: &Parts) -> Self {
        Self {
            ids: parts.get_ids().to_vec(),
            tokens: parts.get_tokens().to_vec(),
            offsets: parts.get_offsets().iter().map(|&(start, end)| start..end).collect(),
            words: parts.get_word_ids().to_vec(),
        }
    }
}
