//! How answers are scored: the metrics that T5's tables give, each 0 to 100.

use std::collections::{BTreeMap, HashSet};

use tercet_eval::bleu::{self, Tokens};
use tercet_eval::{answers, classes, correlation, rouge};

use crate::{Example, Reference, Task};

/// One number of a task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// What was measured.
    pub metric: &'static str,
    /// 0 to 100; −100 to 100 for a correlation.
    pub value: f64,
}

/// What a task measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    Accuracy,
    /// Of the last class. An answer that is no class counts as the wrong one.
    F1,
    MacroF1,
    Matthews,
    Pearson,
    Spearman,
    ExactMatch,
    AnswerF1,
    /// The share of questions of which every answer is judged rightly.
    AllOfQuestion,
    /// Whether the answer says what a pronoun stands for, or, where the target is wrong, does not say that.
    Referent,
    Rouge1,
    Rouge2,
    RougeLsum,
    Bleu,
}

impl Task {
    /// Scores a prediction for each example.
    ///
    /// # Panics
    /// There is not one prediction for each example.
    pub fn score<S: AsRef<str>>(&self, examples: &[Example], predictions: &[S]) -> Vec<Score> {
        assert_eq!(
            examples.len(),
            predictions.len(),
            "{} predictions for {} examples of {}",
            predictions.len(),
            examples.len(),
            self.name
        );
        let predictions: Vec<&str> = predictions.iter().map(|said| said.as_ref().trim()).collect();
        let answered = Answered { task: self, examples, predictions };
        self.metrics.iter().map(|metric| answered.score(*metric)).collect()
    }
}

struct Answered<'a> {
    task: &'a Task,
    examples: &'a [Example],
    predictions: Vec<&'a str>,
}

impl Answered<'_> {
    fn score(&self, metric: Metric) -> Score {
        let (metric, share) = match metric {
            Metric::Accuracy => ("accuracy", classes::accuracy(&self.targets(), &self.predictions)),
            Metric::F1 => ("f1", self.f1()),
            Metric::MacroF1 => ("macro f1", self.macro_f1()),
            Metric::Matthews => ("matthews", self.matthews()),
            Metric::Pearson => ("pearson", self.correlation(correlation::pearson)),
            Metric::Spearman => ("spearman", self.correlation(correlation::spearman)),
            Metric::ExactMatch => {
                ("exact match", self.best_answer(|said, all| answers::exact_match(said, all)))
            }
            Metric::AnswerF1 => ("f1", self.best_answer(|said, all| answers::f1(said, all))),
            Metric::AllOfQuestion => ("exact match", self.all_of_question()),
            Metric::Referent => {
                ("accuracy", self.mean(|example, said| f64::from(names_referent(example, said))))
            }
            Metric::Rouge1 => ("rouge1", self.rouge(|target, said| rouge::n(1, target, said))),
            Metric::Rouge2 => ("rouge2", self.rouge(|target, said| rouge::n(2, target, said))),
            Metric::RougeLsum => ("rougeLsum", self.rouge(rouge::l_sum)),
            Metric::Bleu => ("bleu", self.bleu()),
        };
        Score { metric, value: 100.0 * share }
    }

    fn targets(&self) -> Vec<&str> {
        self.examples.iter().map(|example| example.targets.trim()).collect()
    }

    fn mean(&self, of: impl Fn(&Example, &str) -> f64) -> f64 {
        let sum: f64 =
            self.examples.iter().zip(&self.predictions).map(|(example, said)| of(example, said)).sum();
        if self.examples.is_empty() { 0.0 } else { sum / self.examples.len() as f64 }
    }

    fn f1(&self) -> f64 {
        let names = self.task.classes();
        let positive = *names.last().expect("a task of classes");
        let is_positive: Vec<bool> = self.targets().iter().map(|target| *target == positive).collect();
        let said = self
            .predictions
            .iter()
            .zip(&is_positive)
            .map(|(said, target)| if names.contains(said) { *said == positive } else { !target });
        classes::f1(&is_positive, &said.collect::<Vec<_>>(), &true)
    }

    fn macro_f1(&self) -> f64 {
        classes::macro_f1(&self.targets(), &self.predictions, &self.task.classes())
    }

    /// All that is no class is one class more.
    fn matthews(&self) -> f64 {
        let names = self.task.classes();
        let classes = |texts: &[&str]| -> Vec<Option<usize>> {
            texts.iter().map(|text| names.iter().position(|name| name == text)).collect()
        };
        classes::matthews(&classes(&self.targets()), &classes(&self.predictions))
    }

    /// What is no number is −1. A constant answer correlates with nothing.
    fn correlation(&self, of: fn(&[f64], &[f64]) -> Option<f64>) -> f64 {
        let numbers = |texts: &[&str]| -> Vec<f64> {
            texts
                .iter()
                .map(|text| text.parse().ok().filter(|n: &f64| n.is_finite()).unwrap_or(-1.0))
                .collect()
        };
        of(&numbers(&self.targets()), &numbers(&self.predictions)).unwrap_or(0.0)
    }

    fn best_answer(&self, of: impl Fn(&str, &[&str]) -> f64) -> f64 {
        self.mean(|example, said| match &example.reference {
            Reference::Answers(all) => of(said, &all.iter().map(String::as_str).collect::<Vec<_>>()),
            _ => of(said, &[&example.targets]),
        })
    }

    fn all_of_question(&self) -> f64 {
        let mut questions: BTreeMap<u64, bool> = BTreeMap::new();
        for (i, example) in self.examples.iter().enumerate() {
            let number = match example.reference {
                Reference::Question(number) => number,
                _ => i as u64,
            };
            *questions.entry(number).or_insert(true) &= example.targets == self.predictions[i];
        }
        let right = questions.values().filter(|right| **right).count();
        if questions.is_empty() { 0.0 } else { right as f64 / questions.len() as f64 }
    }

    fn rouge(&self, of: impl Fn(&str, &str) -> rouge::Score) -> f64 {
        let lines = |text: &str| text.replace(" . ", " .\n");
        self.mean(|example, said| of(&lines(&example.targets), &lines(said)).f1())
    }

    fn bleu(&self) -> f64 {
        let targets: Vec<[&str; 1]> =
            self.examples.iter().map(|example| [example.targets.as_str()]).collect();
        let references: Vec<&[&str]> = targets.iter().map(|target| &target[..]).collect();
        bleu::corpus(&self.predictions, &references, Tokens::International) / 100.0
    }
}

/// Words that do not tell things apart.
#[rustfmt::skip]
const DETERMINERS: [&str; 21] = [
    "a", "an", "few", "her", "his", "each", "every", "many", "much", "my", "our", "some", "that", "the", "their",
    "these", "this", "those", "which", "whose", "your",
];

/// Whether an answer is judged rightly: "the bunny" and "fuzzy bunny" name the same, "rabbit" another.
fn names_referent(example: &Example, said: &str) -> bool {
    let words = |text: &str| -> HashSet<String> {
        let words = text.to_lowercase();
        words.split_whitespace().filter(|word| !DETERMINERS.contains(word)).map(str::to_owned).collect()
    };
    let (said, target) = (words(said), words(&example.targets));
    let same = !said.is_empty() && (said.is_subset(&target) || target.is_subset(&said));
    match example.reference {
        Reference::Referent(right) => same == right,
        _ => same,
    }
}
