//! Tab-separated tables, in which quotation marks are letters like any other.

use std::path::{Path, PathBuf};

use super::read;
use crate::{Error, Result};

/// What becomes of a row with too few columns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShortRows {
    /// It is an error.
    Refuse,
    /// It is left out.
    Skip,
}

/// The columns of a table that a task reads.
pub(crate) struct Table {
    path: PathBuf,
    /// The columns in the order in which they were asked for.
    pub(crate) rows: Vec<Row>,
}

/// Some cells of a line. A column that may be missing, and is, has none.
pub(crate) struct Row {
    pub(crate) line: usize,
    pub(crate) cells: Vec<Option<String>>,
}

impl Table {
    /// Reads the columns `needed`, and `optional` after them.
    ///
    /// Their names stand in the first line; in a table whose first line does not have them they are those of
    /// `headless`, if the task has such a form.
    pub(crate) fn read(
        path: &Path,
        needed: &[&str],
        optional: Option<&str>,
        headless: Option<&[&str]>,
        short_rows: ShortRows,
    ) -> Result<Self> {
        let text = read(path)?;
        let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty());
        let columns_error = |line: usize, found: String| Error::Columns {
            path: path.to_owned(),
            line,
            expected: needed.join(", "),
            found,
        };
        let first: Vec<&str> =
            lines.clone().next().map_or(Vec::new(), |(_, line)| line.split('\t').collect());
        let has_names = needed.iter().all(|name| first.contains(name));
        let names = match headless {
            _ if has_names => &first,
            Some(names) if first.len() >= names.len() => names,
            _ => return Err(columns_error(1, first.join(", "))),
        };
        if has_names {
            lines.next();
        }
        let place = |name: &str| names.iter().position(|column| *column == name);
        let optional = optional.map(place);
        let places: Option<Vec<usize>> = needed.iter().map(|name| place(name)).collect();
        let places = places.expect("every form has the columns that its task reads");
        let width = places.iter().copied().chain(optional.flatten()).max().map_or(0, |last| last + 1);
        let mut rows = Vec::new();
        for (line, text) in lines {
            let text: Vec<&str> = text.split('\t').collect();
            if text.len() < width {
                if short_rows == ShortRows::Skip {
                    continue;
                }
                return Err(columns_error(line, format!("{} of {} columns", text.len(), names.len())));
            }
            let cells = places.iter().copied().map(Some).chain(optional);
            rows.push(Row { line, cells: cells.map(|at| at.map(|at| text[at].to_owned())).collect() });
        }
        Ok(Self { path: path.to_owned(), rows })
    }

    /// The error of a cell that is not what it should be.
    pub(crate) fn unexpected(&self, row: &Row, expected: impl Into<String>, found: &str) -> Error {
        let (expected, found) = (expected.into(), format!("{found:?}"));
        Error::Record { path: self.path.clone(), line: row.line, expected, found }
    }
}
