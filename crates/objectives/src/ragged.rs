//! Sequences of different lengths, laid end to end.

use std::ops::Range;

use crate::Error;

/// Token ids of several sequences laid end to end, with no padding between them.
///
/// `starts` has one entry more than there are sequences: sequence `i` is `ids[starts[i]..starts[i + 1]]`.
///
/// ```
/// use tercet_objectives::Ragged;
///
/// let batch = Ragged::from_sequences([&[5, 6][..], &[7]]);
/// assert_eq!(batch.starts, [0, 2, 3]);
/// assert_eq!(batch.sequences().collect::<Vec<_>>(), [&[5, 6][..], &[7]]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ragged {
    /// The ids of all sequences, (N).
    pub ids: Vec<u32>,
    /// Where each sequence begins, and N at the end.
    pub starts: Vec<usize>,
}

impl Default for Ragged {
    fn default() -> Self {
        Ragged { ids: Vec::new(), starts: vec![0] }
    }
}

impl Ragged {
    /// Lays sequences end to end.
    pub fn from_sequences<S: AsRef<[u32]>>(sequences: impl IntoIterator<Item = S>) -> Self {
        let mut batch = Ragged::default();
        for sequence in sequences {
            batch.push(sequence.as_ref().iter().copied());
        }
        batch
    }

    /// Drops the padding of (B, `width`) ids whose mask is 0, on either side.
    ///
    /// A row that is all padding becomes a sequence of no ids, so that sequence `i` is still row `i`.
    ///
    /// # Errors
    /// The arrays do not fit `width` or each other, or a row's mask is not one run of ones.
    ///
    /// ```
    /// use tercet_objectives::Ragged;
    ///
    /// let ids = [5, 6, 0, /**/ 0, 0, 7];
    /// let mask = [1, 1, 0, /**/ 0, 0, 1];
    /// assert_eq!(Ragged::from_padded(&ids, &mask, 3)?, Ragged::from_sequences([&[5, 6][..], &[7]]));
    /// # Ok::<(), tercet_objectives::Error>(())
    /// ```
    pub fn from_padded(ids: &[u32], mask: &[u8], width: usize) -> Result<Self, Error> {
        let mut batch = Ragged::default();
        for (row, kept) in kept_columns(ids.len(), mask, width)?.into_iter().enumerate() {
            batch.push(ids[row * width..][kept].iter().copied());
        }
        Ok(batch)
    }

    /// Appends one sequence.
    pub fn push(&mut self, sequence: impl IntoIterator<Item = u32>) {
        self.ids.extend(sequence);
        self.starts.push(self.ids.len());
    }

    /// How many sequences there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sequences in order.
    pub fn sequences(&self) -> impl Iterator<Item = &[u32]> {
        self.starts.windows(2).map(|ends| &self.ids[ends[0]..ends[1]])
    }

    /// How long each sequence is.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        self.starts.windows(2).map(|ends| ends[1] - ends[0])
    }
}

/// The columns that the mask keeps in each row of `width`.
pub(crate) fn kept_columns(ids: usize, mask: &[u8], width: usize) -> Result<Vec<Range<usize>>, Error> {
    if width == 0 || !ids.is_multiple_of(width) {
        return Err(Error::Rows { name: "ids", found: ids, width });
    }
    if mask.len() != ids {
        return Err(Error::Length { name: "attention mask", expected: ids, found: mask.len() });
    }
    let kept = |(row, columns): (usize, &[u8])| {
        let start = columns.iter().position(|&keep| keep != 0).unwrap_or(0);
        let end = columns.iter().rposition(|&keep| keep != 0).map_or(0, |last| last + 1);
        match columns[start..end].iter().position(|&keep| keep == 0) {
            Some(hole) => Err(Error::Hole { row, column: start + hole }),
            None => Ok(start..end),
        }
    };
    mask.chunks(width).enumerate().map(kept).collect()
}
