//! The processors' distributions against those of Hugging Face's processors.

use safetensors::SafeTensors;
use tercet_generate::{History, Processor};

use crate::reference::{Case, cases};

#[test]
fn processors_agree_with_the_reference() {
    let mut checked = 0;
    for case in cases() {
        checked += check(&case);
    }
    println!("{checked} distributions checked");
}

fn check(case: &Case) -> usize {
    let tensors = SafeTensors::deserialize(&case.tensors).expect("case.safetensors is whole");
    let atol = case.json["tolerance"]["dist"]["atol"].as_f64().expect("a tolerance");
    let history: Vec<u32> = tensors
        .tensor("in.history_ids")
        .expect("in.history_ids")
        .data()
        .chunks_exact(8)
        .map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()).try_into().unwrap())
        .collect();
    let mut checked = 0;
    for (name, expected) in tensors.tensors() {
        let Some((kind, chain)) = name.strip_prefix("dist.").and_then(|name| name.split_once('.')) else {
            continue;
        };
        if kind == "logits" {
            continue;
        }
        let (rows, vocabulary) = (expected.shape()[0], expected.shape()[1]);
        let mut logits = floats(tensors.tensor(&format!("dist.logits.{kind}")).expect("logits").data());
        for (ids, logits) in history.chunks(history.len() / rows).zip(logits.chunks_mut(vocabulary)) {
            let history = History { ids, prompt: ids.len(), room: 1 };
            processors(chain).iter().for_each(|processor| processor.apply(&history, logits));
        }
        let expected = floats(expected.data());
        for (logits, expected) in logits.chunks(vocabulary).zip(expected.chunks(vocabulary)) {
            let by_sort = ["top_p", "typical_p", "all"].iter().any(|prefix| chain.starts_with(prefix));
            compare(name.as_str(), softmax(logits), expected.to_vec(), atol, kind == "tied" && by_sort);
        }
        checked += 1;
    }
    assert!(checked > 0, "the case has no distribution");
    checked
}

/// Where ties are cut depends on the sort; then only the probabilities themselves are compared, not their places.
fn compare(name: &str, mut found: Vec<f64>, mut expected: Vec<f32>, atol: f64, sorted: bool) {
    if sorted {
        found.sort_by(f64::total_cmp);
        expected.sort_by(f32::total_cmp);
    }
    for (id, (found, expected)) in found.into_iter().zip(expected).enumerate() {
        let difference = (found - f64::from(expected)).abs();
        assert!(difference <= atol, "{name}: id {id} has probability {found}, expected {expected}");
        assert_eq!(
            found == 0.0,
            expected == 0.0,
            "{name}: id {id} has probability {found}, expected {expected}"
        );
    }
}

/// The processors that the name of a distribution stands for.
fn processors(chain: &str) -> Vec<Processor> {
    let repetition = Processor::RepetitionPenalty;
    let keep = 1;
    match chain {
        "all" => vec![
            repetition(1.2),
            Processor::Temperature(0.8),
            Processor::TopK { k: 20, keep },
            Processor::TopP { p: 0.85, keep },
        ],
        "all_2" => vec![
            repetition(1.5),
            Processor::Temperature(1.3),
            Processor::TopP { p: 0.95, keep },
            Processor::MinP { p: 0.02, keep },
        ],
        _ => {
            let (chain, keep) = match chain.split_once("_keep_") {
                Some((chain, keep)) => (chain, keep.parse().unwrap()),
                None => (chain, keep),
            };
            let (name, value) = chain.rsplit_once('_').expect("NAME_VALUE");
            let p: f32 = value.parse().unwrap();
            vec![match name {
                "temperature" => Processor::Temperature(p),
                "top_k" => Processor::TopK { k: p as usize, keep },
                "top_p" => Processor::TopP { p, keep },
                "min_p" => Processor::MinP { p, keep },
                "typical_p" => Processor::Typical { p, keep },
                "epsilon_cutoff" => Processor::Epsilon { epsilon: p, keep },
                "eta_cutoff" => Processor::Eta { epsilon: p, keep },
                "repetition_penalty" => repetition(p),
                _ => panic!("no processor for {chain}"),
            }]
        }
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exp: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - max).exp()).collect();
    let sum: f64 = exp.iter().sum();
    exp.into_iter().map(|exp| exp / sum).collect()
}
