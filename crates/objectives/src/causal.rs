//! Causal language modelling: each id from those before it (Radford et al. 2019, section 2, p(x) = ∏ p(sₙ | s₁ … sₙ₋₁)).

use crate::ragged::kept_columns;
use crate::{Error, Ragged, Targets};

/// What a causal language model reads and what it must say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The ids that go into the model, (N).
    pub inputs: Ragged,
    /// The next id, for the rows that have one to predict.
    pub targets: Targets,
}

/// What a window may look back on when it holds the end of one document and the beginning of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Documents {
    /// Everything before it in the window, as GPT-2 was trained: the separator tells the model to forget.
    Cross,
    /// Its own document: a sequence begins at each `separator`.
    ///
    /// The separator between two documents is the last target of the first and the first input of the second, so
    /// every id is predicted either way; only what may be attended to changes.
    Split {
        /// The id that stands between documents (`<|endoftext|>`, 50256 in GPT-2's vocabulary).
        separator: u32,
    },
}

/// Shifts windows of T + 1 ids into T inputs and T targets, the way to pretrain.
///
/// Windows of one id or none have nothing to predict and give no sequence.
///
/// ```
/// use tercet_objectives::{Ragged, causal};
///
/// // … a document's end, the separator 0, another document's beginning.
/// let window = Ragged::from_sequences([[11, 12, 0, 21, 22]]);
/// let batch = causal::next_token(&window, causal::Documents::Split { separator: 0 });
///
/// assert_eq!(batch.inputs, Ragged::from_sequences([[11, 12], [0, 21]]));
/// assert_eq!(batch.targets.ids, [12, 0, 21, 22]);
/// ```
pub fn next_token(windows: &Ragged, documents: Documents) -> Batch {
    let mut batch = Batch::default();
    for window in windows.sequences() {
        let Some(inputs) = window.split_last().map(|(_, inputs)| inputs).filter(|inputs| !inputs.is_empty())
        else {
            continue;
        };
        let first = batch.inputs.ids.len();
        for (row, &target) in window[1..].iter().enumerate() {
            batch.targets.push(first + row, target);
        }
        let mut start = 0;
        for end in 1..=inputs.len() {
            let separated = |separator| inputs.get(end) == Some(&separator);
            if end == inputs.len()
                || matches!(documents, Documents::Split { separator } if separated(separator))
            {
                batch.inputs.push(inputs[start..end].iter().copied());
                start = end;
            }
        }
    }
    batch
}

/// Converts padded (B, `width`) arrays in Hugging Face's convention, where labels are shifted inside the model.
///
/// `labels[t]` is the target of position t − 1, so a row's first label is never used; [`IGNORE`](crate::IGNORE) has
/// no target. Padding goes, on either side. The last id of a row stays an input, so that hidden states compare row by
/// row with those of the padded model.
///
/// # Errors
/// The arrays do not fit `width` or each other, a mask has a hole, or a label is not an id.
///
/// ```
/// use tercet_objectives::causal;
///
/// let ids = [5, 6, 7, 0];
/// let batch = causal::from_hugging_face(&ids, &[1, 1, 1, 0], &[5, -100, 7, -100], 4)?;
/// assert_eq!(batch.inputs.ids, [5, 6, 7]);
/// assert_eq!((batch.targets.rows, batch.targets.ids), (vec![1], vec![7]));
/// # Ok::<(), tercet_objectives::Error>(())
/// ```
pub fn from_hugging_face(ids: &[u32], mask: &[u8], labels: &[i64], width: usize) -> Result<Batch, Error> {
    if labels.len() != ids.len() {
        return Err(Error::Length { name: "labels", expected: ids.len(), found: labels.len() });
    }
    let mut batch = Batch::default();
    for (row, kept) in kept_columns(ids.len(), mask, width)?.into_iter().enumerate() {
        let first = batch.inputs.ids.len();
        for column in kept.clone().skip(1) {
            let position = row * width + column;
            batch.targets.push_label(first + column - 1 - kept.start, labels[position], position)?;
        }
        batch.inputs.push(ids[row * width..][kept].iter().copied());
    }
    Ok(batch)
}

/// Windows over one long text, for its perplexity: every id but the first is a target exactly once.
///
/// A window reads at most `length` ids and begins `stride` after the one before it; ids that an earlier window has
/// predicted are context only. `stride = length` predicts some ids from almost nothing; a small stride gives each id
/// at least `length − stride` ids of context, at `length / stride` times the cost.
///
/// # Panics
/// `stride` is 0 or greater than `length`: ids between windows would never be predicted.
///
/// ```
/// use tercet_objectives::causal;
///
/// let windows: Vec<_> = causal::sliding_windows(&[1, 2, 3, 4, 5, 6], 4, 2).collect();
/// assert_eq!(windows[0].inputs.ids, [1, 2, 3, 4]);
/// assert_eq!(windows[0].targets.ids, [2, 3, 4, 5]);
/// assert_eq!(windows[1].inputs.ids, [3, 4, 5]);
/// assert_eq!(windows[1].targets.ids, [6]);
/// ```
pub fn sliding_windows(ids: &[u32], length: usize, stride: usize) -> impl Iterator<Item = Batch> {
    assert!((1..=length).contains(&stride), "stride {stride} outside 1..={length}");
    let last = ids.len().saturating_sub(1); // the last id is only ever a target
    let mut predicted = 0; // rows whose target an earlier window has predicted
    (0..last).step_by(stride).map_while(move |start| {
        let end = last.min(start + length);
        if predicted == end {
            return None;
        }
        let mut batch = Batch::default();
        batch.inputs.push(ids[start..end].iter().copied());
        for row in predicted.max(start)..end {
            batch.targets.push(row - start, ids[row + 1]);
        }
        predicted = end;
        Some(batch)
    })
}
