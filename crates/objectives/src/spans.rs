//! Span corruption: spans of the text are replaced by sentinels, and the target spells them out (Raffel et al. 2020,
//! section 3.1.4; `t5/data/preprocessors.py`).
//!
//! A *noise mask* says which ids are to be predicted. Masks differ between objectives ([`noise_mask`],
//! [`iid_noise_mask`], [`prefix_mask`]); what becomes of a mask is the same for all ([`corrupt`], [`split`]).

use crate::{Error, Ragged, Random};

/// How much of a text is noise, and in what portions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// The share of the ids that are noise.
    pub density: f64,
    /// The mean length of a span of noise.
    pub mean_span: f64,
}

impl Default for Noise {
    /// T5's: 15 % in spans of three.
    fn default() -> Self {
        Noise { density: 0.15, mean_span: 3.0 }
    }
}

/// How long a text must be so that what comes of it just fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Ids of the text.
    pub text: usize,
    /// Ids of the inputs, EOS included.
    pub inputs: usize,
    /// Ids of the targets, EOS included.
    pub targets: usize,
}

/// What an encoder-decoder reads and must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// What the encoder reads.
    pub inputs: Vec<u32>,
    /// What the decoder must say.
    pub targets: Vec<u32>,
}

/// Examples laid end to end. Every row of the decoder has a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// What the encoder reads.
    pub inputs: Ragged,
    /// What the decoder reads: the start id, then the targets but for the last.
    pub decoder_inputs: Ragged,
    /// What each row of the decoder must say.
    pub targets: Vec<u32>,
}

impl Noise {
    /// The longest text whose corrupted inputs, EOS included, have at most `inputs` ids.
    ///
    /// # Errors
    /// The density is not between 0 and 1, the mean span is below 1, or there is no room even for the EOS.
    ///
    /// ```
    /// use tercet_objectives::spans::Noise;
    ///
    /// let lengths = Noise::default().lengths(512)?;
    /// assert_eq!((lengths.text, lengths.inputs, lengths.targets), (568, 512, 114));
    /// # Ok::<(), tercet_objectives::Error>(())
    /// ```
    pub fn lengths(&self, inputs: usize) -> Result<Lengths, Error> {
        self.check()?;
        if inputs == 0 {
            return Err(Error::Setting {
                name: "inputs length",
                expected: "1 or more",
                found: "0".to_owned(),
            });
        }
        let of = |text: usize| {
            let noise = (text as f64 * self.density).round_ties_even() as usize;
            let spans = (noise as f64 / self.mean_span).round_ties_even() as usize;
            Lengths { text, inputs: text - noise + spans + 1, targets: noise + spans + 1 }
        };
        let mut lengths = of(inputs - 1);
        while of(lengths.text + 1).inputs <= inputs {
            lengths = of(lengths.text + 1);
        }
        if self.density == 0.5 && lengths.targets > lengths.inputs {
            lengths.text -= 1; // the original makes both sides equally long here
            lengths.targets -= 1;
        }
        Ok(lengths)
    }

    /// How many ids of a text of `length` are noise, and in how many spans. In f32, as in the original.
    ///
    /// Differs from the original: there are never more spans than other ids, where the original fails.
    pub fn counts(&self, length: usize) -> (usize, usize) {
        let length = length.max(2);
        let noise = (length as f32 * self.density as f32).round_ties_even() as usize;
        let noise = noise.clamp(1, length - 1);
        let spans = (noise as f32 / self.mean_span as f32).round_ties_even() as usize;
        (noise, spans.max(1).min(length - noise))
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(self.density > 0.0 && self.density < 1.0) {
            let found = self.density.to_string();
            return Err(Error::Setting {
                name: "noise density",
                expected: "a number between 0 and 1",
                found,
            });
        }
        if self.mean_span.is_nan() || self.mean_span < 1.0 {
            let found = self.mean_span.to_string();
            return Err(Error::Setting { name: "mean noise span length", expected: "1 or more", found });
        }
        Ok(())
    }
}

/// Marks spans of noise: as many ids and spans as [`Noise::counts`] says, their lengths at random.
///
/// Text and noise alternate, text first. `shuffle` puts its argument into a random order; it is asked twice, for the
/// lengths of the noise and for those of the text.
///
/// # Errors
/// The density is not between 0 and 1, or the mean span is below 1.
///
/// ```
/// use tercet_objectives::{Random, spans};
///
/// let mut random = Random::new(0);
/// let mask = spans::noise_mask(20, spans::Noise::default(), |order| random.shuffle(order))?;
/// assert_eq!(mask.iter().filter(|&&noise| noise).count(), 3);
/// # Ok::<(), tercet_objectives::Error>(())
/// ```
pub fn noise_mask(
    length: usize,
    noise: Noise,
    mut shuffle: impl FnMut(&mut [bool]),
) -> Result<Vec<bool>, Error> {
    noise.check()?;
    let (noisy, spans) = noise.counts(length);
    let noise_lengths = segment(noisy, spans, &mut shuffle);
    let text_lengths = segment(length.max(2) - noisy, spans, &mut shuffle);
    let mut mask = Vec::with_capacity(length + 1);
    for (text, noise) in text_lengths.into_iter().zip(noise_lengths) {
        mask.extend(std::iter::repeat_n(false, text));
        mask.extend(std::iter::repeat_n(true, noise));
    }
    mask.truncate(length);
    Ok(mask)
}

/// Cuts `items` into `segments` parts, none empty: which items but the first begin a part is shuffled.
fn segment(items: usize, segments: usize, shuffle: &mut impl FnMut(&mut [bool])) -> Vec<usize> {
    let mut begins: Vec<bool> = (0..items - 1).map(|i| i < segments - 1).collect();
    shuffle(&mut begins);
    let mut lengths = vec![1];
    for begin in begins {
        match lengths.last_mut().filter(|_| !begin) {
            Some(length) => *length += 1,
            None => lengths.push(1),
        }
    }
    lengths
}

/// Marks each id as noise by itself, with probability `density`: the objective of BERT in T5's form.
pub fn iid_noise_mask(length: usize, density: f64, random: &mut Random) -> Vec<bool> {
    (0..length).map(|_| random.uniform() < density).collect()
}

/// Marks a prefix of random length; what follows it is the target of prefix language modelling.
///
/// # Panics
/// `length` is below 2: there is no place to cut.
pub fn prefix_mask(length: usize, density: f64, random: &mut Random) -> Vec<bool> {
    assert!(length >= 2, "a text of {length} ids has no place to cut");
    let least = ((1.0 - 2.0 * density) * (length - 1) as f64).round_ties_even().max(1.0) as usize;
    let prefix = random.between(least, length - 1);
    (0..length).map(|at| at < prefix).collect()
}

/// Replaces each span of noise by a sentinel in the inputs, and each span of text in the targets.
///
/// Sentinels count down from `vocabulary − 1`, T5's `<extra_id_0>`. There is no sentinel after the last span.
///
/// ```
/// use tercet_objectives::spans;
///
/// let mask = [false, true, true, false, true].map(|noise| noise);
/// let example = spans::corrupt(&[10, 11, 12, 13, 14], &mask, 32100);
/// assert_eq!(example.inputs, [10, 32099, 13, 32098]);
/// assert_eq!(example.targets, [32099, 11, 12, 32098, 14]);
/// ```
///
/// # Panics
/// There is not one mask for each id.
pub fn corrupt(ids: &[u32], noise: &[bool], vocabulary: u32) -> Example {
    let text: Vec<bool> = noise.iter().map(|noise| !noise).collect();
    Example { inputs: replace_spans(ids, noise, vocabulary), targets: replace_spans(ids, &text, vocabulary) }
}

/// Ids where each run of marked ones is one sentinel.
fn replace_spans(ids: &[u32], marked: &[bool], vocabulary: u32) -> Vec<u32> {
    assert_eq!(ids.len(), marked.len(), "{} ids with a mask of {}", ids.len(), marked.len());
    let (mut replaced, mut sentinel, mut inside) = (Vec::new(), vocabulary, false);
    for (&id, &marked) in ids.iter().zip(marked) {
        if marked && !inside {
            sentinel -= 1;
            replaced.push(sentinel);
        } else if !marked {
            replaced.push(id);
        }
        inside = marked;
    }
    replaced
}

/// Reads what is marked, says what is not, without sentinels: prefix language modelling with [`prefix_mask`].
///
/// # Panics
/// There is not one mask for each id.
pub fn split(ids: &[u32], mask: &[bool]) -> Example {
    assert_eq!(ids.len(), mask.len(), "{} ids with a mask of {}", ids.len(), mask.len());
    let keep =
        |wanted: bool| ids.iter().zip(mask).filter(|(_, mask)| **mask == wanted).map(|(id, _)| *id).collect();
    Example { inputs: keep(true), targets: keep(false) }
}

/// A document that is longer than `most` ids, cut to one of its pieces of that length at random.
pub fn random_chunk<'a>(ids: &'a [u32], most: usize, random: &mut Random) -> &'a [u32] {
    if ids.is_empty() {
        return ids;
    }
    let start = most * random.below(ids.len().div_ceil(most));
    &ids[start..ids.len().min(start + most)]
}

impl Batch {
    /// Lays examples end to end, with `eos` after inputs and targets and `start` before what the decoder reads.
    pub fn of<'a>(examples: impl IntoIterator<Item = &'a Example>, start: u32, eos: u32) -> Self {
        let mut batch = Batch::default();
        for example in examples {
            batch.inputs.push(example.inputs.iter().copied().chain([eos]));
            batch.decoder_inputs.push([start].into_iter().chain(example.targets.iter().copied()));
            batch.targets.extend(example.targets.iter().copied().chain([eos]));
        }
        batch
    }
}
