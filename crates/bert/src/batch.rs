use tercet_attention::{Batch, Padded, Sequences};

/// A text or a pair of texts as BERT reads it: `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    /// The ids.
    pub ids: Vec<u32>,
    /// The segment of each id: 0 for A, 1 for B.
    pub token_types: Vec<u32>,
}

impl Sequence {
    /// A single text.
    pub fn single(ids: Vec<u32>) -> Self {
        Self { token_types: vec![0; ids.len()], ids }
    }
}

/// BERT's input: ids laid end to end, the segment of each, and which of them form a sequence. There is no padding.
#[derive(Clone)]
pub struct BertBatch {
    /// The ids of all sequences, N of them, `[CLS]` and `[SEP]` included.
    pub ids: Vec<u32>,
    /// 0 for the first text of a pair, 1 for the second.
    pub token_types: Vec<u32>,
    /// The position of each id in its sequence.
    pub positions: Vec<u32>,
    /// Where the sequences lie.
    pub sequences: Sequences,
}

impl BertBatch {
    /// A batch of single texts: every token is of segment 0.
    pub fn new<S: AsRef<[u32]>>(sequences: &[S]) -> Self {
        let Batch { ids, positions, sequences } = Batch::new(sequences);
        Self { token_types: vec![0; ids.len()], ids, positions, sequences }
    }

    /// A batch of texts and pairs.
    ///
    /// # Panics
    /// When a sequence has not as many segments as ids.
    pub fn of<'a>(sequences: impl IntoIterator<Item = &'a Sequence>) -> Self {
        let (mut ids, mut token_types, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for sequence in sequences {
            ids.extend_from_slice(&sequence.ids);
            token_types.extend_from_slice(&sequence.token_types);
            lengths.push(sequence.ids.len());
        }
        Self::packed(ids, token_types, &lengths)
    }

    /// A batch from ids and segments that lie end to end, with the length of each sequence.
    ///
    /// # Panics
    /// When ids, segments and lengths do not fit each other.
    pub fn packed(ids: Vec<u32>, token_types: Vec<u32>, lengths: &[usize]) -> Self {
        assert_eq!(ids.len(), token_types.len(), "{} ids, {} segments", ids.len(), token_types.len());
        let Batch { ids, positions, sequences } = Batch::packed(ids, lengths);
        Self { ids, token_types, positions, sequences }
    }

    /// The real positions of Hugging Face's padded arrays (B, T). Positions are counted with the padding, as its
    /// `position_ids` are, which differs only where padding stands before a token.
    pub fn padded(padded: &Padded, ids: &[i64], token_types: &[i64]) -> Self {
        let types = padded.rows().iter().map(|&at| token_types[at] as u32).collect();
        let Batch { ids, sequences, .. } = padded.batch(ids);
        Self { ids, token_types: types, positions: padded.columns(), sequences }
    }

    /// The row of each sequence's first token, `[CLS]`.
    pub fn first_rows(&self) -> Vec<u32> {
        self.sequences.ranges().iter().map(|r| r.start as u32).collect()
    }
}

/// Puts sequences of these lengths into batches of at most `tokens` tokens, or of one sequence that is longer. Gives the
/// numbers of the sequences of each batch: the longest come first, so that no later batch needs more memory.
pub fn token_batches(lengths: &[usize], tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(lengths[i]));
    let (mut batches, mut room): (Vec<Vec<usize>>, usize) = (Vec::new(), 0);
    for i in order {
        match batches.last_mut() {
            Some(batch) if lengths[i] <= room => {
                batch.push(i);
                room -= lengths[i];
            }
            _ => {
                batches.push(vec![i]);
                room = tokens.saturating_sub(lengths[i]);
            }
        }
    }
    batches
}
