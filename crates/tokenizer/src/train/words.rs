use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;
use tokenizers::{
    NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    Tokenizer as Pipeline,
};

use crate::{Error, Result};

/// How often each word of a text occurs; the words are pieces of the pre-tokenizer, in the order of their letters.
pub(super) struct Words(pub(super) BTreeMap<String, u64>);

impl Words {
    /// Counts the words of texts as a pipeline normalises and splits them.
    ///
    /// The pipeline sees each string between white space once, however often it occurs: neither WordPiece nor Unigram
    /// joins what white space parts.
    pub(super) fn count<T: AsRef<str> + Send>(
        pipeline: &Pipeline,
        texts: impl Iterator<Item = T> + Send,
    ) -> Result<Self> {
        let strings = texts.par_bridge().fold(HashMap::new, |mut counts: HashMap<String, u64>, text| {
            for string in text.as_ref().split_whitespace() {
                match counts.get_mut(string) {
                    Some(count) => *count += 1,
                    None => drop(counts.insert(string.to_owned(), 1)),
                }
            }
            counts
        });
        let strings: Vec<_> = strings.reduce(HashMap::new, merged).into_iter().collect();
        let words = strings.into_par_iter().map(|(string, count)| Ok((split(pipeline, &string)?, count)));
        let words: tokenizers::Result<Vec<_>> = words.collect();
        let mut counts = BTreeMap::new();
        for (words, count) in words.map_err(|e| Error::Train(e.to_string()))? {
            for word in words {
                *counts.entry(word).or_default() += count;
            }
        }
        if counts.is_empty() { Err(Error::EmptyText) } else { Ok(Self(counts)) }
    }

    /// The characters, the most frequent first.
    pub(super) fn characters(&self) -> Vec<(char, u64)> {
        let mut counts = BTreeMap::new();
        for (word, count) in &self.0 {
            word.chars().for_each(|c| *counts.entry(c).or_default() += count);
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        counts
    }

    /// Forgets the words with other characters.
    pub(super) fn keep(&mut self, alphabet: &BTreeSet<char>) {
        self.0.retain(|word, _| word.chars().all(|c| alphabet.contains(&c)));
    }
}

fn merged(a: HashMap<String, u64>, b: HashMap<String, u64>) -> HashMap<String, u64> {
    let (mut counts, fewer) = if a.len() < b.len() { (b, a) } else { (a, b) };
    for (word, count) in fewer {
        *counts.entry(word).or_default() += count;
    }
    counts
}

fn split(pipeline: &Pipeline, text: &str) -> tokenizers::Result<Vec<String>> {
    let mut text = NormalizedString::from(text);
    if let Some(normalizer) = pipeline.get_normalizer() {
        normalizer.normalize(&mut text)?;
    }
    let mut text = PreTokenizedString::from(text);
    if let Some(pre_tokenizer) = pipeline.get_pre_tokenizer() {
        pre_tokenizer.pre_tokenize(&mut text)?;
    }
    let words = text.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
    Ok(words.into_iter().map(|(word, _, _)| word.to_owned()).collect())
}
