//! The files of the tasks, as they are distributed.

mod json;
mod table;

use std::path::{Path, PathBuf};

pub(crate) use json::{Record, lines_of_json, whole_json};
pub(crate) use table::{Row, ShortRows, Table};

use crate::{Error, Result, Split};

/// The names of a task's files: for each split the alternatives, each of one file or several that are read in order.
#[derive(Clone, Copy)]
pub(crate) struct Files {
    pub(crate) train: Alternatives,
    pub(crate) validation: Alternatives,
    pub(crate) test: Alternatives,
}

pub(crate) type Alternatives = &'static [&'static [&'static str]];

impl Files {
    /// The files of a split: those of the first alternative that is there; `path` itself where it is a file.
    pub(crate) fn find(&self, task: &'static str, path: &Path, split: Split) -> Result<Vec<PathBuf>> {
        let metadata = std::fs::metadata(path).map_err(Error::io(path))?;
        if metadata.is_file() {
            return Ok(vec![path.to_owned()]);
        }
        let alternatives = match split {
            Split::Train => self.train,
            Split::Validation => self.validation,
            Split::Test => self.test,
        };
        let in_folder = |names: &&[&str]| names.iter().map(|name| path.join(name)).collect::<Vec<_>>();
        let found = alternatives.iter().map(in_folder).find(|files| files.iter().all(|file| file.is_file()));
        found.ok_or_else(|| Error::NoFile {
            task,
            folder: path.to_owned(),
            expected: match alternatives {
                [] => format!("a file, for there is no {split} split"),
                _ => alternatives.iter().map(|names| names.join(" + ")).collect::<Vec<_>>().join(" or "),
            },
        })
    }
}

/// A text file, without its byte order mark.
pub(crate) fn read(path: &Path) -> Result<String> {
    let mut text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}
