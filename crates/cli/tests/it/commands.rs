//! The commands that use a model, a tokenizer or the machine.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::{Place, text};

#[test]
fn generation_is_greedy_or_drawn_from_a_seed() {
    let place = Place::new();
    place.train("run", "");
    let generate = |flags: &str| {
        place.succeed(&format!("generate --model run --prompt tree --max-new-tokens 6 {flags}"))
    };
    assert_eq!(generate(""), generate(""));
    assert_eq!(generate("--temperature 2 --seed 4"), generate("--temperature 2 --seed 4"));
    assert_ne!(generate("--temperature 2 --seed 4"), generate("--temperature 2 --seed 5"));
    assert_eq!(generate("--top-k 1 --seed 9"), generate(""), "only the most probable token is left");
    assert_eq!(generate("--top-p 0.0000001 --seed 9"), generate(""));
    assert_eq!(generate("--min-p 1 --seed 9"), generate(""));
    assert!(generate("").starts_with("tree"));
}

#[test]
fn several_prompts_are_what_they_are_alone() {
    let place = Place::new();
    place.train("run", "");
    let alone = |prompt: &str| {
        place.succeed(&format!("generate --model run --max-new-tokens 6 --prompt {prompt} --threads 1"))
    };
    let both = place.succeed("generate --model run --max-new-tokens 6 --prompt tree --prompt mind");
    assert_eq!(both, format!("{}\n{}", alone("tree"), alone("mind")));
}

#[test]
fn a_prompt_from_standard_input_and_a_stop() {
    let place = Place::new();
    place.train("run", "");
    let flags = "generate --model run --max-new-tokens 8 --temperature 2 --seed 1";
    let mut child = place
        .command(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"tree\n").unwrap();
    let whole = text(&child.wait_with_output().unwrap().stdout);
    assert_eq!(whole, place.succeed(&format!("{flags} --prompt tree")));
    // Stops before the last letter that was generated, where that letter occurs first.
    let generated = &whole["tree".len()..];
    let stop = generated.chars().rfind(|c| c.is_alphabetic()).expect("a letter among eight tokens");
    let stopped = place.succeed(&format!("{flags} --prompt tree --stop {stop}"));
    let expected = &generated[..generated.find(stop).expect("it is there")];
    assert_eq!(stopped, format!("tree{expected}\n"));
}

#[test]
fn perplexity_does_not_depend_on_where_the_ids_come_from() {
    let place = Place::new();
    place.train("run", "");
    place.succeed(
        "tokenizer encode --tokenizer run/tokenizer --text book.txt --documents lines --out book.ids",
    );
    let eval = |flags: &str| -> Value {
        serde_json::from_str(&place.succeed(&format!("eval lm --model run --json {flags}"))).unwrap()
    };
    let from_text = eval("--text book.txt --documents lines --batch 3");
    let from_store = eval("--text book.ids --batch 8");
    for field in ["tokens", "words", "bytes"] {
        assert_eq!(from_text[field], from_store[field], "{field}");
    }
    let loss = |figures: &Value| figures["loss"].as_f64().unwrap();
    assert!((loss(&from_text) - loss(&from_store)).abs() < 1e-6);
    assert_eq!(from_text["words"], 3000);
    let nats = from_text["nats"].as_f64().unwrap();
    let per_word = from_text["word_perplexity"].as_f64().unwrap();
    assert!((per_word.ln() - nats / 3000.0).abs() < 1e-9);
    // Every id but the first of all is predicted once, whatever the windows.
    for windows in ["--seq 16 --stride 16", "--seq 16 --stride 1", "--seq 5 --stride 3"] {
        let figures = eval(&format!("--text book.txt --documents lines {windows}"));
        assert_eq!(figures["tokens"], from_text["tokens"], "{windows}");
    }
    let table = place.succeed("eval lm --model run --text book.txt --stride 4");
    for part in ["stride 4", "a token (", "a word (3,000 words between white space)", "bits a byte"] {
        assert!(table.contains(part), "{table}");
    }
}

#[test]
fn ids_become_the_text_again() {
    let place = Place::new();
    place.text();
    place.succeed("tokenizer train --text book.txt --vocab-size 280 --out tokenizer");
    let mut child = place
        .command("tokenizer encode --tokenizer tokenizer")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all("the tree, naïve 🌳".as_bytes()).unwrap();
    let ids = text(&child.wait_with_output().unwrap().stdout);
    assert!(ids.split_whitespace().all(|id| id.parse::<u32>().is_ok_and(|id| id < 280)), "{ids}");
    let back = place.succeed(&format!("tokenizer decode --tokenizer tokenizer {ids}"));
    assert_eq!(back, "the tree, naïve 🌳\n");
    place.fail("tokenizer decode --tokenizer tokenizer 3 280", &["id 280"]);
    place.fail("tokenizer decode --tokenizer tokenizer 3 x", &["\"x\""]);
}

#[test]
fn inspection_counts_what_the_paper_counts() {
    let place = Place::new();
    place.write(
        "config.json",
        "{\"n_layer\": 1, \"n_head\": 2, \"n_embd\": 16, \"vocab_size\": 100, \"n_positions\": 32}",
    );
    let out = place.succeed("inspect --config config.json --batch 2 --steps 1000");
    // wte 1600, wpe 512, ln_f 32, and a block of 12·16² + 13·16 = 3280.
    assert!(out.contains("parameters: 5,424"), "{out}");
    for part in ["n_embd 16", "(16, 48)", "FLOP in matrix products", "tokens/s", "1,000 steps, 64,000 tokens"]
    {
        assert!(out.contains(part), "{part}\n{out}");
    }
}

#[test]
fn measurements_are_lines_of_json() {
    let place = Place::new();
    let out = place.succeed("bench train --size tiny --batch 1 --seq 16 --steps 2 --threads 1");
    let line: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&line["arch"], &line["size"], &line["dtype"]),
        (&"gpt2".into(), &"tiny".into(), &"f32".into())
    );
    assert_eq!((line["tokens"].as_u64(), line["params"].as_u64()), (Some(16), Some(6_960_768)));
    for field in
        ["B", "T", "step_s", "tok_s", "peak_rss_mb", "loss_end", "peak_gflops", "share_of_peak", "gflop_s"]
    {
        assert!(line[field].as_f64().is_some_and(|x| x > 0.0), "{field} in {line}");
    }
    let uniform = 50257f64.ln();
    assert!((line["loss0"].as_f64().unwrap() - uniform).abs() < 0.3, "{line}");
    let out =
        place.run("bench train --size tiny --batch 1 --seq 16 --steps 2 --threads 1 --profile trace.json");
    let table = String::from_utf8(out.stderr).unwrap();
    for row in [["linear", "forward", "16"], ["vocab_loss", "backward", "2"], ["optimizer", "step", "2"]] {
        let same = |line: &str| line.split_whitespace().take(3).eq(row);
        assert!(table.lines().any(same), "{row:?} in {table}");
    }
    let trace: Value =
        serde_json::from_str(&std::fs::read_to_string(place.path("trace.json")).unwrap()).unwrap();
    assert!(trace["traceEvents"].as_array().is_some_and(|events| events.len() > 50), "{table}");
    let peak: Value = serde_json::from_str(&place.succeed("bench peak --threads 1")).unwrap();
    assert!(
        peak["fma_gflops_f32"].as_f64().unwrap() > 1.0 && peak["memory_gb_s"].as_f64().unwrap() > 0.1,
        "{peak}"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    let mut child = place
        .command("inspect --size tiny --batch 1 --seq 16")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
}
