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
    let (mut instances, mut desk) = (Vec::new(), Desk::default());
    for _ in 0..settings.dupe_factor {
        for document in 0..pipeline.documents.len() {
            pipeline.read(document, random, &mut desk, &mut instances);
        }
    }
    random.shuffle(&mut instances);
    Ok(instances)
}

/// What one instance is made on, kept for the next.
#[derive(Default)]
struct Desk {
    a: Vec<u32>,
    b: Vec<u32>,
    /// All positions that may be picked.
    positions: Vec<usize>,
    /// Where in `positions` those begin and end that are picked together.
    units: Vec<(usize, usize)>,
    /// Positions and what stood there.
    picked: Vec<(usize, u32)>,
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
    fn read(&self, document: usize, random: &mut Random, desk: &mut Desk, instances: &mut Vec<Instance>) {
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
            let (is_random, used) = self.pair(document, &sentences[start..i], target, random, desk);
            i = start + used; // sentences that B did not need are read again
            (start, length) = (i, 0);
            instances.push(self.instance(is_random, random, desk));
        }
    }

    /// A is the first sentences of the chunk; B is the rest, or sentences from elsewhere. Tells whether it is from
    /// elsewhere, and how many sentences of the chunk were used.
    fn pair(
        &self,
        document: usize,
        chunk: &[Vec<u32>],
        target: usize,
        random: &mut Random,
        Desk { a, b, .. }: &mut Desk,
    ) -> (bool, usize) {
        let a_end = if chunk.len() > 1 { random.between(1, chunk.len() - 1) } else { 1 };
        a.clear();
        chunk[..a_end].iter().for_each(|sentence| a.extend_from_slice(sentence));
        b.clear();
        let is_random = chunk.len() == 1 || random.uniform() < self.settings.random_next_prob;
        let used = if is_random {
            self.elsewhere(document, target.saturating_sub(a.len()), random, b);
            a_end
        } else {
            chunk[a_end..].iter().for_each(|sentence| b.extend_from_slice(sentence));
            chunk.len()
        };
        truncate(a, b, self.settings.max_seq_length - SPECIAL, random);
        (is_random, used)
    }

    /// At least `length` ids from a random sentence on of another document, as far as ten draws find one.
    fn elsewhere(&self, document: usize, length: usize, random: &mut Random, ids: &mut Vec<u32>) {
        let mut other = document;
        for _ in 0..10 {
            other = random.below(self.documents.len());
            if other != document {
                break;
            }
        }
        let sentences = self.documents[other];
        let start = random.below(sentences.len());
        for sentence in &sentences[start..] {
            ids.extend_from_slice(sentence);
            if ids.len() >= length {
                break;
            }
        }
    }

    fn instance(&self, is_random_next: bool, random: &mut Random, desk: &mut Desk) -> Instance {
        let Vocabulary { cls, sep, .. } = *self.vocabulary;
        let mut ids = Vec::with_capacity(desk.a.len() + desk.b.len() + SPECIAL);
        ids.push(cls);
        ids.extend_from_slice(&desk.a);
        ids.push(sep);
        let second_segment = ids.len();
        ids.extend_from_slice(&desk.b);
        ids.push(sep);
        let targets = self.predictions(&mut ids, random, desk);
        Instance { ids, second_segment, is_random_next, targets }
    }

    /// Masks `ids`: units in random order, until the wanted number of ids is reached.
    fn predictions(&self, ids: &mut [u32], random: &mut Random, desk: &mut Desk) -> Targets {
        let settings = self.settings;
        let share = (ids.len() as f64 * settings.masked_lm_prob).round_ties_even() as usize;
        let wanted = share.max(1).min(settings.max_predictions_per_seq);
        self.lay_out_units(ids, desk);
        let Desk { positions, units, picked, .. } = desk;
        random.shuffle(units);
        picked.clear();
        for &(start, end) in units.iter() {
            if picked.len() == wanted {
                break;
            }
            if picked.len() + (end - start) > wanted {
                continue;
            }
            for &at in &positions[start..end] {
                picked.push((at, ids[at]));
                ids[at] = settings.replacement.of(ids[at], self.vocabulary, random);
            }
        }
        picked.sort_unstable();
        Targets {
            rows: picked.iter().map(|&(at, _)| at as u32).collect(),
            ids: picked.iter().map(|&(_, id)| id).collect(),
        }
    }

    /// Lists what may be picked, and what together. A word's continuation belongs to the unit before it, even across the
    /// `[SEP]` of a sentence that was cut inside a word, as in the original.
    fn lay_out_units(&self, ids: &[u32], Desk { positions, units, .. }: &mut Desk) {
        positions.clear();
        units.clear();
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
    }
}

/// `[CLS]` and two `[SEP]`.
const SPECIAL: usize = 3;

/// Shortens the longer side, at either end, until both fit.
fn truncate(a: &mut Vec<u32>, b: &mut Vec<u32>, room: usize, random: &mut Random) {
    let (mut of_a, mut of_b) = (0..a.len(), 0..b.len());
    while of_a.len() + of_b.len() > room {
        let longer = if of_a.len() > of_b.len() { &mut of_a } else { &mut of_b };
        if random.uniform() < 0.5 {
            longer.start += 1;
        } else {
            longer.end -= 1;
        }
    }
    for (side, kept) in [(a, of_a), (b, of_b)] {
        side.truncate(kept.end);
        side.drain(..kept.start);
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
