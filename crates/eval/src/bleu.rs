//! BLEU (Papineni et al. 2002) as sacrebleu computes it (Post 2018): its own tokens, the closest reference length, and
//! exponential smoothing of orders without a match.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::assert_paired;

/// The longest run of words that is counted.
const ORDERS: usize = 4;

/// How text is cut into words before they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// `intl`, T5's: Unicode punctuation not between digits, and every symbol, stand alone.
    International,
    /// `13a`, sacrebleu's default: that of the WMT script mteval-v13a.
    Mteval13a,
    /// `none`: white space alone.
    AsIs,
}

/// BLEU of a corpus, 0 to 100; `references[i]` are those of hypothesis `i`.
///
/// # Panics
/// There are not references for each hypothesis.
pub fn corpus<S: AsRef<str>, R: AsRef<str>>(hypotheses: &[S], references: &[&[R]], tokens: Tokens) -> f64 {
    assert_paired(references, hypotheses);
    let mut matches = [0; ORDERS];
    let mut totals = [0; ORDERS];
    let (mut said, mut expected) = (0, 0);
    for (hypothesis, references) in hypotheses.iter().zip(references) {
        let hypothesis = tokens.cut(hypothesis.as_ref());
        let references: Vec<Vec<String>> = references.iter().map(|text| tokens.cut(text.as_ref())).collect();
        let lengths = references.iter().map(Vec::len);
        said += hypothesis.len();
        expected +=
            lengths.min_by_key(|length| (length.abs_diff(hypothesis.len()), *length)).unwrap_or_default();
        for order in 1..=ORDERS {
            totals[order - 1] += hypothesis.windows(order).len();
            matches[order - 1] += clipped(&hypothesis, &references, order);
        }
    }
    if matches.iter().all(|&count| count == 0) {
        return 0.0;
    }
    let brevity = if said < expected { (1.0 - expected as f64 / said as f64).exp() } else { 1.0 };
    100.0 * brevity * geometric_mean(&matches, &totals)
}

/// The runs of the hypothesis that are in a reference, each counted as often as the reference with most of it has it.
fn clipped(hypothesis: &[String], references: &[Vec<String>], order: usize) -> usize {
    let mut most: HashMap<&[String], usize> = HashMap::new();
    for reference in references {
        for (run, count) in counts(reference, order) {
            let most = most.entry(run).or_default();
            *most = count.max(*most);
        }
    }
    counts(hypothesis, order).iter().map(|(run, count)| *count.min(most.get(run).unwrap_or(&0))).sum()
}

fn counts(words: &[String], order: usize) -> HashMap<&[String], usize> {
    let mut counts = HashMap::new();
    for run in words.windows(order) {
        *counts.entry(run).or_default() += 1;
    }
    counts
}

/// ∏ precision^(1/4); the k-th order without a match counts as 1/2ᵏ of one.
fn geometric_mean(matches: &[usize; ORDERS], totals: &[usize; ORDERS]) -> f64 {
    let (mut smooth, mut log) = (1.0, 0.0);
    for (&matches, &total) in matches.iter().zip(totals) {
        if total == 0 {
            return 0.0;
        }
        let count = if matches == 0 {
            smooth *= 2.0;
            1.0 / smooth
        } else {
            matches as f64
        };
        log += (count / total as f64).ln();
    }
    (log / ORDERS as f64).exp()
}

type Rules = LazyLock<Vec<(Regex, &'static str)>>;

fn rules(patterns: &[(&str, &'static str)]) -> Vec<(Regex, &'static str)> {
    patterns.iter().map(|(pattern, with)| (Regex::new(pattern).expect("a pattern"), *with)).collect()
}

static INTERNATIONAL: Rules = LazyLock::new(|| {
    rules(&[(r"(\P{N})(\p{P})", "$1 $2 "), (r"(\p{P})(\P{N})", " $1 $2"), (r"(\p{S})", " $1 ")])
});

static MTEVAL_13A: Rules = LazyLock::new(|| {
    rules(&[
        (r"([\{-~\[-` -\&\(-\+:-@/])", " $1 "),
        (r"([^0-9])([\.,])", "$1 $2 "),
        (r"([\.,])([^0-9])", " $1 $2"),
        (r"([0-9])(-)", "$1 $2 "),
    ])
});

impl Tokens {
    fn cut(self, text: &str) -> Vec<String> {
        let text = text.trim_end();
        let text = match self {
            Tokens::AsIs => text.to_owned(),
            Tokens::International => replaced(text.to_owned(), &INTERNATIONAL),
            Tokens::Mteval13a => {
                let mut text = text.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
                for (entity, character) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
                    text = text.replace(entity, character);
                }
                replaced(format!(" {text} "), &MTEVAL_13A)
            }
        };
        text.split_whitespace().map(str::to_owned).collect()
    }
}

fn replaced(text: String, rules: &Rules) -> String {
    rules.iter().fold(text, |text, (pattern, with)| pattern.replace_all(&text, *with).into_owned())
}
