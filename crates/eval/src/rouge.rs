//! ROUGE (Lin 2004): how much of a summary is in the reference, and the other way round. As in `rouge_score`, without
//! its stemmer.

use std::collections::HashMap;

use crate::classes::ratio;

/// Both shares, and what is made of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The share of the prediction that is in the target.
    pub precision: f64,
    /// The share of the target that is in the prediction.
    pub recall: f64,
}

impl Score {
    /// The harmonic mean of both.
    pub fn f1(&self) -> f64 {
        ratio(2.0 * self.precision * self.recall, self.precision + self.recall)
    }

    fn of(both: usize, target: usize, prediction: usize) -> Self {
        let share = |of: usize| ratio(both as f64, of as f64);
        Self { precision: share(prediction), recall: share(target) }
    }
}

/// ROUGE-N: runs of `n` words that both have.
///
/// # Panics
/// `n` is 0.
pub fn n(n: usize, target: &str, prediction: &str) -> Score {
    let (target, prediction) = (words(target), words(prediction));
    let mut left: HashMap<&[String], usize> = HashMap::new();
    for run in target.windows(n) {
        *left.entry(run).or_default() += 1;
    }
    let both = prediction
        .windows(n)
        .filter(|run| left.get_mut(run).filter(|count| **count > 0).map(|count| *count -= 1).is_some())
        .count();
    Score::of(both, target.windows(n).len(), prediction.windows(n).len())
}

/// ROUGE-L: the longest common subsequence of the words.
pub fn l(target: &str, prediction: &str) -> Score {
    let (target, prediction) = (words(target), words(prediction));
    let both = common(&target, &prediction).len();
    Score::of(both, target.len(), prediction.len())
}

/// ROUGE-Lsum: for each line of the target, the words that lie in a longest common subsequence with some line of the
/// prediction.
pub fn l_sum(target: &str, prediction: &str) -> Score {
    let lines = |text: &str| -> Vec<Vec<String>> {
        text.split('\n').filter(|line| !line.is_empty()).map(words).collect()
    };
    let (target, prediction) = (lines(target), lines(prediction));
    let count = |lines: &[Vec<String>]| {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for word in lines.iter().flatten() {
            *counts.entry(word.clone()).or_default() += 1;
        }
        counts
    };
    let mut left = [count(&target), count(&prediction)];
    let mut both = 0;
    for line in &target {
        let mut hit: Vec<usize> = prediction.iter().flat_map(|other| common(line, other)).collect();
        hit.sort_unstable();
        hit.dedup();
        for at in hit {
            if left.iter().all(|counts| counts.get(&line[at]).is_some_and(|count| *count > 0)) {
                both += 1;
                for counts in &mut left {
                    *counts.get_mut(&line[at]).expect("just seen") -= 1;
                }
            }
        }
    }
    let total = |lines: &[Vec<String>]| lines.iter().map(Vec::len).sum();
    Score::of(both, total(&target), total(&prediction))
}

/// Runs of small ASCII letters and digits.
fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let parts = text.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit());
    parts.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Where in `a` the words of a longest common subsequence are: of several, the one that the original finds going back
/// from the end.
fn common(a: &[String], b: &[String]) -> Vec<usize> {
    let mut longest = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            longest[i + 1][j + 1] =
                if x == y { longest[i][j] + 1 } else { longest[i][j + 1].max(longest[i + 1][j]) };
        }
    }
    let (mut i, mut j, mut at) = (a.len(), b.len(), Vec::new());
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            at.push(i - 1);
            (i, j) = (i - 1, j - 1);
        } else if longest[i][j - 1] > longest[i - 1][j] {
            j -= 1;
        } else {
            i -= 1;
        }
    }
    at.reverse();
    at
}
