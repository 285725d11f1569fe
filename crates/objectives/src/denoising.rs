//! From documents to examples without labels: documents are put end to end, cut into pieces of one length, and each
//! piece is corrupted (`t5/data/preprocessors.py`, `unsupervised`).

use crate::spans::{self, Example, Noise};
use crate::{Error, Random};

/// What is hidden of a piece of text, and how the answer is written (Raffel et al. 2020, section 3.3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// Spans are replaced by sentinels, and the target spells them out.
    Spans(Noise),
    /// Each id by itself is hidden with this probability; what is hidden side by side shares a sentinel.
    Iid {
        /// The probability.
        density: f64,
    },
    /// The inputs are a beginning of random length, the target goes on from there.
    PrefixLm {
        /// The mean share of the target; 0.5 lets the cut fall anywhere.
        density: f64,
    },
}

impl Default for Objective {
    fn default() -> Self {
        Objective::Spans(Noise::default())
    }
}

/// The most ids of one document that are read at a time.
pub const LONGEST_CHUNK: usize = 65536;
/// How many documents are put end to end.
pub const DOCUMENTS_TOGETHER: usize = 128;

impl Objective {
    /// How long a piece is, so that its inputs, EOS included, have at most `inputs` ids.
    ///
    /// # Errors
    /// A density or a length is out of range.
    ///
    /// ```
    /// use tercet_objectives::denoising::Objective;
    ///
    /// assert_eq!(Objective::default().piece(512)?, 568);
    /// # Ok::<(), tercet_objectives::Error>(())
    /// ```
    pub fn piece(&self, inputs: usize) -> Result<usize, Error> {
        match self {
            Objective::Spans(noise) => Ok(noise.lengths(inputs)?.text),
            Objective::Iid { density } | Objective::PrefixLm { density } => {
                Noise { density: *density, mean_span: 1.0 }.check()?;
                if inputs < 3 {
                    let found = inputs.to_string();
                    return Err(Error::Setting { name: "inputs length", expected: "3 or more", found });
                }
                // Each hidden run leaves a sentinel, each piece gets an EOS; the last prefix leaves one id to say.
                Ok(if matches!(self, Objective::Iid { .. }) { inputs - 1 } else { inputs })
            }
        }
    }

    /// The most sentinels that a piece of `length` ids can need.
    pub fn sentinels(&self, length: usize) -> usize {
        match self {
            Objective::Spans(noise) => noise.counts(length).1 + 1,
            Objective::Iid { .. } => length.div_ceil(2) + 1,
            Objective::PrefixLm { .. } => 0,
        }
    }

    /// Corrupts a piece. Sentinels count down from `vocabulary − 1`.
    ///
    /// # Errors
    /// A density is out of range.
    ///
    /// # Panics
    /// The piece has fewer than 2 ids, and the objective has to cut it.
    pub fn corrupt(&self, piece: &[u32], vocabulary: u32, random: &mut Random) -> Result<Example, Error> {
        Ok(match self {
            Objective::Spans(noise) => {
                let mask = spans::noise_mask(piece.len(), *noise, |order| random.shuffle(order))?;
                spans::corrupt(piece, &mask, vocabulary)
            }
            Objective::Iid { density } => {
                spans::corrupt(piece, &spans::iid_noise_mask(piece.len(), *density, random), vocabulary)
            }
            Objective::PrefixLm { density } => {
                spans::split(piece, &spans::prefix_mask(piece.len(), *density, random))
            }
        })
    }
}

/// Puts documents end to end and cuts what comes of it into pieces of `length` ids; the last may be shorter.
///
/// Of a document longer than [`LONGEST_CHUNK`] only one chunk is read, at random. Ids that are in `dropped` (padding,
/// marks between documents) are left out: nothing stands between documents.
///
/// ```
/// use tercet_objectives::{Random, denoising};
///
/// let documents = [vec![5, 6, 7, 1], vec![8, 9, 1]];
/// let pieces = denoising::pieces(&documents, 4, &[0, 1], &mut Random::new(0));
/// assert_eq!(pieces, [vec![5, 6, 7, 8], vec![9]]);
/// ```
///
/// # Panics
/// `length` is 0.
pub fn pieces<D: AsRef<[u32]>>(
    documents: &[D],
    length: usize,
    dropped: &[u32],
    random: &mut Random,
) -> Vec<Vec<u32>> {
    let mut ids = Vec::new();
    for document in documents {
        let chunk = spans::random_chunk(document.as_ref(), LONGEST_CHUNK, random);
        ids.extend(chunk.iter().filter(|id| !dropped.contains(id)));
    }
    ids.chunks(length).map(<[u32]>::to_vec).collect()
}
