use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::vec::IntoIter;

use serde::Deserialize;

use super::files::{Form, SourceFile};
use super::lines::{Fragment, Lines};
use super::pending::Pending;
use super::{Corpus, DocumentSplit};
use crate::{Error, Result};

/// The longest line of JSON, which must be held whole.
const LONGEST_LINE: usize = 1 << 26;
/// How much of a longer line of text is read at once.
const FRAGMENT: usize = 1 << 16;

/// A part of a document, cut where the ids of the parts are those of the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Whether a document ends with this piece.
    pub ends_document: bool,
    /// How many bytes had been read from the corpus' files when this piece was made.
    pub bytes_read: u64,
}

/// All documents of a corpus in pieces of some 32 KiB; made by [`Corpus::pieces`].
///
/// Stops after the first error.
pub struct Pieces {
    files: IntoIter<SourceFile>,
    split: DocumentSplit,
    current: Option<Open>,
    pending: Pending,
    /// What has been read is the end of a document, and is to be given before more is read.
    ending: bool,
    read: Arc<AtomicU64>,
    paths: Vec<PathBuf>,
    documents: u64,
    over: bool,
}

/// The file that is being read.
struct Open {
    lines: Lines,
    path: PathBuf,
    form: Form,
    /// A heading that has been read and begins the next document.
    heading: Option<String>,
}

/// What reading one line came to.
enum Step {
    Inside,
    EndOfDocument,
    EndOfFile,
}

#[derive(Deserialize)]
struct Record {
    text: String,
}

impl Pieces {
    pub(super) fn new(corpus: &Corpus) -> Self {
        Self {
            files: corpus.files.clone().into_iter(),
            split: corpus.split.clone(),
            current: None,
            pending: Pending::new(),
            ending: false,
            read: Arc::default(),
            paths: corpus.files.iter().map(|file| file.path.clone()).collect(),
            documents: 0,
            over: false,
        }
    }

    fn advance(&mut self) -> Result<Option<Piece>> {
        loop {
            if let Some(text) = self.pending.cut() {
                return Ok(Some(self.piece(text, false)));
            }
            if std::mem::take(&mut self.ending)
                && let Some(text) = self.pending.finish()
            {
                self.documents += 1;
                return Ok(Some(self.piece(text, true)));
            }
            if self.current.is_none() && !self.open_next()? {
                let empty = self.documents == 0;
                return if empty { Err(Error::NoText { paths: self.paths.clone() }) } else { Ok(None) };
            }
            let open = self.current.as_mut().expect("opened above");
            match open.step(&self.split, &mut self.pending)? {
                Step::Inside => {}
                Step::EndOfDocument => self.ending = true,
                Step::EndOfFile => {
                    self.ending = true;
                    self.current = None;
                }
            }
        }
    }

    /// Opens the next file; false if there is none.
    fn open_next(&mut self) -> Result<bool> {
        let Some(SourceFile { path, form, .. }) = self.files.next() else { return Ok(false) };
        self.current =
            Some(Open { lines: Lines::open(&path, self.read.clone())?, path, form, heading: None });
        Ok(true)
    }

    fn piece(&self, text: String, ends_document: bool) -> Piece {
        Piece { text, ends_document, bytes_read: self.read.load(Ordering::Relaxed) }
    }
}

impl Iterator for Pieces {
    type Item = Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.advance().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

impl Open {
    /// Reads one line into `pending`.
    fn step(&mut self, split: &DocumentSplit, pending: &mut Pending) -> Result<Step> {
        match self.form {
            Form::JsonLines => self.json_step(pending),
            Form::Text => self.text_step(split, pending),
        }
    }

    fn text_step(&mut self, split: &DocumentSplit, pending: &mut Pending) -> Result<Step> {
        if let Some(heading) = self.heading.take() {
            pending.push(&heading);
        }
        let Some(fragment) = self.lines.next(FRAGMENT)? else { return Ok(Step::EndOfFile) };
        let Fragment { text, starts_line, ends_line } = fragment;
        let whole = starts_line && ends_line;
        let separates = match split {
            DocumentSplit::File | DocumentSplit::Lines => false,
            DocumentSplit::Headings => {
                if whole && is_heading(text.trim()) {
                    self.heading = Some(text.to_owned());
                    return Ok(Step::EndOfDocument);
                }
                false
            }
            DocumentSplit::BlankLines => whole && text.trim().is_empty(),
            DocumentSplit::Marker(marker) => whole && text.trim() == marker,
        };
        if !separates {
            pending.push(text);
        }
        if separates || (ends_line && *split == DocumentSplit::Lines) {
            pending.drop_line_end();
            return Ok(Step::EndOfDocument);
        }
        Ok(Step::Inside)
    }

    fn json_step(&mut self, pending: &mut Pending) -> Result<Step> {
        let Some(fragment) = self.lines.next(LONGEST_LINE)? else { return Ok(Step::EndOfFile) };
        let Fragment { text, ends_line, .. } = fragment;
        if ends_line && text.trim().is_empty() {
            return Ok(Step::Inside);
        }
        let record = ends_line.then(|| serde_json::from_str::<Record>(text));
        let (path, line) = (self.path.clone(), self.lines.line);
        match record {
            Some(Ok(record)) => pending.push(&record.text),
            Some(Err(error)) => {
                let message = error.to_string();
                let found = message.rsplit_once(" at line").map_or(&*message, |(found, _)| found).to_owned();
                return Err(Error::NotADocument { path, line, found });
            }
            None => return Err(Error::LongLine { path, line, limit: LONGEST_LINE }),
        }
        Ok(Step::EndOfDocument)
    }
}

/// Whether a line is the heading of a document, `= Title =`, and not of a section, `= = Title = =`.
fn is_heading(line: &str) -> bool {
    let title = line.strip_prefix("= ").and_then(|line| line.strip_suffix(" ="));
    title.is_some_and(|title| !title.starts_with('=') && !title.ends_with('='))
}
