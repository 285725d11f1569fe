//! The tasks of SuperGLUE that are not one label for some fields (appendix D.6, D.10 and D.14; `preprocessors.py`).

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::UNKNOWN;
use crate::source::Record;
use crate::{Example, Reference, Result, Split};

/// MultiRC: is this an answer to the question? One example an answer.
pub(crate) fn multirc(record: &Record, split: Split, examples: &mut Vec<Example>) -> Result<()> {
    let passage = &record.value["passage"];
    let paragraph = without_markup(record.text_in(passage, "text")?);
    for (number, question) in record.list_in(passage, "questions")?.iter().enumerate() {
        let asked = without_markup(record.text_in(question, "question")?);
        for answer in record.list_in(question, "answers")? {
            let text = without_markup(record.text_in(answer, "text")?);
            let targets = match record.truth_in(answer, "label")? {
                Some(true) => "True",
                Some(false) => "False",
                None if split == Split::Test => UNKNOWN,
                None => return Err(record.unexpected(answer, "label", "true or false")),
            };
            let inputs = format!("multirc question: {asked} answer: {text} paragraph: {paragraph}");
            let question = Reference::Question(((record.line as u64) << 32) | number as u64);
            examples.push(Example::new(inputs, targets).with(question));
        }
    }
    Ok(())
}

static BOLD: LazyLock<Regex> = LazyLock::new(|| Regex::new("</?b>").expect("a pattern"));

fn without_markup(text: &str) -> String {
    BOLD.replace_all(&text.replace("<br>", " "), "").into_owned()
}

/// ReCoRD: which entity belongs in the gap? To learn from, one example an answer; else one a query.
pub(crate) fn record(record: &Record, split: Split, examples: &mut Vec<Example>) -> Result<()> {
    let passage = &record.value["passage"];
    let text = record.text_in(passage, "text")?;
    let mut entities = Vec::new();
    for entity in record.list_in(passage, "entities")? {
        let (start, end) = (record.number_in(entity, "start")?, record.number_in(entity, "end")?);
        let length = (end + 1).saturating_sub(start); // `end` is the last character
        let entity: String = text.chars().skip(start).take(length).collect();
        if entity.chars().count() != length || length == 0 {
            let found = format!("characters {start} to {end} of {}", text.chars().count());
            return Err(record.fault("entities that lie in the passage".to_owned(), found));
        }
        entities.push(entity);
    }
    let (entities, passage) = (sorted(entities).join(", "), highlights_as_sentences(text));
    for question in record.list_in(&record.value, "qas")? {
        let query = record.text_in(question, "query")?;
        let inputs = format!("record query: {query} entities: {entities} passage: {passage}");
        let answers = match &question["answers"] {
            Value::Null => Vec::new(),
            _ => record
                .list_in(question, "answers")?
                .iter()
                .map(|a| record.text_in(a, "text"))
                .collect::<Result<_>>()?,
        };
        let answers = sorted(answers.into_iter().map(str::to_owned).collect());
        let count = if split == Split::Train { answers.len() } else { answers.len().min(1) };
        if answers.is_empty() && split != Split::Test {
            return Err(record.unexpected(question, "answers", "answers"));
        }
        let with_answers =
            |target: &str| Example::new(inputs.clone(), target).with(Reference::Answers(answers.clone()));
        match answers.first() {
            Some(_) => examples.extend(answers[..count].iter().map(|answer| with_answers(answer))),
            None => examples.push(with_answers(UNKNOWN)),
        }
    }
    Ok(())
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts.dedup();
    texts
}

static HIGHLIGHT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"([.?!"'])\n@highlight\n"#).expect("a pattern"));

/// The summary points under an article, each as a sentence.
fn highlights_as_sentences(passage: &str) -> String {
    HIGHLIGHT.replace_all(passage, "$1 ").replace("\n@highlight\n", ". ")
}

/// WSC: what does the marked pronoun stand for? Only what it does stand for can be learnt from.
pub(crate) fn wsc(record: &Record, split: Split, examples: &mut Vec<Example>) -> Result<()> {
    let target = &record.value["target"];
    let pronoun = record.text_in(target, "span2_text")?;
    let text = marked(record.text("text")?, record.number_in(target, "span2_index")?, pronoun);
    let text = text.ok_or_else(|| record.unexpected(target, "span2_index", "the place of the pronoun"))?;
    let referent = match record.truth_in(&record.value, "label")? {
        None if split != Split::Test => {
            return Err(record.unexpected(&record.value, "label", "true or false"));
        }
        referent => referent.unwrap_or(false),
    };
    if referent || split != Split::Train {
        let example = Example::new(format!("wsc: {text}"), record.text_in(target, "span1_text")?);
        examples.push(example.with(Reference::Referent(referent)));
    }
    Ok(())
}

/// The text with the pronoun between stars: the word at `index`, or the first one from there on that is the pronoun,
/// for in a few records the index is off; what is written together with it is set apart.
fn marked(text: &str, index: usize, pronoun: &str) -> Option<String> {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let is_pronoun = |word: &String| {
        let start = word.get(..pronoun.len()).filter(|start| start.eq_ignore_ascii_case(pronoun));
        start.is_some() && !word[pronoun.len()..].starts_with(char::is_alphanumeric)
    };
    let at = index + words.get(index..)?.iter().position(is_pronoun)?;
    let rest = words[at].split_off(pronoun.len());
    words[at] = format!("*{pronoun}*{}{rest}", if rest.is_empty() { "" } else { " " });
    Some(words.join(" "))
}
