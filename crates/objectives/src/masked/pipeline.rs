//! Google's static pipeline: documents to instances.

use super::{Instance, Replacement, Unit, Vocabulary};
use crate::{Error, Random, Targets};

/// The settings of the pipeline, with the names of its flags.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The longest instance, with its `[CLS]` and two `[SEP]`.
    pub max_seq_length: usize,
    /// How often the documents are gone through, masked anew each time.
    pub dupe_factor: usize,
    /// How often a document aims at a random shorter length.
    pub short_seq_prob: f64,
    /// The share of an instance's ids to predict.
    pub masked_lm_prob: f64,
    /// The most ids to predict in an instance; with 0 the instances stay unmasked.
    pub max_predictions_per_seq: usize,
    /// What is picked.
    pub unit: Unit,
    /// How often B is drawn from somewhere else, where it might follow A.
    pub random_next_prob: f64,
    /// What becomes of the picked.
    pub replacement: Replacement,
}

impl Default for Settings {
    /// The defaults of the published flags.
    fn default() -> Self {
        Settings {
            max_seq_length: 128,
            dupe_factor: 10,
            short_seq_prob: 0.1,
            masked_lm_prob: 0.15,
            max_predictions_per_seq: 20,
            unit: Unit::Token,
            random_next_prob: 0.5,
            replacement: Replacement::google(),
        }
    }
}

/// Makes every instance of a corpus: documents of sentences of ids.
///
/// `continues` tells whether an id continues a word; it is asked only for [`Unit::Word`]. `random` is drawn from in the
/// order of the original.
///
/// # Errors
/// A document or sentence is empty, a setting has no meaning or leaves no room for two sentences, or the vocabulary does
/// not hold its special ids.
pub fn instances(
    documents: &[Vec<Vec<u32>>],
    vocabulary: &Vocabulary,
    settings: &Settings,
    continues: impl Fn(u32) -> bool,
    random: &mut Random,
) -> Result<Vec<Instance>, Error> {
    check(documents, settings)?;
    vocabulary.check()?;
    let mut order: Vec<&[Vec<u32>]> = documents.iter().map(Vec::as_slice).collect();
    random.shuffle(&mut order);
    let pipeline = Pipeline { documents: order, vocabulary, settings, continues };
    let mut instances = Vec::new();
    for _ in 0..settings.dupe_factor {
        for document in 0..pipeline.documents.len() {
            pipeline.read(document, random, &mut instances);
        }
    }
    random.shuffle(&mut instances);
    Ok(instances)
}

struct Pipeline<'a, F> {
    /// In the order of the first shuffle.
    documents: Vec<&'a [Vec<u32>]>,
    vocabulary: &'a Vocabulary,
    settings: &'a Settings,
    continues: F,
}

impl<F: Fn(u32) -> bool> Pipeline<'_, F> {
    /// Cuts one document into chunks of sentences of about the target length, and makes an instance of each.
    fn read(&self, document: usize, random: &mut Random, instances: &mut Vec<Instance>) {
        let room = self.settings.max_seq_length - SPECIAL;
        let short = random.uniform() < self.settings.short_seq_prob;
        let target = if short { random.between(2, room) } else { room };
        let sentences = self.documents[document];
        let (mut start, mut length, mut i) = (0, 0, 0);
        while i < sentences.len() {
            length += sentences[i].len();
            i += 1;
            if i < sentences.len() && length < target {
                continue;
            }
            let (pair, used) = self.pair(document, &sentences[start..i], target, random);
            i = start + used; // sentences that B did not need are read again
            (start, length) = (i, 0);
            instances.push(self.instance(pair, random));
        }
    }

    /// A is the first sentences of the chunk; B is the rest, or sentences from elsewhere. Also tells how many sentences
    /// of the chunk were used.
    fn pair(&self, document: usize, chunk: &[Vec<u32>], target: usize, random: &mut Random) -> (Pair, usize) {
        let a_end = if chunk.len() > 1 { random.between(1, chunk.len() - 1) } else { 1 };
        let a = chunk[..a_end].concat();
        let is_random = chunk.len() == 1 || random.uniform() < self.settings.random_next_prob;
        let (b, used) = match is_random {
            true => (self.elsewhere(document, target.saturating_sub(a.len()), random), a_end),
            false => (chunk[a_end..].concat(), chunk.len()),
        };
        let mut pair = Pair { a, b, is_random };
        pair.truncate(self.settings.max_seq_length - SPECIAL, random);
        (pair, used)
    }

    /// At least `length` ids from a random sentence on of another document, as far as ten draws find one.
    fn elsewhere(&self, document: usize, length: usize, random: &mut Random) -> Vec<u32> {
        let mut other = document;
        for _ in 0..10 {
            other = random.below(self.documents.len());
            if other != document {
                break;
            }
        }
        let sentences = self.documents[other];
        let start = random.below(sentences.len());
        let mut ids = Vec::new();
        for sentence in &sentences[start..] {
            ids.extend_from_slice(sentence);
            if ids.len() >= length {
                break;
            }
        }
        ids
    }

    fn instance(&self, pair: Pair, random: &mut Random) -> Instance {
        let Vocabulary { cls, sep, .. } = *self.vocabulary;
        let mut ids = [&[cls][..], &pair.a, &[sep]].concat();
        let second_segment = ids.len();
        ids.extend(pair.b.iter().chain(&[sep]));
        let targets = self.predictions(&mut ids, random);
        Instance { ids, second_segment, is_random_next: pair.is_random, targets }
    }

    /// Masks `ids`: units in random order, until the wanted number of ids is reached.
    fn predictions(&self, ids: &mut [u32], random: &mut Random) -> Targets {
        let settings = self.settings;
        let share = (ids.len() as f64 * settings.masked_lm_prob).round_ties_even() as usize;
        let wanted = share.max(1).min(settings.max_predictions_per_seq);
        let (positions, mut units) = self.units(ids);
        random.shuffle(&mut units);
        let mut picked: Vec<(usize, u32)> = Vec::with_capacity(wanted);
        for (start, end) in units {
            if picked.len() + (end - start) > wanted {
                continue;
            }
            for &at in &positions[start..end] {
                picked.push((at, ids[at]));
                ids[at] = settings.replacement.of(ids[at], self.vocabulary, random);
            }
        }
        picked.sort_unstable();
        let mut targets = Targets::default();
        picked.into_iter().for_each(|(at, id)| targets.push(at, id));
        targets
    }

    /// All positions that may be picked, and where in that list those begin and end that are picked together. A word's
    /// continuation belongs to the unit before it, even across the `[SEP]` of a sentence that was cut inside a word, as
    /// in the original.
    fn units(&self, ids: &[u32]) -> (Vec<usize>, Vec<(usize, usize)>) {
        let mut positions = Vec::with_capacity(ids.len());
        let mut units: Vec<(usize, usize)> = Vec::with_capacity(ids.len());
        for (at, &id) in ids.iter().enumerate() {
            if id == self.vocabulary.cls || id == self.vocabulary.sep {
                continue;
            }
            positions.push(at);
            match units.last_mut().filter(|_| self.settings.unit == Unit::Word && (self.continues)(id)) {
                Some((_, end)) => *end += 1,
                None => units.push((positions.len() - 1, positions.len())),
            }
        }
        (positions, units)
    }
}

/// `[CLS]` and two `[SEP]`.
const SPECIAL: usize = 3;

struct Pair {
    a: Vec<u32>,
    b: Vec<u32>,
    is_random: bool,
}

impl Pair {
    /// Shortens the longer side, at either end, until both fit.
    fn truncate(&mut self, room: usize, random: &mut Random) {
        let (mut a, mut b) = (0..self.a.len(), 0..self.b.len());
        while a.len() + b.len() > room {
            let longer = if a.len() > b.len() { &mut a } else { &mut b };
            if random.uniform() < 0.5 {
                longer.start += 1;
            } else {
                longer.end -= 1;
            }
        }
        for (side, kept) in [(&mut self.a, a), (&mut self.b, b)] {
            side.truncate(kept.end);
            side.drain(..kept.start);
        }
    }
}

fn check(documents: &[Vec<Vec<u32>>], settings: &Settings) -> Result<(), Error> {
    for (document, sentences) in documents.iter().enumerate() {
        let empty = sentences.iter().position(Vec::is_empty);
        if sentences.is_empty() || empty.is_some() {
            return Err(Error::Empty { document, sentence: empty });
        }
    }
    let least = SPECIAL + 2;
    if settings.max_seq_length < least {
        let found = settings.max_seq_length.to_string();
        return Err(Error::Setting { name: "max_seq_length", expected: "5 or more", found });
    }
    for (name, share) in [
        ("short_seq_prob", settings.short_seq_prob),
        ("masked_lm_prob", settings.masked_lm_prob),
        ("random_next_prob", settings.random_next_prob),
    ] {
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::Setting { name, expected: "a number from 0 to 1", found: share.to_string() });
        }
    }
    settings.replacement.check()
}
