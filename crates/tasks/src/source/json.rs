//! JSON, one value a line or one a file.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::read;
use crate::{Error, Result};

/// A JSON value and where it was read.
pub(crate) struct Record {
    path: PathBuf,
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// The values of a file with one on each line.
pub(crate) fn lines_of_json(path: &Path) -> Result<Vec<Record>> {
    let text = read(path)?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(line, text)| parse(path, line, text)).collect()
}

/// A file that is one value.
pub(crate) fn whole_json(path: &Path) -> Result<Record> {
    parse(path, 1, &read(path)?)
}

fn parse(path: &Path, line: usize, text: &str) -> Result<Record> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(Record { path: path.to_owned(), line, value }),
        Err(e) => Err(Error::Record {
            path: path.to_owned(),
            line: line + e.line() - 1,
            expected: "JSON".into(),
            found: e.to_string(),
        }),
    }
}

impl Record {
    /// The string at a path of keys: "passage.text".
    pub(crate) fn text(&self, keys: &str) -> Result<&str> {
        self.text_in(&self.value, keys)
    }

    /// The string at a path of keys of a part of this record.
    pub(crate) fn text_in<'v>(&self, part: &'v Value, keys: &str) -> Result<&'v str> {
        get(part, keys).as_str().ok_or_else(|| self.unexpected(part, keys, "a string"))
    }

    /// The list at a path of keys of a part of this record.
    pub(crate) fn list_in<'v>(&self, part: &'v Value, keys: &str) -> Result<&'v [Value]> {
        let list = get(part, keys).as_array();
        list.map(Vec::as_slice).ok_or_else(|| self.unexpected(part, keys, "a list"))
    }

    /// The number at a path of keys of a part of this record.
    pub(crate) fn number_in(&self, part: &Value, keys: &str) -> Result<usize> {
        let number = get(part, keys).as_u64();
        number.map(|number| number as usize).ok_or_else(|| self.unexpected(part, keys, "a number"))
    }

    /// A label as text, however it is written: "true", true, 1; none where there is none.
    pub(crate) fn label_in(&self, part: &Value, keys: &str) -> Result<Option<String>> {
        match get(part, keys) {
            Value::Null => Ok(None),
            Value::String(label) => Ok(Some(label.clone())),
            Value::Bool(label) => Ok(Some(label.to_string())),
            Value::Number(label) => Ok(Some(label.to_string())),
            _ => Err(self.unexpected(part, keys, "a label")),
        }
    }

    /// A label that is yes or no.
    pub(crate) fn truth_in(&self, part: &Value, keys: &str) -> Result<Option<bool>> {
        match self.label_in(part, keys)?.as_deref() {
            None => Ok(None),
            Some("true" | "True" | "1") => Ok(Some(true)),
            Some("false" | "False" | "0") => Ok(Some(false)),
            Some(_) => Err(self.unexpected(part, keys, "true or false")),
        }
    }

    /// The error of a value that is not what it should be.
    pub(crate) fn unexpected(&self, part: &Value, keys: &str, expected: &str) -> Error {
        let mut found = match get(part, keys) {
            Value::Null => "nothing".to_owned(),
            value => value.to_string(),
        };
        if let Some((end, _)) = found.char_indices().nth(60) {
            found.truncate(end);
            found.push('…');
        }
        self.fault(format!("{expected} at {keys:?}"), found)
    }

    pub(crate) fn fault(&self, expected: String, found: String) -> Error {
        Error::Record { path: self.path.clone(), line: self.line, expected, found }
    }
}

fn get<'v>(value: &'v Value, keys: &str) -> &'v Value {
    keys.split('.').fold(value, |value, key| &value[key])
}
