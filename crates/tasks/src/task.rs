use std::path::Path;

use tercet_data::stories::Exercise;

use crate::form::fields::Fields;
use crate::form::pairs::{self, Language};
use crate::form::squad;
use crate::registry::TASKS;
use crate::score::Metric;
use crate::source::{Files, Record, lines_of_json, whole_json};
use crate::{Error, Example, Examples, Result, Split};

/// A text-to-text task: where its examples come from, the text that they become, and how answers are scored.
///
/// ```
/// use tercet_tasks::{Split, Task};
///
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("dev.tsv"), "sentence\tlabel\na gripping tale\t1\n")?;
/// let task = Task::named("sst2")?;
/// let examples = task.examples(folder.path(), Split::Validation)?;
/// assert_eq!(examples[0].inputs, "sst2 sentence: a gripping tale");
/// assert_eq!(examples[0].targets, "positive");
///
/// let scores = task.score(&examples, &["negative"]);
/// assert_eq!((scores[0].metric, scores[0].value), ("accuracy", 0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Task {
    /// What a mixture file calls it.
    pub name: &'static str,
    /// What it asks, in a few words.
    pub about: &'static str,
    pub(crate) source: Source,
    pub(crate) metrics: &'static [Metric],
}

/// Where examples come from.
pub(crate) enum Source {
    /// Rows of named fields.
    Fields(Fields),
    /// JSON lines of a shape of their own, each of some examples.
    Records(Files, Form),
    /// SQuAD's JSON.
    Squad(Files),
    /// Sentences in two languages.
    Translation(Language, Language),
    /// The generator of stories: there are as many as one likes.
    Exercise(Exercise),
}

/// Makes the examples of a record.
pub(crate) type Form = fn(&Record, Split, &mut Vec<Example>) -> Result<()>;

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Task({})", self.name)
    }
}

impl Task {
    /// All tasks, in the order of the documentation.
    pub fn all() -> &'static [Task] {
        TASKS
    }

    /// The task of this name.
    ///
    /// # Errors
    /// When there is none; the message lists all that there are.
    pub fn named(name: &str) -> Result<&'static Task> {
        TASKS.iter().find(|task| task.name == name).ok_or_else(|| Error::UnknownTask {
            name: name.to_owned(),
            known: TASKS.iter().map(|task| task.name).collect::<Vec<_>>().join(", "),
        })
    }

    /// Whether its examples are made, not read: it needs no path.
    pub fn is_generated(&self) -> bool {
        matches!(self.source, Source::Exercise(_))
    }

    /// Reads the examples of a split: from the folder in which its files lie under their own names, or from one file.
    ///
    /// # Errors
    /// When a file is missing or not what the task reads, or the task is a generated one.
    pub fn examples(&self, path: impl AsRef<Path>, split: Split) -> Result<Vec<Example>> {
        let path = path.as_ref();
        let mut examples = Vec::new();
        match &self.source {
            Source::Fields(fields) => examples = fields.examples(self.name, path, split)?,
            Source::Records(files, form) => {
                for file in files.find(self.name, path, split)? {
                    for record in lines_of_json(&file)? {
                        form(&record, split, &mut examples)?;
                    }
                }
            }
            Source::Squad(files) => {
                for file in files.find(self.name, path, split)? {
                    squad::examples(&whole_json(&file)?, &mut examples)?;
                }
            }
            Source::Translation(from, to) => {
                examples = pairs::translations(self.name, path, split, *from, *to)?;
            }
            Source::Exercise(_) => {
                let name = format!("the path of {}", self.name);
                let found = path.display().to_string();
                return Err(Error::Setting { name, expected: "left out: its examples are generated", found });
            }
        }
        Ok(examples)
    }

    /// The examples of a split, read or generated. `seed` decides those that are generated.
    ///
    /// # Errors
    /// As [`examples`](Self::examples), and when the task reads files and `path` is none.
    pub fn open(&self, path: Option<&Path>, split: Split, seed: u64) -> Result<Examples> {
        match (&self.source, path) {
            (Source::Exercise(exercise), None) => Ok(Examples::generated(*exercise, split, seed)),
            (_, Some(path)) => self.examples(path, split).map(Examples::read),
            (_, None) => Err(Error::NoPath { task: self.name }),
        }
    }

    /// The classes that it chooses among, in the order of their labels; none where the answer is free.
    pub fn classes(&self) -> Vec<&'static str> {
        match &self.source {
            Source::Fields(Fields { labels, .. }) => labels.classes(),
            Source::Records(..) if self.name == "multirc" => vec!["False", "True"],
            _ => Vec::new(),
        }
    }
}
