//! One text for another: summaries and translations.

use std::path::Path;

use crate::source::{Record, lines_of_json, read};
use crate::{Error, Example, Result, Split};

/// A language of the translation tasks: its code in file names and its name in the text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Language {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
}

/// Articles and their highlights, as CNN/Daily Mail has them, or documents and summaries, as XSum.
pub(crate) fn summary(record: &Record, _: Split, examples: &mut Vec<Example>) -> Result<()> {
    let (article, highlights) = match record.value.get("document") {
        Some(_) => (record.text("document")?, record.text("summary")?),
        None => (record.text("article")?, record.text("highlights")?),
    };
    examples.push(Example::new(format!("summarize: {article}"), highlights));
    Ok(())
}

/// The stems of the two files of a split.
fn stems(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => &["train"],
        Split::Validation => &["val", "validation", "dev", "valid"],
        Split::Test => &["test", "test_2016_flickr"],
    }
}

/// Reads translations: two files with a sentence a line (`train.en`, `train.de`), or JSON lines with an object
/// `translation` of a text for each code.
pub(crate) fn translations(
    task: &'static str,
    path: &Path,
    split: Split,
    from: Language,
    to: Language,
) -> Result<Vec<Example>> {
    let file = |stem: &str, ending: &str| path.join(format!("{stem}.{ending}"));
    let found = |ending: &'static str| move |stem: &&&str| file(stem, ending).is_file();
    let pairs = if path.is_file() {
        pairs_of_json(path, from, to)?
    } else if let Some(stem) =
        stems(split).iter().filter(found(from.code)).find(|stem| file(stem, to.code).is_file())
    {
        pairs_of_lines(&file(stem, from.code), &file(stem, to.code))?
    } else if let Some(stem) = stems(split).iter().find(found("json")) {
        pairs_of_json(&file(stem, "json"), from, to)?
    } else {
        let stem = stems(split)[0];
        let expected = format!("{stem}.{} + {stem}.{} or {stem}.json", from.code, to.code);
        return Err(Error::NoFile { task, folder: path.to_owned(), expected });
    };
    let prefix = format!("translate {} to {}:", from.name, to.name);
    let example = |(from, to): (String, String)| Example::new(format!("{prefix} {from}"), to);
    Ok(pairs.into_iter().map(example).collect())
}

fn pairs_of_lines(from: &Path, to: &Path) -> Result<Vec<(String, String)>> {
    let (ours, theirs) = (read(from)?, read(to)?);
    let (lines, others) = (ours.lines().count(), theirs.lines().count());
    if lines != others {
        return Err(Error::Unpaired { path: from.to_owned(), lines, other: to.to_owned(), others });
    }
    Ok(ours.lines().zip(theirs.lines()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect())
}

fn pairs_of_json(path: &Path, from: Language, to: Language) -> Result<Vec<(String, String)>> {
    let text = |record: &Record, language: Language| {
        record.text(&format!("translation.{}", language.code)).map(str::to_owned)
    };
    lines_of_json(path)?.iter().map(|record| Ok((text(record, from)?, text(record, to)?))).collect()
}
