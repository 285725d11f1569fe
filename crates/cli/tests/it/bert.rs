//! BERT pretrained: what a run leaves behind, that it can be stopped anywhere, and what it refuses.

use std::fs;

use serde_json::Value;

use crate::Place;
use crate::runs::weights;

/// A model that trains in a moment.
const TINY: &str = "--num-hidden-layers 1 --hidden-size 16 --num-attention-heads 2 --intermediate-size 32 --vocab-size 150 \
                    --batch 4 --sample-tokens 12";

impl Place {
    /// Twenty documents of six sentences, a line each.
    fn documents(&self) {
        self.text();
        let text = fs::read_to_string(self.path("book.txt")).unwrap();
        let lines: Vec<&str> = text.lines().take(120).collect();
        let documents: Vec<String> = lines.chunks(6).map(|lines| lines.join("\n")).collect();
        self.write("documents.txt", documents.join("\n\n"));
    }

    fn pretrain_bert(&self, flags: &str) -> String {
        if !self.path("documents.txt").exists() {
            self.documents();
        }
        self.succeed(&format!("pretrain bert --text documents.txt {TINY} {flags}"))
    }
}

#[test]
fn a_run_measures_both_tasks_and_can_be_repeated() {
    let place = Place::new();
    let out = place.pretrain_bert("--phase 32:100% --steps 6 --eval-every 3 --out run");
    for line in [
        "model   BERT, ",
        "data    documents.txt: 18 documents",
        "held out 2 other",
        "chance  mlm accuracy ",
        "nsp acc",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }
    let result = out.lines().find(|line| line.starts_with("result ")).unwrap_or_else(|| panic!("{out}"));
    assert!(result.contains("mlm accuracy") && result.contains("nsp accuracy"), "{result}");
    let metrics = fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
    let evaluation = metrics.lines().find(|line| line.contains("\"evaluation\"")).unwrap();
    let evaluation: Value = serde_json::from_str(evaluation).unwrap();
    let figures = &evaluation["metrics"];
    let of = |name: &str| figures[name].as_f64().unwrap_or_else(|| panic!("{name} in {evaluation}"));
    let sum = of("mlm_loss") + of("nsp_loss");
    assert!((sum - evaluation["loss"].as_f64().unwrap()).abs() < 1e-9);
    assert!((0.0..=1.0).contains(&of("mlm_accuracy")) && (0.0..=1.0).contains(&of("nsp_accuracy")));
    // Next to nothing is learnt in three steps: both losses are those of even odds, here among 91 entries.
    assert!(
        (of("nsp_loss") - 2f64.ln()).abs() < 0.2 && (of("mlm_loss") - 91f64.ln()).abs() < 0.5,
        "{evaluation}"
    );
    let config = fs::read_to_string(place.path("run/checkpoints/step-000006/config.json")).unwrap();
    for part in ["BertForPreTraining", "\"max_position_embeddings\": 32"] {
        assert!(config.contains(part), "{config}");
    }
    place.succeed("pretrain --run run/run.toml --out again --threads 1");
    assert_eq!(weights(&place.path("again"), 6), weights(&place.path("run"), 6));
}

#[test]
fn a_run_goes_on_with_the_same_bits_in_any_phase_and_epoch() {
    let place = Place::new();
    // Some epochs of the few pairs there are, and a second phase from step 7 on.
    for objective in ["google --dupe-factor 1", "hf --unit word", "card"] {
        let name = objective.split(' ').next().unwrap();
        let flags = format!(
            "--objective {objective} --phase 24:60% --phase 48:40%:2 --steps 12 --batch 16 --accumulate 2 \
             --save-every 1 --keep 12 --out {name}"
        );
        let out = place.pretrain_bert(&flags);
        assert!(
            out.contains("1: steps 1 to 7 in batches of 16 × 24") && out.contains("2: steps 8 to 12"),
            "{out}"
        );
        let whole = weights(&place.path(name), 12);
        for step in [3, 7, 8, 11] {
            place.succeed(&format!("pretrain --resume {name}/checkpoints/step-{step:06}"));
            assert_eq!(weights(&place.path(name), 12), whole, "{objective} from step {step}");
        }
    }
    let of = |name: &str| weights(&place.path(name), 12);
    assert!(of("google") != of("hf") && of("hf") != of("card"));
    place.fail(
        "pretrain --resume google/checkpoints/step-000003 --short-seq-prob 1",
        &["examples are made has changed"],
    );
}

#[test]
fn each_phase_is_measured_on_pairs_of_its_length() {
    let place = Place::new();
    let out = place
        .pretrain_bert("--phase 16:50% --phase 48:50% --steps 4 --eval-every 2 --save-every 2 --out run");
    assert!(out.contains("chance  1: mlm accuracy ") && out.contains("chance  2: mlm accuracy "), "{out}");
    let state = fs::read_to_string(place.path("run/checkpoints/step-000004/state.json")).unwrap();
    let state: Value = serde_json::from_str(&state).unwrap();
    assert_eq!((&state["best"]["step"], &state["best"]["stage"]), (&4.into(), &1.into()), "{state}");
}

#[test]
fn stories_are_documents_of_sentences() {
    let place = Place::new();
    let flags = TINY.replace("--vocab-size 150", "--vocab-size 500");
    let out = place.succeed(&format!(
        "pretrain bert --stories 60 {flags} --eval-tokens 600 --phase 32:100% --steps 3 --objective hf --out run"
    ));
    assert!(
        out.contains("60 generated stories: 60 documents") && out.contains("hf, new in every epoch"),
        "{out}"
    );
}

#[test]
fn sentences_are_lines_or_found_and_documents_begin_at_headings() {
    let place = Place::new();
    let page =
        |title: &str| format!(" = {title} = \n\nMr. Oak came . He saw .\nThen he left . Nobody knew .\n\n");
    let pages: String = ["One", "Two", "Three", "Four", "Five"].map(page).concat();
    place.write("pages.txt", pages);
    let flags = TINY.replace("--vocab-size 150", "--vocab-size 60");
    let run = |flags: &str, out: &str| {
        let rest = "--documents headings --phase 16:100% --steps 2";
        place.succeed(&format!("pretrain bert --text pages.txt {rest} {flags} --out {out}"))
    };
    let lines = run(&flags, "lines");
    // Three documents are trained on: a title and two lines each, or a title and four sentences.
    assert!(lines.contains("3 documents, 9 sentences"), "{lines}");
    let found = run(&format!("{flags} --sentences split"), "split");
    assert!(found.contains("3 documents, 15 sentences"), "{found}");
}

#[test]
fn what_cannot_be_trained_on_is_refused() {
    let place = Place::new();
    place.documents();
    let train = format!("pretrain bert --text documents.txt {TINY} --out run");
    for (flags, words) in [
        ("--phase 64:100% --max-position-embeddings 32", ["--phase is 64", "the 32 positions"]),
        ("--phase 64:90% --phase 128:5%", ["95%", "shares of 100%"]),
        ("--phase 4:100%", ["--phase is 4:100%", "5 tokens or more"]),
        ("--masked-lm-prob 0", ["--masked-lm-prob is 0", "0.001 to 1"]),
        ("--dupe-factor 0", ["--dupe-factor is 0", "at least 1"]),
        ("--num-attention-heads 3", ["num_attention_heads is 3", "divisor of hidden_size 16"]),
        ("--dropout 1", ["hidden_dropout_prob is 1", "[0, 1)"]),
        ("--size huge", ["size is huge", "layers/width"]),
        ("--documents file", ["documents.txt: expected two documents to train on", "1 in all"]),
    ] {
        place.fail(&format!("{train} {flags}"), &words);
        assert!(!place.path("run").exists(), "{flags} leaves a folder");
    }
    place.fail(
        &format!("pretrain bert --text book.ids {TINY} --out run"),
        &["book.ids", "where sentences end"],
    );
    let usage = place.run("pretrain bert --phase 128");
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn speed_and_size_are_those_of_pretraining() {
    let place = Place::new();
    let out = place.succeed("bench train --arch bert --size tiny --batch 2 --seq 16 --steps 2 --threads 1");
    let line: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((line["arch"].as_str(), line["tokens"].as_u64()), (Some("bert"), Some(32)));
    // The 4,385,920 of the published tiny encoder, and both heads.
    assert_eq!(line["params"], 4_385_920 + 128 * 128 + 3 * 128 + 30_522 + 2 * 128 + 2);
    let uniform = 30_522f64.ln() + 2f64.ln();
    assert!((line["loss0"].as_f64().unwrap() - uniform).abs() < 0.5, "{line}");
    place.write("lengths.txt", "16\n3\n40\n");
    let ragged = |batch: usize| {
        format!(
            "bench train --arch bert --size tiny --lengths lengths.txt --batch {batch} --steps 1 --threads 1"
        )
    };
    let line: Value = serde_json::from_str(&place.succeed(&ragged(3))).unwrap();
    assert_eq!((&line["tokens"], &line["T"]), (&59.into(), &40.into()));
    place.fail(&ragged(4), &["--lengths", "4 lines", "lengths.txt", "3"]);
    place.fail(&format!("{} --arch gpt2", ragged(1)).replace("--arch bert ", ""), &["--arch", "gpt2"]);
    let inspected = place.succeed("inspect --arch bert --size 2/128 --batch 2 --seq 16 --steps 1000");
    for part in
        ["parameters: 4,433,468", "(30522, 128)", "bert.encoder.layer.*.output.dense.weight", "1,000 steps"]
    {
        assert!(inspected.contains(part), "{part}\n{inspected}");
    }
    place.fail("bench train --arch bert --seq 600", &["seq is 600", "the 512 positions"]);
    place.fail("bench train --arch bert --target 6", &["target is 6"]);
    place.fail("bench generate --arch bert --size tiny", &["--arch is bert", "one that writes"]);
}

#[test]
fn tokenizers_that_do_not_fit_are_refused() {
    let place = Place::new();
    place.pretrain_bert("--phase 32:100% --steps 2 --out model");
    let vocabulary = fs::read_to_string(place.path("model/tokenizer/vocab.txt")).unwrap();
    fs::create_dir(place.path("maskless")).unwrap();
    place.write("maskless/vocab.txt", vocabulary.replace("[MASK]", "[mask]"));
    let train = format!("pretrain bert --text documents.txt {TINY} --phase 32:100% --steps 2 --out run");
    place.fail(&format!("{train} --tokenizer maskless"), &["the tokenizer: expected an entry [MASK]"]);
    fs::create_dir(place.path("larger")).unwrap();
    place.write("larger/vocab.txt", format!("{}more\nand\nmore2\n", vocabulary));
    let unfit = ["a vocabulary of 91", "the tokenizer has 94 entries"];
    place.fail(&format!("{train} --tokenizer larger --from model"), &unfit);
}
