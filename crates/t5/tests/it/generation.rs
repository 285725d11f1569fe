//! Whole runs of generate() with both caches against those of Hugging Face, and each step against the whole pass.

use std::path::Path;

use serde_json::Value;
use tercet_attention::{Batch, Padded};
use tercet_generate::{GenerationConfig, Output, generate};
use tercet_reference::{Case, cases, reference};
use tercet_t5::{Loaded, T5Batch, T5ForConditionalGeneration};
use tercet_tensor::Tape;

fn generation_cases() -> Vec<Case> {
    let Some(folder) = reference() else { return Vec::new() };
    let all = cases(&folder.join("t5"), "T5ForConditionalGeneration");
    let cases: Vec<Case> = all.into_iter().filter(|case| case.get("in.labels").is_none()).collect();
    assert!(!cases.is_empty(), "no case of generation below {}", folder.display());
    cases
}

fn load(case: &Case) -> (Loaded, Batch) {
    let loaded = T5ForConditionalGeneration::load(&case.folder).expect("a model");
    (loaded, case.padded().batch(&case.input("input_ids").ids()))
}

fn runs(folder: &Path) -> Vec<Value> {
    let text = std::fs::read(folder.join("case.json")).expect("case.json");
    let json: Value = serde_json::from_slice(&text).expect("JSON");
    json["runs"].as_array().expect("runs").clone()
}

#[test]
fn runs_agree_with_the_reference() {
    let mut checked = 0;
    for case in generation_cases() {
        let (loaded, inputs) = load(&case);
        for run in runs(&case.folder) {
            check(&loaded, &inputs, &run);
            checked += 1;
        }
    }
    println!("{checked} runs checked");
}

fn check(loaded: &Loaded, inputs: &Batch, run: &Value) {
    let name = run["name"].as_str().expect("a name");
    let config = GenerationConfig::from_json(&run["arguments"].to_string()).expect(name);
    let starts = vec![[loaded.config.decoder_start()]; inputs.sequences.len()];
    let mut session = loaded.model.session(&loaded.config, inputs, 32);
    let found = generate(|step| session.step(step.parents, step.ids), &starts, &config).expect(name);

    let found: Vec<Output> = found.into_iter().flatten().collect();
    let expected: Vec<Vec<u32>> = serde_json::from_value(run["sequences"].clone()).expect("rows of ids");
    assert_eq!(found.len(), expected.len(), "{name}");
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        // What follows the first end id is padding, or more end ids.
        let end = expected[1..].iter().position(|id| config.eos_token_id.contains(id));
        let generated = &expected[1..end.map_or(expected.len(), |last| last + 2)];
        assert_eq!(found.ids, generated, "{name}, sequence {i}");
        if let Some(score) = found.score {
            let expected = run["sequences_scores.f64"][i].as_f64().expect("a score");
            let difference = (f64::from(score) - expected).abs();
            assert!(difference < 1e-4, "{name}, sequence {i}: score {score}, expected {expected}");
        }
    }
}

#[test]
fn steps_through_the_caches_are_the_whole_pass() {
    for case in generation_cases() {
        let (loaded, inputs) = load(&case);
        let ids = case.input("decoder_input_ids");
        let [count, length] = ids.shape[..] else { panic!("ids of shape {:?}", ids.shape) };
        let answers = Padded::full([count, length]).batch(&ids.ids());
        let rows: Vec<&[u32]> = answers.ids.chunks(length).collect();
        let labels = vec![0; answers.ids.len()];
        let batch = T5Batch { inputs: inputs.clone(), decoder_inputs: answers.clone(), labels };
        let whole = loaded.model.logits(&Tape::off(), &batch);
        case.compare("logits", &whole, &case.output("logits"), None);
        for chunks in [vec![1; length], vec![length], vec![5, 1, length - 6]] {
            let mut session = loaded.model.session(&loaded.config, &inputs, length);
            let mut end = 0;
            for chunk in chunks {
                let new: Vec<&[u32]> = rows.iter().map(|row| &row[end..end + chunk]).collect();
                let logits = session.step(&[], &new);
                end += chunk;
                let last: Vec<usize> = (0..count).map(|b| b * length + end - 1).collect();
                let name = "logits_step_by_step";
                case.compare(name, &logits, &case.output(name), Some(&last));
            }
            assert_eq!(session.lengths(), vec![length; count]);
        }
    }
}
