//! Kudo 2018, "Subword Regularization", section 3.2: a unigram language model over pieces, found by expectation
//! maximisation from many frequent substrings, which are dropped until the vocabulary has its size. Sizes and
//! thresholds are those of SentencePiece.

use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::{NFKC, Nmt, Sequence};
use tokenizers::{NormalizerWrapper, Tokenizer as Pipeline};

use super::Training;
use super::lattice::{Lattices, Scored, best_parts};
use super::seeds::seeds;
use super::words::Words;
use crate::unigram::{SPACE, unigram, with_sentinels};
use crate::{Error, Result};

/// The share of a text that the characters of the vocabulary make up; rarer ones are unknown.
const COVERAGE: f64 = 0.9995;
/// A piece that is expected less often is dropped.
const LEAST_EXPECTED: f64 = 0.5;
/// The share of the pieces that is kept each time some are dropped.
const SHRINK: f64 = 0.75;
/// Steps of expectation maximisation between two such times.
const STEPS: usize = 2;
/// As many pieces more than asked for are kept until the end.
const SPARE: f64 = 1.1;

impl Training {
    /// T5's kind of vocabulary: special tokens, pieces by falling probability, sentinels.
    pub(super) fn train_unigram<T: AsRef<str> + Send>(
        &self,
        sentinels: usize,
        texts: impl Iterator<Item = T> + Send,
    ) -> Result<Pipeline> {
        let fault = |e: tokenizers::Error| Error::Train(e.to_string());
        let unknown = self.special_tokens.iter().position(|token| token == "<unk>");
        let unknown = unknown.ok_or_else(|| Error::Train("<unk> is not among the special tokens".into()))?;
        let splitter = unigram(Unigram::default(), normalizer(), &[], 0).map_err(fault)?;
        let mut words = Words::count(&splitter, texts)?;
        let mut alphabet = covering(&words.characters());
        alphabet.extend(self.required.chars().filter(|c| !c.is_whitespace()));
        words.keep(&alphabet);
        let others = self.special_tokens.len() + sentinels;
        self.check_size(others + alphabet.len(), "the characters, the special tokens and the sentinels")?;

        let special = self.special_tokens.iter().map(|token| (token.clone(), 0.0));
        let pieces = special.chain(pieces(&words, &alphabet, self.vocab_size - others)).collect();
        let model = with_sentinels(pieces, Some(unknown), false, sentinels).map_err(fault)?;
        unigram(model, normalizer(), &self.special_tokens, sentinels).map_err(fault)
    }
}

/// SentencePiece's `nmt_nfkc`: control characters go, all white space is a space, compatible characters are one.
fn normalizer() -> Option<NormalizerWrapper> {
    Some(Sequence::new(vec![Nmt.into(), NFKC.into()]).into())
}

/// The most frequent characters that make up most of the text, and the sign of a space.
fn covering(characters: &[(char, u64)]) -> BTreeSet<char> {
    let total: u64 = characters.iter().map(|(_, count)| count).sum();
    let mut covered = 0;
    let enough = |&&(_, count): &&(char, u64)| {
        let go_on = (covered as f64) < COVERAGE * total as f64;
        covered += count;
        go_on
    };
    characters.iter().take_while(enough).map(|&(c, _)| c).chain([SPACE]).collect()
}

/// At most `size` pieces with their log-probabilities, the characters among them, the likeliest first.
fn pieces(words: &Words, alphabet: &BTreeSet<char>, size: usize) -> Vec<(String, f64)> {
    let wanted = (size as f64 * SPARE) as usize;
    let mut pieces = seeds(words, alphabet);
    let mut lattices = Lattices::new(words, &pieces);
    loop {
        for _ in 0..STEPS {
            let expected = lattices.expected(&pieces);
            let keep: Vec<_> = pieces
                .iter()
                .zip(&expected)
                .map(|(piece, &count)| piece.is_character() || count >= LEAST_EXPECTED)
                .collect();
            let sum: f64 =
                keep.iter().zip(&expected).filter(|(keep, _)| **keep).map(|(_, count)| count).sum();
            // Variational Bayes with a sparse prior: ψ in place of the logarithm.
            for (piece, &count) in pieces.iter_mut().zip(&expected) {
                piece.score = digamma(count.max(LEAST_EXPECTED)) - digamma(sum);
            }
            drop_pieces(&mut pieces, &mut lattices, &keep);
        }
        if pieces.len() <= wanted {
            break;
        }
        let left = wanted.max((pieces.len() as f64 * SHRINK) as usize);
        let keep = worth_keeping(&pieces, &lattices, left);
        drop_pieces(&mut pieces, &mut lattices, &keep);
    }
    pieces.sort_by(|a, b| {
        let likelier = b.score.total_cmp(&a.score).then_with(|| a.text.cmp(&b.text));
        b.is_character().cmp(&a.is_character()).then(likelier)
    });
    pieces.truncate(size);
    pieces.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.text.cmp(&b.text)));
    pieces.into_iter().map(|piece| (piece.text, piece.score)).collect()
}

/// Which pieces are left when at most `left` are: the characters, and those whose loss would cost the likelihood of the
/// text most, where each would be replaced by its best parts.
fn worth_keeping(pieces: &[Scored], lattices: &Lattices, left: usize) -> Vec<bool> {
    let counts = lattices.best_counts(pieces);
    let sum: f64 = counts.iter().sum();
    let ids: HashMap<&str, usize> =
        pieces.iter().zip(0..).map(|(piece, id)| (piece.text.as_str(), id)).collect();
    let loss = |id: usize| {
        let (piece, count) = (&pieces[id], counts[id]);
        if piece.is_character() || count == 0.0 {
            return None;
        }
        let parts = best_parts(&piece.text, |part| {
            ids.get(part).filter(|&&other| other != id).map(|&other| (other, pieces[other].score))
        });
        let sum_without = sum + count * (parts.len() as f64 - 1.0);
        let parts: f64 = parts.iter().map(|&part| ((counts[part] + count) / sum_without).ln()).sum();
        Some((count * ((count / sum).ln() - parts), id))
    };
    let mut losses: Vec<_> = (0..pieces.len()).into_par_iter().filter_map(loss).collect();
    losses.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut keep: Vec<_> = pieces.iter().map(Scored::is_character).collect();
    let room = left.saturating_sub(keep.iter().filter(|keep| **keep).count());
    losses.into_iter().take(room).for_each(|(_, id)| keep[id] = true);
    keep
}

fn drop_pieces(pieces: &mut Vec<Scored>, lattices: &mut Lattices, keep: &[bool]) {
    lattices.retain(keep);
    let mut keep = keep.iter();
    pieces.retain(|_| *keep.next().expect("one answer a piece"));
}

/// ψ(x), by its recurrence up to 7 and its asymptotic series from there, which is then good to ten digits.
fn digamma(mut x: f64) -> f64 {
    let mut less = 0.0;
    while x < 7.0 {
        less += 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    x.ln() - 0.5 / x - y * (1.0 / 12.0 - y * (1.0 / 120.0 - y * (1.0 / 252.0 - y / 240.0))) - less
}

#[cfg(test)]
mod tests {
    use super::digamma;

    #[test]
    fn digamma_has_its_known_values() {
        // ψ(1) = −γ, ψ(½) = −γ − 2 ln 2, ψ(n) = H(n−1) − γ.
        let gamma = 0.577_215_664_901_532_9;
        for (x, value) in [
            (1.0, -gamma),
            (0.5, -gamma - 2.0 * std::f64::consts::LN_2),
            (10.0, (1..10).map(|i| 1.0 / f64::from(i)).sum::<f64>() - gamma),
        ] {
            assert!((digamma(x) - value).abs() < 1e-9, "ψ({x}) = {value}, found {}", digamma(x));
        }
    }
}
