//! From what a user names to the files that are read.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::{Error, Result};

/// How a file is cut into documents, told by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    JsonLines,
}

/// A file of text, plain or compressed.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    pub path: PathBuf,
    pub form: Form,
    pub bytes: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub modified: u128,
}

const EXTENSIONS: &str =
    "*.txt, *.text, *.md, *.raw, *.tokens, *.jsonl, *.ndjson or *.json, also with .gz or .zst";

/// The files that a path, a folder (with all below it) or a pattern like `part-*.jsonl.gz` means, in order of name.
pub(crate) fn find(input: &Path) -> Result<Vec<SourceFile>> {
    let given = input.to_string_lossy();
    let mut paths = Vec::new();
    match fs::metadata(input) {
        Ok(file) if file.is_dir() => walk(input, &mut paths)?,
        Ok(_) => paths.push(input.to_owned()),
        Err(_) if given.contains(['*', '?', '[']) => paths = matches(&given)?,
        Err(error) => return Err(Error::io(input)(error)),
    }
    if paths.is_empty() {
        return Err(Error::NoFiles { input: given.into_owned(), expected: EXTENSIONS });
    }
    paths.sort();
    paths.into_iter().map(SourceFile::new).collect()
}

impl SourceFile {
    fn new(path: PathBuf) -> Result<Self> {
        let about = fs::metadata(&path).map_err(Error::io(&path))?;
        let modified = about.modified().map_err(Error::io(&path))?;
        Ok(Self {
            form: form(&path).unwrap_or(Form::Text),
            bytes: about.len(),
            modified: modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos()),
            path,
        })
    }
}

/// The form that a file's name promises, under any compression.
fn form(path: &Path) -> Option<Form> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    match name.rsplit_once('.')?.1 {
        "txt" | "text" | "md" | "raw" | "tokens" => Some(Form::Text),
        "jsonl" | "ndjson" | "json" => Some(Form::JsonLines),
        _ => None,
    }
}

/// Collects the files of text in a folder and below, but for hidden ones.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if entry.file_type().map_err(Error::io(&path))?.is_dir() {
            walk(&path, found)?;
        } else if path.is_file() && form(&path).is_some() {
            found.push(path);
        }
    }
    Ok(())
}

fn matches(pattern: &str) -> Result<Vec<PathBuf>> {
    let malformed = |error: glob::PatternError| Error::Setting {
        name: "a pattern of files",
        expected: "made of *, ?, [...] and **",
        found: format!("{pattern:?}: {error}"),
    };
    let mut found = Vec::new();
    for path in glob::glob(pattern).map_err(malformed)? {
        let path = path.map_err(|e| Error::Io { path: e.path().to_owned(), source: e.into() })?;
        if path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}
