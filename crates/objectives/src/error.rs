//! What can be wrong with ids that come from outside.

/// Padded arrays that do not describe a ragged batch.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The array does not divide into rows of the given width.
    #[error("{name}: {found} values do not divide into rows of {width}")]
    Rows {
        /// Which array.
        name: &'static str,
        /// How many values it holds.
        found: usize,
        /// The width that was asked for.
        width: usize,
    },
    /// Two arrays that belong together differ in length.
    #[error("{name}: expected {expected} values, one for each id, found {found}")]
    Length {
        /// Which array.
        name: &'static str,
        /// How many ids there are.
        expected: usize,
        /// How many values the array holds.
        found: usize,
    },
    /// A row's mask is not one run of ones: there is a hole in the sequence.
    #[error("attention mask: row {row} has a hole at column {column}; expected one run of ones in each row")]
    Hole {
        /// The row.
        row: usize,
        /// The first column that is 0 with ones on both sides.
        column: usize,
    },
    /// A label is neither a token id nor the ignore marker.
    #[error("labels: expected a token id or {ignore} at position {position}, found {found}", ignore = crate::IGNORE)]
    Label {
        /// Where.
        position: usize,
        /// The label.
        found: i64,
    },
    /// A document holds no sentence, or one of its sentences no id.
    #[error("document {document}: {}", sentence.map_or("no sentence".to_owned(), |at| format!("sentence {at} is empty")))]
    Empty {
        /// Its number, from 0.
        document: usize,
        /// The empty sentence, if there are any sentences.
        sentence: Option<usize>,
    },
    /// A setting has a value without meaning.
    #[error("{name} is {found}, expected {expected}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
}
