use std::ops::Range;
use std::sync::Arc;

use tercet_tensor::Span;

use crate::cache::{Cache, Slot};

/// Which rows of a ragged batch form a sequence: sequences lie end to end, no row belongs to none.
///
/// With a [`Cache`], the rows are the new positions of sequences whose earlier keys and values are kept.
#[derive(Clone)]
pub struct Sequences {
    ranges: Arc<[Range<usize>]>,
    spans: Arc<[Span]>,
    past: Option<Past>,
}

#[derive(Clone)]
pub(crate) struct Past {
    pub cache: Cache,
    pub slots: Arc<[Slot]>,
}

impl Sequences {
    /// Sequences of these lengths, one after the other.
    pub fn of_lengths(lengths: &[usize]) -> Self {
        let ranges = ranges(lengths);
        let spans = ranges.iter().cloned().map(Span::itself).collect();
        Self { ranges, spans, past: None }
    }

    /// New rows for sequences of `cache`: `lengths[i]` of them continue sequence `which[i]`.
    ///
    /// # Panics
    /// When a sequence is not in the cache or appears twice, or the cache has no room for the new rows.
    pub fn continuing(cache: &Cache, which: &[usize], lengths: &[usize]) -> Self {
        let ranges = ranges(lengths);
        let slots = cache.reserve(which, lengths);
        let spans =
            ranges.iter().zip(slots.iter()).map(|(q, s)| Span { q: q.clone(), kv: s.rows() }).collect();
        Self { ranges, spans, past: Some(Past { cache: cache.clone(), slots }) }
    }

    /// The same rows, to attend to the rows of `sources` rather than to themselves: sequence i reads sequence `which[i]`
    /// of them. For training that is its own number; in generation several sequences may read the same one.
    ///
    /// # Panics
    /// When `which` does not name one source for each sequence, or names one that is not there.
    pub fn reading(&self, sources: &Sequences, which: &[usize]) -> Self {
        assert_eq!(which.len(), self.len(), "{} sources for {} sequences", which.len(), self.len());
        let source = |i: &usize| {
            let ranges = sources.ranges();
            ranges.get(*i).unwrap_or_else(|| panic!("source {i} of {}", ranges.len())).clone()
        };
        let spans =
            self.ranges.iter().zip(which).map(|(q, i)| Span { q: q.clone(), kv: source(i) }).collect();
        Self { ranges: Arc::clone(&self.ranges), spans, past: None }
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Number of rows of all sequences together.
    pub fn rows(&self) -> usize {
        self.ranges.last().map_or(0, |r| r.end)
    }

    /// The rows of each sequence.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// The position of each row in its sequence, counted from 0 and, with a cache, from the first cached one.
    pub fn positions(&self) -> Vec<u32> {
        let starts = self.ranges.iter().enumerate().map(|(i, r)| {
            let past = self.past.as_ref().map_or(0, |p| p.slots[i].past);
            (past..past + r.len()).map(|p| p as u32)
        });
        starts.flatten().collect()
    }

    pub(crate) fn spans(&self) -> &Arc<[Span]> {
        &self.spans
    }

    pub(crate) fn past(&self) -> Option<&Past> {
        self.past.as_ref()
    }
}

fn ranges(lengths: &[usize]) -> Arc<[Range<usize>]> {
    let mut end = 0;
    let next = |length: &usize| {
        end += length;
        end - length..end
    };
    lengths.iter().map(next).collect()
}
