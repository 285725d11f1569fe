use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tercet_tokenizer::Input;

use crate::error::Error;
use crate::tokenizer::read_input;

/// A text or a pair of texts, and where it stands.
pub struct Text {
    /// What error messages call it: `texts.txt:3`.
    pub place: String,
    /// The text, or the first of a pair.
    pub first: String,
    /// The second of a pair.
    pub second: Option<String>,
}

/// What a line of a plain file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// One text.
    Texts,
    /// Two, with a tab between them.
    Pairs,
}

impl Text {
    /// A text that is an argument of the command.
    pub fn argument(number: usize, first: &str, second: Option<&str>) -> Self {
        Self { place: format!("text {number}"), first: first.to_owned(), second: second.map(str::to_owned) }
    }

    /// The texts of a file, one a line: plain, or the fields `text` and, in a pair, `pair` of JSON lines (`.jsonl`,
    /// `.ndjson`).
    ///
    /// # Errors
    /// When the file cannot be read, or a line is not what it should be.
    pub fn read(path: &Path, lines: Lines) -> Result<Vec<Self>, Error> {
        let content = fs::read(path).map_err(Error::io(path))?;
        let content = String::from_utf8(content).map_err(|error| {
            let (before, _) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
            let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
            let reason = "not UTF-8".to_owned();
            Error::Text { place: format!("{}:{line}", path.display()), reason }
        })?;
        let is_json = path.extension().is_some_and(|e| e == "jsonl" || e == "ndjson");
        Self::lines(&content, &path.display().to_string(), lines, if is_json { from_json } else { plain })
    }

    /// The texts of standard input, one a line.
    ///
    /// # Errors
    /// When it cannot be read, or a line is not what it should be.
    pub fn from_input(lines: Lines) -> Result<Vec<Self>, Error> {
        Self::lines(&read_input()?, "standard input", lines, plain)
    }

    fn lines(content: &str, name: &str, lines: Lines, parse: Parse) -> Result<Vec<Self>, Error> {
        let text = |(number, line): (usize, &str)| {
            let place = format!("{name}:{number}");
            match parse(line, lines) {
                Ok((first, second)) => Ok(Self { place, first, second }),
                Err(reason) => Err(Error::Text { place, reason }),
            }
        };
        let texts: Vec<Self> = (1..).zip(content.lines()).map(text).collect::<Result<_, _>>()?;
        if texts.is_empty() {
            let reason = "there is no text in it".to_owned();
            return Err(Error::Text { place: name.to_owned(), reason });
        }
        Ok(texts)
    }

    /// What the tokenizer is given.
    pub fn input(&self) -> Input<'_> {
        match &self.second {
            Some(second) => Input::Pair(&self.first, second),
            None => Input::Single(&self.first),
        }
    }
}

/// The text or pair of a line, or what is wrong with it.
type Parse = fn(&str, Lines) -> Result<(String, Option<String>), String>;

fn plain(line: &str, lines: Lines) -> Result<(String, Option<String>), String> {
    match (lines, line.split_once('\t')) {
        (Lines::Texts, _) => Ok((line.to_owned(), None)),
        (Lines::Pairs, Some((a, b))) => Ok((a.to_owned(), Some(b.to_owned()))),
        (Lines::Pairs, None) => Err("expected two texts with a tab between them, found no tab".to_owned()),
    }
}

fn from_json(line: &str, lines: Lines) -> Result<(String, Option<String>), String> {
    let object: Value = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
    let field = |name: &str| match &object[name] {
        Value::String(text) => Ok(Some(text.clone())),
        Value::Null => Ok(None),
        other => Err(format!("expected a string `{name}`, found {other}")),
    };
    let first = field("text")?.ok_or("expected a string `text`, found none")?;
    match (lines, field("pair")?) {
        (Lines::Pairs, None) => Err("expected a string `pair`, found none".to_owned()),
        (_, second) => Ok((first, second)),
    }
}

/// Where texts come from.
#[derive(Debug, clap::Args)]
pub struct Source {
    /// Files of texts, one a line, or JSON lines (.jsonl) with a field `text` and, in a pair, `pair`
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub text: Vec<PathBuf>,
}

impl Source {
    /// The texts of the files, or of standard input where there are none.
    ///
    /// # Errors
    /// As [`Text::read`].
    pub fn read(&self, lines: Lines) -> Result<Vec<Text>, Error> {
        if self.text.is_empty() {
            return Text::from_input(lines);
        }
        let files = self.text.iter().map(|path| Text::read(path, lines));
        Ok(files.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }
}
