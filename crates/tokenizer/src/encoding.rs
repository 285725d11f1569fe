use std::ops::Range;

use tokenizers::Encoding as Parts;

use crate::Tokenizer;

/// A text or a pair of texts as ids, with where in it each of them came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// The ids.
    pub ids: Vec<u32>,
    /// The vocabulary entries that the ids stand for.
    pub tokens: Vec<String>,
    /// The bytes of its text that each id covers; empty at 0 for special tokens that were added.
    pub offsets: Vec<Range<usize>>,
    /// The index of the word (a piece of the pre-tokenizer) that each id belongs to; none for added special tokens.
    pub words: Vec<Option<u32>>,
    /// The token type of each id: for BERT 0 in the first text with its special tokens, 1 in the second.
    pub type_ids: Vec<u32>,
    /// Which text of a pair each id came from, 0 or 1; none for added special tokens.
    pub texts: Vec<Option<usize>>,
}

impl Encoding {
    pub(crate) fn new(tokenizer: &Tokenizer, parts: &Parts) -> Self {
        // An unknown word has its own spelling here, and a template may name ids that are nowhere else.
        let token =
            |(&id, spelled): (&u32, &String)| tokenizer.id_to_token(id).unwrap_or_else(|| spelled.clone());
        Self {
            ids: parts.get_ids().to_vec(),
            tokens: parts.get_ids().iter().zip(parts.get_tokens()).map(token).collect(),
            offsets: parts.get_offsets().iter().map(|&(start, end)| start..end).collect(),
            words: parts.get_word_ids().to_vec(),
            type_ids: parts.get_type_ids().to_vec(),
            texts: parts.get_sequence_ids(),
        }
    }
}
