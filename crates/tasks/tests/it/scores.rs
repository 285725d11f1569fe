//! What a task says of predictions.

use tercet_tasks::{Example, Reference, Score, Split, Task};

use crate::folder;

fn example(targets: &str, reference: Reference) -> Example {
    Example { inputs: String::new(), targets: targets.to_owned(), reference }
}

fn plain(targets: &[&str]) -> Vec<Example> {
    targets.iter().map(|target| example(target, Reference::Target)).collect()
}

#[track_caller]
fn assert_scores(task: &str, examples: &[Example], predictions: &[&str], expected: &[(&'static str, f64)]) {
    let scores = Task::named(task).unwrap().score(examples, predictions);
    let expected: Vec<Score> = expected.iter().map(|&(metric, value)| Score { metric, value }).collect();
    assert_eq!(scores.len(), expected.len());
    for (score, expected) in scores.iter().zip(&expected) {
        assert_eq!(score.metric, expected.metric);
        assert!((score.value - expected.value).abs() < 1e-9, "{score:?}, expected {expected:?}");
    }
}

#[test]
fn an_answer_that_is_no_class_is_wrong() {
    let examples = plain(&["equivalent", "equivalent", "not_equivalent", "not_equivalent"]);
    // tp 1; the nonsense is a miss of the second and a false alarm of the fourth: f1 = 2/(2 + 1 + 1).
    let said = ["equivalent", "nonsense", "not_equivalent", "nonsense"];
    assert_scores("mrpc", &examples, &said, &[("f1", 50.0), ("accuracy", 50.0)]);
    let examples = plain(&["acceptable", "unacceptable"]);
    assert_scores("cola", &examples, &[" acceptable ", "unacceptable"], &[("matthews", 100.0)]);
    assert_scores("cola", &examples, &["x", "x"], &[("matthews", 0.0)]);
}

#[test]
fn numbers_that_are_none_count_as_minus_one() {
    let examples = plain(&["1.0", "2.0", "3.0"]);
    assert_scores("stsb", &examples, &["2.0", "4.0", "6.0"], &[("pearson", 100.0), ("spearman", 100.0)]);
    let e = plain(&["1.0", "2.0"]);
    assert_scores("stsb", &e, &["0.0", "what"], &[("pearson", -100.0), ("spearman", -100.0)]);
    assert_scores("stsb", &e, &["1.0", "1.0"], &[("pearson", 0.0), ("spearman", 0.0)]);
}

#[test]
fn cb_takes_the_mean_of_three_classes() {
    let examples = plain(&["entailment", "contradiction", "contradiction"]);
    let said = ["entailment", "contradiction", "entailment"];
    // F1: entailment 2/3, contradiction 2/3, neutral 0.
    assert_scores("cb", &examples, &said, &[("macro f1", 400.0 / 9.0), ("accuracy", 200.0 / 3.0)]);
}

#[test]
fn multirc_scores_answers_and_whole_questions() {
    let of = |target, question| example(target, Reference::Question(question));
    let examples = [of("True", 0), of("False", 0), of("True", 1), of("False", 2)];
    let said = ["True", "True", "True", "False"];
    assert_scores("multirc", &examples, &said, &[("f1", 80.0), ("exact match", 200.0 / 3.0)]);
}

#[test]
fn the_best_of_several_answers_counts() {
    let answers = Reference::Answers(vec!["the red cat".into(), "a dog".into()]);
    let examples = [example("the red cat", answers.clone()), example("the red cat", answers)];
    assert_scores(
        "squad",
        &examples,
        &["Dog!", "red"],
        &[("exact match", 50.0), ("f1", (100.0 + 200.0 / 3.0) / 2.0)],
    );
}

#[test]
fn a_referent_may_be_named_in_more_or_fewer_words() {
    let of = |right| example("the fuzzy bunny", Reference::Referent(right));
    for (said, same) in
        [("Bunny", true), ("his very fuzzy bunny", true), ("rabbit", false), ("the", false), ("", false)]
    {
        for right in [true, false] {
            let score = if same == right { 100.0 } else { 0.0 };
            assert_scores("wsc", &[of(right)], &[said], &[("accuracy", score)]);
        }
    }
}

#[test]
fn summaries_and_translations_have_their_papers_metrics() {
    let examples = plain(&["The cat sat . It was red ."]);
    let all = [("rouge1", 100.0), ("rouge2", 100.0), ("rougeLsum", 100.0)];
    assert_scores("summarize", &examples, &["the cat sat . It was red ."], &all);
    let examples = plain(&["the cat sat on the mat, today"]);
    assert_scores("translate_en_de", &examples, &["the cat sat on the mat, today"], &[("bleu", 100.0)]);
    assert_scores("translate_en_de", &examples, &["no"], &[("bleu", 0.0)]);
}

#[test]
fn perfect_predictions_are_perfect() {
    let file = "sentence\tlabel\na\t1\nb\t0\n";
    let folder = folder("dev.tsv", file);
    let task = Task::named("sst2").unwrap();
    let examples = task.examples(folder.path(), Split::Validation).unwrap();
    let said: Vec<&str> = examples.iter().map(|example| example.targets.as_str()).collect();
    assert_scores("sst2", &examples, &said, &[("accuracy", 100.0)]);
}

#[test]
#[should_panic(expected = "1 predictions for 0 examples of sst2")]
fn predictions_belong_to_examples() {
    Task::named("sst2").unwrap().score(&[], &["positive"]);
}
