//! The form of most tasks: the name, then each field as `key: text`, and a label spelt out.

use std::path::Path;

use super::UNKNOWN;
use crate::source::{Files, Record, Row, ShortRows, Table, lines_of_json};
use crate::{Example, Result, Split};

/// A task whose inputs are named fields, keys in alphabetical order but where the original says otherwise.
pub(crate) struct Fields {
    pub(crate) files: Files,
    pub(crate) format: Format,
    /// The key that the text shows, and the column that it is read from.
    pub(crate) inputs: &'static [(&'static str, &'static str)],
    /// The column of the label.
    pub(crate) label: &'static str,
    pub(crate) labels: Labels,
}

/// How the files are written.
#[derive(Clone, Copy)]
pub(crate) enum Format {
    /// Tab-separated, with the names of the columns where the first line does not give them.
    Table { headless: Option<&'static [&'static str]>, short_rows: ShortRows },
    /// One JSON object a line.
    JsonLines,
}

/// A table with names in its first line.
pub(crate) const TABLE: Format = Format::Table { headless: None, short_rows: ShortRows::Refuse };

/// What a label becomes.
#[derive(Clone, Copy)]
pub(crate) enum Labels {
    /// Each label of the file, and the class that is said for it.
    Classes(&'static [(&'static str, &'static str)]),
    /// A similarity from 0 to 5, said in steps of 0.2: "3.4".
    Similarity,
}

impl Fields {
    pub(crate) fn examples(&self, task: &'static str, path: &Path, split: Split) -> Result<Vec<Example>> {
        let mut examples = Vec::new();
        for file in self.files.find(task, path, split)? {
            match self.format {
                Format::Table { headless, short_rows } => {
                    self.read_table(task, &file, split, headless, short_rows, &mut examples)?;
                }
                Format::JsonLines => {
                    for record in lines_of_json(&file)? {
                        examples.push(self.of_record(task, &record, split)?);
                    }
                }
            }
        }
        Ok(examples)
    }

    fn read_table(
        &self,
        task: &str,
        file: &Path,
        split: Split,
        headless: Option<&[&str]>,
        short_rows: ShortRows,
        examples: &mut Vec<Example>,
    ) -> Result<()> {
        let mut needed: Vec<&str> = self.inputs.iter().map(|(_, column)| *column).collect();
        let optional = (split == Split::Test).then_some(self.label);
        if optional.is_none() {
            needed.push(self.label);
        }
        let table = Table::read(file, &needed, optional, headless, short_rows)?;
        for row in &table.rows {
            let (label, texts) = row.cells.split_last().expect("at least the label");
            let texts = texts.iter().map(|text| text.as_deref().expect("a needed column"));
            let targets = match label {
                None => UNKNOWN.to_owned(),
                Some(label) => self.target(label).ok_or_else(|| self.unknown_label(&table, row, label))?,
            };
            examples.push(Example::new(self.joined(task, texts), targets));
        }
        Ok(())
    }

    fn of_record(&self, task: &str, record: &Record, split: Split) -> Result<Example> {
        let texts = self.inputs.iter().map(|(_, key)| record.text(key)).collect::<Result<Vec<_>>>()?;
        let unknown = || record.unexpected(&record.value, self.label, &self.labels.described());
        let targets = match record.label_in(&record.value, self.label)? {
            None if split == Split::Test => UNKNOWN.to_owned(),
            None => return Err(unknown()),
            Some(label) => self.target(&label).ok_or_else(unknown)?,
        };
        Ok(Example::new(self.joined(task, texts.into_iter()), targets))
    }

    fn joined<'a>(&self, task: &str, texts: impl Iterator<Item = &'a str>) -> String {
        let fields = self.inputs.iter().zip(texts).map(|((key, _), text)| format!("{key}: {text}"));
        [task.to_owned()].into_iter().chain(fields).collect::<Vec<_>>().join(" ")
    }

    fn target(&self, label: &str) -> Option<String> {
        match self.labels {
            Labels::Classes(classes) => {
                let class = classes.iter().find(|(written, said)| *written == label || *said == label);
                class.map(|(_, said)| (*said).to_owned())
            }
            Labels::Similarity => label.parse().ok().map(similarity),
        }
    }

    fn unknown_label(&self, table: &Table, row: &Row, label: &str) -> crate::Error {
        table.unexpected(row, format!("{} in column {}", self.labels.described(), self.label), label)
    }
}

impl Labels {
    /// What can be said, in the order of the labels; nothing where it is a number.
    pub(crate) fn classes(&self) -> Vec<&'static str> {
        match self {
            Labels::Classes(classes) => classes.iter().map(|(_, said)| *said).collect(),
            Labels::Similarity => Vec::new(),
        }
    }

    fn described(&self) -> String {
        match self {
            Labels::Classes(classes) => {
                classes.iter().map(|(written, _)| *written).collect::<Vec<_>>().join(" or ")
            }
            Labels::Similarity => "a number".to_owned(),
        }
    }
}

/// The nearest step of 0.2, in f32 and half to even as the original: 2.5 is "2.4".
fn similarity(score: f32) -> String {
    format!("{:.1}", (score * 5.0).round_ties_even() / 5.0)
}
