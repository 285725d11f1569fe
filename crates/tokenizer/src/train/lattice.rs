use std::collections::HashMap;

use rayon::prelude::*;

use super::words::Words;

/// The text is worked on in as many parts at once, whatever the number of threads, and their sums added in order.
const PARTS: usize = 32;
/// A longer word teaches nothing.
const LONGEST_WORD: usize = 1000;

/// A piece with its log-probability.
#[derive(Clone, Debug)]
pub(super) struct Scored {
    pub(super) text: String,
    pub(super) score: f64,
    characters: usize,
}

impl Scored {
    pub(super) fn new(text: String, score: f64) -> Self {
        let characters = text.chars().count();
        Self { text, score, characters }
    }

    pub(super) fn is_character(&self) -> bool {
        self.characters == 1
    }
}

/// A piece between two places of a word.
#[derive(Clone, Copy, Debug)]
struct Edge {
    start: u16,
    end: u16,
    piece: u32,
}

/// All ways to write each word in pieces.
pub(super) struct Lattices {
    parts: Vec<Part>,
}

/// The lattices of some words, end to end; the edges of each are in the order of their starts.
#[derive(Default)]
struct Part {
    words: Vec<Word>,
    edges: Vec<Edge>,
}

/// A word: how often it occurs, how many characters it has, and how many edges.
struct Word {
    count: f64,
    length: usize,
    edges: usize,
}

impl Lattices {
    pub(super) fn new(words: &Words, pieces: &[Scored]) -> Self {
        let ids: HashMap<&str, u32> =
            pieces.iter().zip(0..).map(|(piece, id)| (piece.text.as_str(), id)).collect();
        let longest = pieces.iter().map(|piece| piece.characters).max().unwrap_or(0);
        let words: Vec<_> = words.0.iter().collect();
        let parts = words.par_chunks(words.len().div_ceil(PARTS)).map(|words| {
            let mut part = Part::default();
            words.iter().for_each(|&(word, &count)| part.push(word, count, &ids, longest));
            part
        });
        Self { parts: parts.collect() }
    }

    /// How often each piece is expected to occur, over all ways to write the words by their probability.
    pub(super) fn expected(&self, pieces: &[Scored]) -> Vec<f64> {
        self.summed(pieces.len(), |part, counts| part.add_expected(pieces, counts))
    }

    /// How often each piece occurs in the likeliest way to write each word.
    pub(super) fn best_counts(&self, pieces: &[Scored]) -> Vec<f64> {
        self.summed(pieces.len(), |part, counts| part.add_best(pieces, counts))
    }

    /// Drops pieces; those that are kept are numbered anew.
    pub(super) fn retain(&mut self, keep: &[bool]) {
        let mut left = 0;
        let number = |&keep: &bool| keep.then(|| (left, left += 1).0);
        let numbers: Vec<Option<u32>> = keep.iter().map(number).collect();
        self.parts.par_iter_mut().for_each(|part| part.retain(&numbers));
    }

    fn summed(&self, pieces: usize, add: impl Fn(&Part, &mut [f64]) + Sync) -> Vec<f64> {
        let of_part = |part: &Part| {
            let mut counts = vec![0.0; pieces];
            add(part, &mut counts);
            counts
        };
        let of_parts: Vec<_> = self.parts.par_iter().map(of_part).collect();
        let mut sums = vec![0.0; pieces];
        for counts in of_parts {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        sums
    }
}

impl Part {
    fn push(&mut self, word: &str, count: u64, ids: &HashMap<&str, u32>, longest: usize) {
        let places: Vec<_> = word.char_indices().map(|(at, _)| at).chain([word.len()]).collect();
        let length = places.len() - 1;
        if length > LONGEST_WORD {
            return;
        }
        let before = self.edges.len();
        for start in 0..length {
            for end in start + 1..=length.min(start + longest) {
                if let Some(&piece) = ids.get(&word[places[start]..places[end]]) {
                    self.edges.push(Edge { start: start as u16, end: end as u16, piece });
                }
            }
        }
        self.words.push(Word { count: count as f64, length, edges: self.edges.len() - before });
    }

    /// Each word with its edges.
    fn lattices(&self) -> impl Iterator<Item = (&Word, &[Edge])> {
        let mut rest = self.edges.as_slice();
        self.words.iter().map(move |word| {
            let (edges, after) = rest.split_at(word.edges);
            rest = after;
            (word, edges)
        })
    }

    /// The forward-backward algorithm: the edge (i, j) of piece x occurs exp(αᵢ + log p(x) + βⱼ − α_end) times.
    fn add_expected(&self, pieces: &[Scored], counts: &mut [f64]) {
        let (mut alpha, mut beta) = (Vec::new(), Vec::new());
        for (word, edges) in self.lattices() {
            reset(&mut alpha, word.length, 0);
            reset(&mut beta, word.length, word.length);
            for edge in edges {
                let (start, end) = (edge.start as usize, edge.end as usize);
                alpha[end] = log_add(alpha[end], alpha[start] + pieces[edge.piece as usize].score);
            }
            for edge in edges.iter().rev() {
                let (start, end) = (edge.start as usize, edge.end as usize);
                beta[start] = log_add(beta[start], beta[end] + pieces[edge.piece as usize].score);
            }
            for edge in edges {
                let through = alpha[edge.start as usize] + beta[edge.end as usize] - alpha[word.length];
                let piece = edge.piece as usize;
                counts[piece] += word.count * (through + pieces[piece].score).exp();
            }
        }
    }

    /// The Viterbi algorithm.
    fn add_best(&self, pieces: &[Scored], counts: &mut [f64]) {
        let (mut best, mut last) = (Vec::new(), Vec::new());
        for (word, edges) in self.lattices() {
            reset(&mut best, word.length, 0);
            last.clear();
            last.resize(word.length + 1, None);
            for edge in edges {
                let score = best[edge.start as usize] + pieces[edge.piece as usize].score;
                if score > best[edge.end as usize] {
                    best[edge.end as usize] = score;
                    last[edge.end as usize] = Some(edge);
                }
            }
            let mut end = word.length;
            while let Some(edge) = last[end] {
                counts[edge.piece as usize] += word.count;
                end = edge.start as usize;
            }
        }
    }

    fn retain(&mut self, numbers: &[Option<u32>]) {
        let (mut read, mut written) = (0, 0);
        for word in &mut self.words {
            let first = written;
            for i in read..read + word.edges {
                let edge = self.edges[i];
                if let Some(piece) = numbers[edge.piece as usize] {
                    self.edges[written] = Edge { piece, ..edge };
                    written += 1;
                }
            }
            read += word.edges;
            word.edges = written - first;
        }
        self.edges.truncate(written);
    }
}

/// The likeliest way to write a piece in parts, by their scores; every character is a part.
pub(super) fn best_parts(text: &str, part: impl Fn(&str) -> Option<(usize, f64)>) -> Vec<usize> {
    let places: Vec<_> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let length = places.len() - 1;
    let mut best = Vec::new();
    reset(&mut best, length, 0);
    let mut last = vec![None; length + 1];
    for start in 0..length {
        for end in start + 1..=length {
            let Some((id, score)) = part(&text[places[start]..places[end]]) else { continue };
            if best[start] + score > best[end] {
                best[end] = best[start] + score;
                last[end] = Some((start, id));
            }
        }
    }
    let mut parts = Vec::new();
    let mut end = length;
    while let Some((start, id)) = last[end] {
        parts.push(id);
        end = start;
    }
    parts
}

/// Log-probabilities of the places of a word: 1 at one, 0 at all others.
fn reset(scores: &mut Vec<f64>, length: usize, one: usize) {
    scores.clear();
    scores.resize(length + 1, f64::NEG_INFINITY);
    scores[one] = 0.0;
}

/// log(eᵃ + eᵇ), where b is finite.
fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    high + (low - high).exp().ln_1p()
}
