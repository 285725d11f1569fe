//! Every metric against the numbers of the library that papers quote.

use std::path::PathBuf;

use serde_json::Value;
use tercet_eval::{answers, bleu, classes, correlation, rouge};

/// A file of expected values; says so and gives none where it is missing.
fn json(name: &str) -> Option<Value> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference");
    let root = std::env::var_os("TERCET_REFERENCE").map_or(PathBuf::from(default), PathBuf::from);
    let path = root.join("metrics").join(name);
    let Ok(text) = std::fs::read(&path) else {
        println!("skipped: {} is missing", path.display());
        return None;
    };
    Some(serde_json::from_slice(&text).expect(name))
}

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{e} in {value}"))
}

#[track_caller]
fn assert_near(found: f64, expected: &Value, tolerance: f64, what: &Value) {
    let expected = expected.as_f64().expect("a number");
    assert!((found - expected).abs() <= tolerance, "{found}, expected {expected}: {what}");
}

#[test]
fn classes_are_scored_as_scikit_learn_scores_them() {
    let Some(stored) = json("glue.json") else { return };
    for case in stored["classification"].as_array().expect("cases") {
        let [targets, predictions]: [Vec<i64>; 2] = ["labels", "predictions"].map(|key| list(&case[key]));
        let mut seen = [&targets[..], &predictions].concat();
        seen.sort_unstable();
        seen.dedup();
        let expected = &case["expected"];
        assert_near(classes::accuracy(&targets, &predictions), &expected["accuracy"], 1e-12, case);
        assert_near(classes::matthews(&targets, &predictions), &expected["mcc"], 1e-12, case);
        assert_near(classes::macro_f1(&targets, &predictions, &seen), &expected["f1_macro"], 1e-12, case);
        if !expected["f1"].is_null() {
            assert_near(classes::f1(&targets, &predictions, &1), &expected["f1"], 1e-12, case);
        }
    }
}

#[test]
fn numbers_are_correlated_as_scipy_does() {
    let Some(stored) = json("glue.json") else { return };
    for case in stored["regression"].as_array().expect("cases") {
        let [targets, predictions]: [Vec<f64>; 2] = ["labels", "predictions"].map(|key| list(&case[key]));
        let found =
            [correlation::pearson(&targets, &predictions), correlation::spearman(&targets, &predictions)];
        for (found, name) in found.into_iter().zip(["pearson", "spearman"]) {
            match found {
                Some(found) => assert_near(found, &case["expected"][name], 1e-12, case),
                None => assert!(case["expected"][name].is_null(), "{case}"),
            }
        }
    }
}

#[test]
fn answers_are_scored_as_the_squad_script_does() {
    let Some(stored) = json("squad.json") else { return };
    let (mut exact, mut f1, mut count) = (0.0, 0.0, 0.0);
    for case in stored["cases"].as_array().expect("cases") {
        let prediction = case["prediction"].as_str().expect("text");
        let expected = &case["expected"];
        assert_eq!(answers::normalize(prediction), expected["normalized_prediction"].as_str().expect("text"));
        let golden: Vec<String> = list(&case["answers"]);
        if golden.is_empty() {
            continue;
        }
        let found = [answers::exact_match(prediction, &golden), answers::f1(prediction, &golden)];
        assert_near(found[0], &expected["v1"]["exact_match"], 1e-9, case);
        assert_near(found[1], &expected["v1"]["f1"], 1e-9, case);
        (exact, f1, count) = (exact + found[0], f1 + found[1], count + 1.0);
    }
    let whole = &stored["dataset_v1_over_answerable"];
    assert_near(100.0 * exact / count, &whole["exact_match"], 1e-9, whole);
    assert_near(100.0 * f1 / count, &whole["f1"], 1e-9, whole);
}

#[test]
fn summaries_are_scored_as_rouge_score_does() {
    let Some(stored) = json("rouge.json") else { return };
    for case in stored["cases"].as_array().expect("cases").iter().filter(|case| case["use_stemmer"] == false)
    {
        let [target, prediction] = ["target", "prediction"].map(|key| case[key].as_str().expect("text"));
        let found = [
            ("rouge1", rouge::n(1, target, prediction)),
            ("rouge2", rouge::n(2, target, prediction)),
            ("rougeL", rouge::l(target, prediction)),
            ("rougeLsum", rouge::l_sum(target, prediction)),
        ];
        for (name, score) in found {
            let expected = &case["expected"][name];
            assert_near(score.precision, &expected["precision"], 1e-12, case);
            assert_near(score.recall, &expected["recall"], 1e-12, case);
            assert_near(score.f1(), &expected["fmeasure"], 1e-12, case);
        }
    }
}

#[test]
fn translations_are_scored_as_sacrebleu_does() {
    let Some(stored) = json("bleu.json") else { return };
    let mut checked = 0;
    for case in stored["cases"].as_array().expect("cases") {
        let tokens = match case["tokenize"].as_str() {
            Some("intl") => bleu::Tokens::International,
            Some("13a") => bleu::Tokens::Mteval13a,
            Some("none") => bleu::Tokens::AsIs,
            _ => continue,
        };
        let smoothing = case["smooth_method"].as_str().unwrap_or("exp");
        if case["lowercase"] == true || smoothing != "exp" {
            continue;
        }
        let input = stored["inputs"].as_array().expect("inputs").iter();
        let input = input.clone().find(|input| input["name"] == case["name"]).expect("the input");
        let hypotheses: Vec<String> = list(&input["hypotheses"]);
        let streams: Vec<Vec<Option<String>>> = list(&input["references"]);
        let references: Vec<Vec<String>> = (0..hypotheses.len())
            .map(|i| streams.iter().filter_map(|stream| stream[i].clone()).collect())
            .collect();
        let references: Vec<&[String]> = references.iter().map(Vec::as_slice).collect();
        assert_near(bleu::corpus(&hypotheses, &references, tokens), &case["score"], 1e-9, case);
        checked += 1;
    }
    assert!(checked >= 18, "{checked} cases");
}

#[test]
#[should_panic(expected = "2 targets with 1 predictions")]
fn a_missing_prediction_is_a_mistake() {
    classes::accuracy(&[1, 2], &[1]);
}

#[test]
fn nothing_to_score_is_no_error() {
    assert_eq!(classes::accuracy::<u32>(&[], &[]), 0.0);
    assert_eq!(correlation::pearson(&[], &[]), None);
    assert_eq!(correlation::spearman(&[1.0, 2.0], &[3.0, 3.0]), None);
    assert_eq!(answers::f1("", &["a"]), 0.0);
    assert_eq!(rouge::l_sum("", "").f1(), 0.0);
    assert_eq!(bleu::corpus(&[""], &[&["a b"][..]], bleu::Tokens::International), 0.0);
}
