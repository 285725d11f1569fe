//! What a model must say, and where.

use crate::Error;

/// The label that Hugging Face uses for "no target here".
pub const IGNORE: i64 = -100;

/// The rows of a batch that have a target, and the target of each.
///
/// A list of pairs, not a padded array: a loss gathers `rows`, and computes nothing for the others. `rows` ascends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Row numbers, ascending.
    pub rows: Vec<u32>,
    /// The id that the model should give at each of these rows.
    pub ids: Vec<u32>,
}

impl Targets {
    /// Reads one label a row, skipping those that are [`IGNORE`].
    ///
    /// # Errors
    /// A label is negative and not [`IGNORE`], or beyond the range of an id.
    ///
    /// ```
    /// use tercet_objectives::Targets;
    ///
    /// let targets = Targets::from_labels(&[-100, 42, -100, 7])?;
    /// assert_eq!((targets.rows, targets.ids), (vec![1, 3], vec![42, 7]));
    /// # Ok::<(), tercet_objectives::Error>(())
    /// ```
    pub fn from_labels(labels: &[i64]) -> Result<Self, Error> {
        let mut targets = Targets::default();
        for (row, &label) in labels.iter().enumerate() {
            targets.push_label(row, label, row)?;
        }
        Ok(targets)
    }

    /// Writes one label a row, [`IGNORE`] where there is no target.
    ///
    /// # Panics
    /// A target lies at or beyond `rows`.
    pub fn to_labels(&self, rows: usize) -> Vec<i64> {
        let mut labels = vec![IGNORE; rows];
        for (row, id) in self.iter() {
            assert!((row as usize) < rows, "a target at row {row} of {rows} rows");
            labels[row as usize] = i64::from(id);
        }
        labels
    }

    /// The (row, id) pairs, in the order of the rows.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.rows.iter().copied().zip(self.ids.iter().copied())
    }

    /// How many rows have a target: the denominator of a mean loss.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no row has a target.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn push(&mut self, row: usize, id: u32) {
        self.rows.push(u32::try_from(row).expect("a batch has fewer than 2³² rows"));
        self.ids.push(id);
    }

    /// Adds a target unless the label is [`IGNORE`]; `position` is where the label was read, for the message.
    pub(crate) fn push_label(&mut self, row: usize, label: i64, position: usize) -> Result<(), Error> {
        if label != IGNORE {
            self.push(row, u32::try_from(label).map_err(|_| Error::Label { position, found: label })?);
        }
        Ok(())
    }
}
