//! SQuAD: the answer to a question about a paragraph, in the paragraph's words (appendix D.15).

use std::sync::LazyLock;

use regex::Regex;

use crate::source::Record;
use crate::{Example, Reference, Result};

/// One example a question; the questions of SQuAD 2.0 that have no answer are left out, as version 1.1 has none.
pub(crate) fn examples(file: &Record, examples: &mut Vec<Example>) -> Result<()> {
    for article in file.list_in(&file.value, "data")? {
        for paragraph in file.list_in(article, "paragraphs")? {
            let context = with_spaces(file.text_in(paragraph, "context")?);
            for question in file.list_in(paragraph, "qas")? {
                let asked = with_spaces(file.text_in(question, "question")?);
                let answers = file.list_in(question, "answers")?.iter();
                let answers = answers
                    .map(|answer| Ok(with_spaces(file.text_in(answer, "text")?)))
                    .collect::<Result<Vec<_>>>()?;
                let Some(first) = answers.first().cloned() else { continue };
                let inputs = format!("question: {asked} context: {context}");
                let inputs = SPACE.replace_all(&inputs, " ");
                examples.push(Example::new(inputs, first).with(Reference::Answers(answers)));
            }
        }
    }
    Ok(())
}

/// Everything but letters, their accents, digits, `_` and ASCII white space.
static PUNCTUATION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"([^_ \t\n\f\r\p{N}\p{L}\p{M}])").expect("a pattern"));
static SPACE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[ \t\n\f\r]+").expect("a pattern"));

/// Text with a space on both sides of each punctuation mark, and single spaces.
fn with_spaces(text: &str) -> String {
    SPACE.replace_all(&PUNCTUATION.replace_all(text, " $1 "), " ").into_owned()
}
