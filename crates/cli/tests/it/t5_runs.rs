//! Runs that pretrain a T5, on text, on the generated tasks and on mixtures.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Place;

/// A model that trains in a moment.
const SMALL: &str = "--vocab-size 300 --num-layers 1 --num-heads 2 --d-model 16 --d-kv 8 --d-ff 24 --seq 32 --batch 4 --steps 6";

fn weights(run: &Path, step: u64) -> Vec<u8> {
    let path = run.join(format!("checkpoints/step-{step:06}/model.safetensors"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn evaluations(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["kind"] == "evaluation").collect()
}

impl Place {
    fn t5(&self, out: &str, more: &str) -> String {
        if !self.path("book.txt").exists() {
            self.text();
        }
        self.succeed(&format!("pretrain t5 --text book.txt --documents lines {SMALL} --out {out} {more}"))
    }

    /// A mixture of a table of 40 rows, a generated task and the text of the run.
    fn mixture(&self) {
        self.text();
        fs::create_dir_all(self.path("glue/SST-2")).unwrap();
        let row = |i: usize| format!("{} tree\t{}\n", ["mind", "clong", "bee"][i % 3], i % 2);
        let table = |rows: usize| "sentence\tlabel\n".to_owned() + &(0..rows).map(row).collect::<String>();
        self.write("glue/SST-2/train.tsv", table(40));
        self.write("glue/SST-2/dev.tsv", table(9));
        self.write(
            "mixture.toml",
            "[[member]]\ntask = \"sst2\"\npath = \"glue/SST-2\"\n\n[[member]]\ntask = \"sort\"\nrate = 20.0\n\n\
             [[member]]\ntask = \"unsupervised\"\nrate = 20.0\n",
        );
    }
}

#[test]
fn a_run_on_text_leaves_a_model_that_answers() {
    for (more, kind) in [
        ("", "gated-gelu"),
        ("--version 1.0 --objective iid --optimizer adamw --schedule cosine", "relu"),
        ("--objective prefix --optimizer adamw-scaled --label-smoothing 0.1 --z-loss 0", "gated-gelu"),
    ] {
        let place = Place::new();
        let out = place.t5("run", &format!("--eval-every 3 {more}"));
        for line in
            ["model   T5, ", "data    book.txt", "result  held-out loss ", "curve   run/loss.svg", "→ "]
        {
            assert!(out.contains(line), "{line}\n{out}");
        }
        assert_eq!(evaluations(&place.path("run")).len(), 2);
        let config = fs::read_to_string(place.path("run/checkpoints/step-000006/config.json")).unwrap();
        let config: Value = serde_json::from_str(&config).unwrap();
        assert_eq!(config["feed_forward_proj"], kind);
        assert_eq!(config["architectures"][0], "T5ForConditionalGeneration");
        place.succeed("generate --model run --prompt <extra_id_0> --max-new-tokens 5");
        place.succeed("pretrain --run run/run.toml --out again");
        assert_eq!(weights(&place.path("again"), 6), weights(&place.path("run"), 6));
    }
}

#[test]
fn a_resumed_run_ends_with_the_same_bits_whatever_the_threads() {
    let place = Place::new();
    place.mixture();
    let flags = "--mixture mixture.toml --dropout 0.1 --save-every 2 --keep 3 --eval-examples 4";
    place.t5("run", &format!("{flags} --threads 1"));
    let whole = weights(&place.path("run"), 6);
    place.t5("other", &format!("{flags} --threads 3"));
    assert_eq!(weights(&place.path("other"), 6), whole);
    let out = place.succeed("pretrain --resume run/checkpoints/step-000002");
    assert!(out.contains("goes on after step 2"), "{out}");
    assert_eq!(weights(&place.path("run"), 6), whole);
}

#[test]
fn a_mixture_measures_its_tasks_before_and_after() {
    let place = Place::new();
    place.mixture();
    let out = place.t5("run", "--mixture mixture.toml --eval-examples 5");
    // 40 rows, and the rates 20 and 20.
    assert!(out.contains("mixture sst2 50.0 %, sort 25.0 %, unsupervised 25.0 %"), "{out}");
    let metrics = evaluations(&place.path("run")).pop().unwrap()["metrics"].clone();
    for name in ["sst2 accuracy", "sort accuracy", "mean of tasks"] {
        assert!(
            metrics[name].as_f64().is_some_and(|value| (0.0..=100.0).contains(&value)),
            "{name}: {metrics}"
        );
    }
    // Without text of the run, the vocabulary is that of the mixture.
    place.write("tasks.toml", "[[member]]\ntask = \"sst2\"\npath = \"glue/SST-2\"\n");
    let flags = SMALL.replace("--vocab-size 300", "--vocab-size 200");
    place.succeed(&format!("pretrain t5 --mixture tasks.toml {flags} --out tasks"));
    let out = place.succeed(&format!("pretrain t5 --mixture tasks.toml {SMALL} --from tasks --out more"));
    assert!(out.contains("before  mean of tasks "), "{out}");
}

#[test]
fn without_text_it_learns_stories_and_tasks_about_them() {
    let place = Place::new();
    let flags = SMALL.replace("--vocab-size 300", "--vocab-size 500 --stories 200 --eval-examples 2");
    let out = place.succeed(&format!("pretrain t5 {flags} --eval-tokens 500 --out run"));
    assert!(out.contains("data    200 generated stories, and tasks"), "{out}");
    let metrics = evaluations(&place.path("run")).pop().unwrap()["metrics"].clone();
    for task in ["reverse", "sort", "count", "topic", "title", "who_has", "where_is", "how_many"] {
        assert!(metrics[format!("{task} accuracy")].is_number(), "{task}: {metrics}");
    }
}

#[test]
fn bad_mixtures_are_told_in_a_line() {
    let place = Place::new();
    place.mixture();
    let run = format!("pretrain t5 --text book.txt {SMALL} --out run --mixture");
    place.write("unknown.toml", "[[member]]\ntask = \"sst3\"\n");
    place.fail(
        &format!("{run} unknown.toml"),
        &["unknown.toml", "member 1", "\"sst3\"", "sst2", "unsupervised"],
    );
    place.write("broken.toml", "[[member]\n");
    place.fail(&format!("{run} broken.toml"), &["broken.toml"]);
    place.write("none.toml", "");
    place.fail(&format!("{run} none.toml"), &["none.toml", "at least one"]);
    place.fail(&format!("{run} missing.toml"), &["missing.toml"]);

    place.write("glue/SST-2/train.tsv", "sentence\tlabel\nmind tree\t0\nclong\n");
    place.fail(&format!("{run} mixture.toml"), &["train.tsv:3", "sentence, label", "1 of 2 columns"]);
    place.write("glue/SST-2/train.tsv", "text\tlabel\nmind tree\t0\n");
    place.fail(&format!("{run} mixture.toml"), &["train.tsv:1", "sentence, label", "text, label"]);

    place.write("long.toml", "[[member]]\ntask = \"sort\"\n\n[[member]]\ntask = \"unsupervised\"\n");
    let short = format!("{run} long.toml --target 4");
    place.fail(&short, &["sort", "4 are allowed"]);

    place.write("spiece.model", "no model");
    place.fail(&format!("{run} long.toml --tokenizer spiece.model"), &["spiece.model", "SentencePiece"]);
    for (flags, word) in [
        ("--version 2", "1.0 or 1.1"),
        ("--noise-density 1.5", "noise density"),
        ("--mean-span 0.5", "span"),
        ("--seq 1", "--seq"),
        ("--label-smoothing 2", "--label-smoothing"),
        ("--num-heads 0", "num_heads"),
        ("--size xl", "xl"),
    ] {
        place.fail(&format!("pretrain t5 --text book.txt {SMALL} --out run {flags}"), &[word]);
    }
    assert!(!place.path("run").exists());
}
