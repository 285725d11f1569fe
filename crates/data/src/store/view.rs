use std::ops::Range;

use super::TokenStore;
use crate::{Error, Result};

/// A run of documents of a store: all of it, or the part to train on, or the part that is held out.
#[derive(Clone, Debug)]
pub struct View {
    store: TokenStore,
    tokens: Range<u64>,
    documents: Range<u64>,
}

impl View {
    pub(super) fn whole(store: TokenStore) -> Self {
        Self { tokens: 0..store.tokens(), documents: 0..store.documents(), store }
    }

    /// The store.
    pub fn store(&self) -> &TokenStore {
        &self.store
    }

    /// How many ids the view has.
    pub fn tokens(&self) -> u64 {
        self.tokens.end - self.tokens.start
    }

    /// How many documents the view has, a cut one included.
    pub fn documents(&self) -> u64 {
        self.documents.end - self.documents.start
    }

    /// Appends the ids of a range of the view.
    ///
    /// # Errors
    /// When a block of the store is damaged.
    ///
    /// # Panics
    /// When the range goes beyond the view.
    pub fn read(&self, range: Range<u64>, ids: &mut Vec<u32>) -> Result<()> {
        assert!(range.end <= self.tokens(), "ids {range:?} of a view of {}", self.tokens());
        self.store.read(self.tokens.start + range.start..self.tokens.start + range.end, ids)
    }

    /// The range, within the view, of one of its documents.
    ///
    /// # Errors
    /// When a block of the store is damaged.
    ///
    /// # Panics
    /// When there are not so many documents.
    pub fn document(&self, index: u64) -> Result<Range<u64>> {
        assert!(index < self.documents(), "document {index} of a view of {}", self.documents());
        let document = self.store.document(self.documents.start + index)?;
        let clip = |at: u64| at.clamp(self.tokens.start, self.tokens.end) - self.tokens.start;
        Ok(clip(document.start)..clip(document.end))
    }

    /// Splits the last `fraction` of the ids off, to be held out: (train, held out).
    ///
    /// The cut falls on the end of a document, the one nearest to the fraction; where the nearest is more than half the
    /// held-out part away, as in a text of a single document, it falls inside a document.
    ///
    /// # Errors
    /// When the fraction is not between 0 and 1, or a block of the store is damaged.
    pub fn split(&self, fraction: f64) -> Result<(Self, Self)> {
        if !(fraction > 0.0 && fraction < 1.0) {
            return Err(Error::Setting {
                name: "the held-out fraction",
                expected: "between 0 and 1",
                found: fraction.to_string(),
            });
        }
        let wanted = (self.tokens() as f64 * (1.0 - fraction)) as u64;
        let after = self.first_document_after(wanted)?;
        let end = |index: u64| if index == 0 { Ok(0) } else { self.document(index - 1).map(|d| d.end) };
        let (low, high) = (end(after)?, end((after + 1).min(self.documents()))?);
        let (cut, documents) = if wanted - low <= high - wanted { (low, after) } else { (high, after + 1) };
        if cut.abs_diff(wanted) <= (self.tokens() - wanted) / 2 {
            return Ok((
                self.part(0..cut, 0..documents),
                self.part(cut..self.tokens(), documents..self.documents()),
            ));
        }
        let both = self.part(0..wanted, 0..after + 1);
        Ok((both, self.part(wanted..self.tokens(), after..self.documents())))
    }

    /// The number of documents that end at or before an id.
    fn first_document_after(&self, id: u64) -> Result<u64> {
        let (mut low, mut high) = (0, self.documents());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.document(middle)?.end <= id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// These ids and documents of the view.
    fn part(&self, tokens: Range<u64>, documents: Range<u64>) -> Self {
        let shift = |range: Range<u64>, by: u64| range.start + by..range.end + by;
        Self {
            store: self.store.clone(),
            tokens: shift(tokens, self.tokens.start),
            documents: shift(documents, self.documents.start),
        }
    }
}
