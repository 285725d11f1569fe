//! Exact match and F1 of a short answer (Rajpurkar et al. 2016, section 6.1; the official script of SQuAD v1.1).

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::classes::ratio;

static ARTICLES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b(a|an|the)\b").expect("a pattern"));

/// What is compared: small letters, without ASCII punctuation, articles and extra white space.
///
/// ```
/// assert_eq!(tercet_eval::answers::normalize("The  Denver Broncos!"), "denver broncos");
/// ```
pub fn normalize(text: &str) -> String {
    let mut text = text.to_lowercase();
    text.retain(|c| !c.is_ascii_punctuation());
    let text = ARTICLES.replace_all(&text, " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// 1 where the prediction is one of the answers, else 0.
pub fn exact_match<S: AsRef<str>>(prediction: &str, answers: &[S]) -> f64 {
    let prediction = normalize(prediction);
    f64::from(answers.iter().any(|answer| normalize(answer.as_ref()) == prediction))
}

/// The F1 of the words that prediction and answer share, for the answer where it is best.
pub fn f1<S: AsRef<str>>(prediction: &str, answers: &[S]) -> f64 {
    let prediction = normalize(prediction);
    answers.iter().map(|answer| shared(&prediction, &normalize(answer.as_ref()))).fold(0.0, f64::max)
}

fn shared(prediction: &str, answer: &str) -> f64 {
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in answer.split(' ') {
        *left.entry(word).or_default() += 1;
    }
    let words = |text: &str| text.split(' ').filter(|word| !word.is_empty()).count();
    let both = prediction
        .split(' ')
        .filter(|word| !word.is_empty())
        .filter(|word| left.get_mut(word).filter(|count| **count > 0).map(|count| *count -= 1).is_some());
    ratio(2.0 * both.count() as f64, (words(prediction) + words(answer)) as f64)
}
