//! Whole runs of generate() on a GPT-2 with its cache, against those of Hugging Face.

use std::path::Path;

use serde_json::Value;
use tercet_generate::{GenerationConfig, Output, generate};
use tercet_gpt2::Gpt2LmHead;

use crate::reference::cases;

#[test]
fn runs_agree_with_the_reference() {
    let mut checked = 0;
    for case in cases() {
        for run in case.json["runs"].as_array().expect("runs") {
            check(&case.folder, run);
            checked += 1;
        }
    }
    println!("{checked} runs checked");
}

fn check(folder: &Path, run: &Value) {
    let name = run["name"].as_str().expect("a name");
    let config = GenerationConfig::from_json(&run["arguments"].to_string()).expect(name);
    let loaded = Gpt2LmHead::load(folder).expect(name);
    let prompts = prompts(run);
    let mut session = loaded.model.session(&loaded.config, prompts.len(), loaded.config.n_positions);
    let found = generate(|step| session.step(step.parents, step.ids), &prompts, &config).expect(name);

    let found: Vec<Output> = found.into_iter().flatten().collect();
    let expected = rows(&run["sequences"]);
    assert_eq!(found.len(), expected.len(), "{name}");
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found.ids, generated(run, expected, &config), "{name}, sequence {i}");
        if let Some(score) = found.score {
            let expected = run["sequences_scores.f64"][i].as_f64().expect("a score");
            let difference = (f64::from(score) - expected).abs();
            assert!(difference < 1e-4, "{name}, sequence {i}: score {score}, expected {expected}");
        }
    }
}

/// The prompts without the padding on their left.
fn prompts(run: &Value) -> Vec<Vec<u32>> {
    let (ids, mask) = (rows(&run["input_ids"]), rows(&run["attention_mask"]));
    let kept = |(ids, mask): (&Vec<u32>, &Vec<u32>)| {
        ids.iter().zip(mask).filter(|(_, mask)| **mask == 1).map(|(id, _)| *id).collect()
    };
    ids.iter().zip(&mask).map(kept).collect()
}

/// What follows the prompt in a stored sequence, without the padding after its end.
fn generated<'a>(run: &Value, sequence: &'a [u32], config: &GenerationConfig) -> &'a [u32] {
    let generated = &sequence[rows(&run["input_ids"])[0].len()..];
    let end = generated.iter().position(|id| config.eos_token_id.contains(id));
    &generated[..end.map_or(generated.len(), |last| last + 1)]
}

fn rows(value: &Value) -> Vec<Vec<u32>> {
    serde_json::from_value(value.clone()).expect("rows of ids")
}
