use tercet_tensor::Value;

use crate::cache::Cache;
use crate::sequences::Sequences;

/// The input of a language model: token ids laid end to end, and which of them form a sequence. There is no padding.
#[derive(Clone)]
pub struct Batch {
    /// The ids of all sequences, N of them.
    pub ids: Vec<u32>,
    /// The position of each id in its sequence.
    pub positions: Vec<u32>,
    /// Where the sequences lie.
    pub sequences: Sequences,
}

impl Batch {
    /// A batch of whole sequences.
    pub fn new<S: AsRef<[u32]>>(sequences: &[S]) -> Self {
        let lengths: Vec<usize> = sequences.iter().map(|s| s.as_ref().len()).collect();
        let ids = sequences.iter().flat_map(|s| s.as_ref()).copied().collect();
        Self::with(ids, Sequences::of_lengths(&lengths))
    }

    /// A batch from ids that lie end to end already, with the length of each sequence.
    ///
    /// # Panics
    /// When the lengths do not add up to the number of ids.
    pub fn packed(ids: Vec<u32>, lengths: &[usize]) -> Self {
        Self::with(ids, Sequences::of_lengths(lengths))
    }

    /// New ids for sequences of `cache`: `new[i]` continues sequence `which[i]`.
    pub fn continuing<S: AsRef<[u32]>>(cache: &Cache, which: &[usize], new: &[S]) -> Self {
        let lengths: Vec<usize> = new.iter().map(|s| s.as_ref().len()).collect();
        let ids = new.iter().flat_map(|s| s.as_ref()).copied().collect();
        Self::with(ids, Sequences::continuing(cache, which, &lengths))
    }

    fn with(ids: Vec<u32>, sequences: Sequences) -> Self {
        assert_eq!(ids.len(), sequences.rows(), "{} ids for {} rows", ids.len(), sequences.rows());
        Self { positions: sequences.positions(), ids, sequences }
    }
}

/// A padded array (B, T) of Hugging Face's form, seen as the ragged batch of its real positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Padded {
    shape: [usize; 2],
    /// For each ragged row the position b·T + t it has in the padded array.
    rows: Vec<usize>,
    lengths: Vec<usize>,
}

impl Padded {
    /// The positions whose attention mask (B, T) is not 0, wherever in their row they lie.
    ///
    /// # Panics
    /// When the mask does not have B·T elements.
    pub fn from_mask(mask: &[i64], shape: [usize; 2]) -> Self {
        assert_eq!(mask.len(), shape[0] * shape[1], "a mask of {} for shape {shape:?}", mask.len());
        let rows = (0..mask.len()).filter(|&i| mask[i] != 0).collect();
        let lengths =
            mask.chunks(shape[1].max(1)).map(|row| row.iter().filter(|m| **m != 0).count()).collect();
        Self { shape, rows, lengths }
    }

    /// All positions of an array without padding.
    pub fn full(shape: [usize; 2]) -> Self {
        Self { shape, rows: (0..shape[0] * shape[1]).collect(), lengths: vec![shape[1]; shape[0]] }
    }

    /// The ragged batch of padded `ids` (B, T).
    pub fn batch(&self, ids: &[i64]) -> Batch {
        Batch::packed(self.rows.iter().map(|&i| ids[i] as u32).collect(), &self.lengths)
    }

    /// The number t of each ragged row within its padded row.
    pub fn columns(&self) -> Vec<u32> {
        self.rows.iter().map(|at| (at % self.shape[1]) as u32).collect()
    }

    /// The position in the padded array, b·T + t, of each ragged row.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// Spreads ragged rows (N, C) over a padded array (B, T, C), zeros between.
    pub fn spread(&self, ragged: &Value) -> Value {
        let width = ragged.cols();
        let mut padded = vec![0.0; self.shape[0] * self.shape[1] * width];
        for (row, &at) in ragged.chunks_exact(width).zip(&self.rows) {
            padded[at * width..][..width].copy_from_slice(row);
        }
        Value::new(&[self.shape[0], self.shape[1], width], padded)
    }
}
