use std::collections::{BTreeSet, HashMap};

use super::lattice::Scored;
use super::words::Words;

/// The most characters of a piece.
const LONGEST: usize = 16;
/// The most pieces to begin with.
const SEEDS: usize = 1_000_000;

/// The characters, and the substrings of the words that occur twice and are not always followed by the same character;
/// those that make up most of the text, with the logarithms of their shares.
pub(super) fn seeds(words: &Words, alphabet: &BTreeSet<char>) -> Vec<Scored> {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for (word, count) in &words.0 {
        substrings(word, 1).for_each(|(_, part)| *counts.entry(part).or_default() += count);
    }
    let mut seeds: Vec<_> = alphabet
        .iter()
        .map(|c| {
            (counts.get(c.encode_utf8(&mut [0; 4]) as &str).map_or(1, |&count| count.max(1)), c.to_string())
        })
        .collect();
    let mut longer = Vec::new();
    for length in 2..=LONGEST + 1 {
        let mut next: HashMap<&str, u64> = HashMap::new();
        for (word, count) in &words.0 {
            for (shorter, part) in substrings(word, length) {
                if counts.contains_key(shorter) {
                    *next.entry(part).or_default() += count;
                }
            }
        }
        next.retain(|_, count| *count >= 2);
        let mut is_cut = counts;
        for (part, count) in &next {
            let last = part.chars().next_back().map_or(0, char::len_utf8);
            let shorter = &part[..part.len() - last];
            if is_cut.get(shorter) == Some(count) {
                is_cut.remove(shorter);
            }
        }
        if length > 2 {
            longer.extend(is_cut.into_iter().map(|(part, count)| (count * (length as u64 - 1), part)));
        }
        counts = next;
    }
    longer.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    longer.truncate(SEEDS);
    seeds.extend(longer.into_iter().map(|(share, part)| (share, part.to_owned())));
    let total: f64 = seeds.iter().map(|(share, _)| *share as f64).sum();
    seeds.into_iter().map(|(share, text)| Scored::new(text, (share as f64 / total).ln())).collect()
}

/// Every substring of `length` characters, after itself without the last one.
fn substrings(word: &str, length: usize) -> impl Iterator<Item = (&str, &str)> {
    let ends = word.char_indices().map(|(at, _)| at).chain([word.len()]);
    let starts = word.char_indices().map(|(at, _)| at);
    let before_last = ends.clone().skip(length - 1);
    starts
        .zip(before_last)
        .zip(ends.skip(length))
        .map(|((start, last), end)| (&word[start..last], &word[start..end]))
}
