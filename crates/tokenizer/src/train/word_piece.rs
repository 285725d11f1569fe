use std::collections::BTreeSet;

use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::{AddedToken, Tokenizer as Pipeline};

use super::Training;
use super::words::Words;
use crate::word_piece::{splitter, word_piece};
use crate::{Error, Normalization, Result};

/// The most different characters that a vocabulary holds; a word with a rarer one is `[UNK]`.
const ALPHABET: usize = 1000;
/// What a piece begins with that is not the first of its word.
const CONTINUES: &str = "##";

impl Training {
    /// Merges the most frequent pair of pieces within words, as Hugging Face trains WordPiece; the original trainer of
    /// BERT's vocabulary was never published.
    pub(super) fn train_word_piece<T: AsRef<str> + Send>(
        &self,
        normalization: Normalization,
        texts: impl Iterator<Item = T> + Send,
    ) -> Result<Pipeline> {
        let fault = |e: tokenizers::Error| Error::Train(e.to_string());
        let splitter = splitter(WordPiece::default(), normalization).map_err(fault)?;
        let mut words = Words::count(&splitter, texts)?;
        let alphabet: BTreeSet<_> = words.characters().into_iter().take(ALPHABET).map(|(c, _)| c).collect();
        words.keep(&alphabet);

        let inside: BTreeSet<_> = words.0.keys().flat_map(|word| word.chars().skip(1)).collect();
        let inside = inside.into_iter().map(|c| format!("{CONTINUES}{c}"));
        let entries = self.special_tokens.iter().cloned();
        let entries: Vec<_> = entries.chain(alphabet.iter().map(char::to_string)).chain(inside).collect();
        self.check_size(entries.len(), "the characters, alone and inside words, and the special tokens")?;
        // All of them count as special to the trainer, which would else number those inside words by chance.
        let entries = entries.into_iter().map(|entry| AddedToken::from(entry, true)).collect();
        let trainer = BpeTrainer::builder()
            .vocab_size(self.vocab_size)
            .min_frequency(self.min_frequency)
            .special_tokens(entries)
            .continuing_subword_prefix(CONTINUES.into())
            .show_progress(false)
            .build();
        let counts = words.0.into_iter().map(|(word, count)| (word.into(), count)).collect();
        let mut merges = BPE::default();
        trainer.do_train(&counts, &mut merges).map_err(fault)?;
        word_piece(WordPiece::from_bpe(&merges), normalization, &self.special_tokens).map_err(fault)
    }
}
