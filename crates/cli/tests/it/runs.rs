//! Runs that are repeated, stopped and resumed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Place, SMALL, text};

pub fn weights(run: &Path, step: u64) -> Vec<u8> {
    let path = run.join(format!("checkpoints/step-{step:06}/model.safetensors"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_run_leaves_a_model_a_log_a_picture_and_the_file_that_repeats_it() {
    let place = Place::new();
    let out = place.train("run", "--eval-every 3");
    for line in ["model   GPT-2, ", "data    book.txt: ", "result  held-out loss ", "curve   run/loss.svg"] {
        assert!(out.contains(line), "{out}");
    }
    let metrics = fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().filter(|line| line.contains("\"kind\":\"step\"")).count(), 6, "{metrics}");
    assert_eq!(metrics.lines().filter(|line| line.contains("\"kind\":\"evaluation\"")).count(), 2);
    assert!(fs::read_to_string(place.path("run/loss.svg")).unwrap().contains("<svg"));
    for file in ["config.json", "tokenizer.json", "model.safetensors", "optimizer.safetensors"] {
        assert!(place.path("run/checkpoints/step-000006").join(file).is_file(), "{file}");
    }

    place.succeed("pretrain --run run/run.toml --out again");
    assert_eq!(weights(&place.path("again"), 6), weights(&place.path("run"), 6));
    // Flags override the file, and what was left open follows from the flags that are given.
    place.succeed("pretrain --run run/run.toml --out other --seed 1 --threads 1");
    assert_ne!(weights(&place.path("other"), 6), weights(&place.path("run"), 6));
    let saved = fs::read_to_string(place.path("other/run.toml")).unwrap();
    for line in ["seed = 1", "threads = 1", "out = \"other\"", "steps = 6", "lr = 0.001"] {
        assert!(saved.lines().any(|saved| saved == line), "{line}:\n{saved}");
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let place = Place::new();
    place.train("one", "--threads 1 --dropout 0.1");
    place.train("three", "--threads 3 --dropout 0.1");
    assert_eq!(weights(&place.path("one"), 6), weights(&place.path("three"), 6));
}

#[test]
fn a_run_that_is_interrupted_says_how_to_go_on_and_ends_with_the_same_bits() {
    let place = Place::new();
    let steps = "--dropout 0.1 --seq 32 --n-positions 32 --schedule constant --eval-every 20 --save-every 50";
    let flags = SMALL.replace("--seq 16", "").replace("--steps 6", "--steps 400");
    place.text();
    place.succeed(&format!("pretrain gpt2 --text book.txt {flags} {steps} --out whole"));

    let mut child = place
        .command(&format!("pretrain gpt2 --text book.txt {flags} {steps} --out run"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.by_ref().map(Result::unwrap).find(|line| line.trim_start().starts_with("20 "));
    assert!(first.is_some(), "no line about step 20");
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:#?}");
    assert!(rest.iter().any(|line| line.contains("stopped after step")), "{rest:#?}");
    assert!(rest.last().unwrap().contains("pretrain --resume run"), "{rest:#?}");

    let out = place.succeed("pretrain --resume run");
    assert!(out.contains("goes on after step"), "{out}");
    assert_eq!(weights(&place.path("run"), 400), weights(&place.path("whole"), 400));
}

#[test]
fn a_run_goes_on_from_its_own_folder_or_from_a_checkpoint() {
    let place = Place::new();
    place.train("run", "--schedule constant --save-every 2 --eval-every 6 --keep 3");
    let whole = weights(&place.path("run"), 6);
    place.succeed("pretrain --resume run/checkpoints/step-000002");
    assert_eq!(weights(&place.path("run"), 6), whole);
    place.succeed("pretrain gpt2 --out run --resume --steps 8");
    assert_eq!(weights(&place.path("run"), 8).len(), whole.len());
}

#[test]
fn stories_come_with_their_floor() {
    let place = Place::new();
    let flags =
        "--stories 300 --vocab-size 600 --n-layer 1 --n-head 2 --n-embd 16 --seq 32 --batch 4 --steps 4";
    let out = place.succeed(&format!("pretrain gpt2 {flags} --eval-tokens 500 --out run"));
    let line = out.lines().find(|line| line.starts_with("floor ")).unwrap_or_else(|| panic!("{out}"));
    let floor: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    let loss = out.lines().find(|line| line.starts_with("result ")).unwrap();
    let loss: f64 = loss.split([' ', ',']).nth(4).unwrap().parse().unwrap_or_else(|_| panic!("{loss}"));
    assert!(floor > 0.2 && floor < 2.0 && floor < loss, "{out}");
    let picture = fs::read_to_string(place.path("run/loss.svg")).unwrap();
    assert!(picture.contains("floor"), "the picture has no floor");
}

#[test]
fn a_model_of_characters() {
    let place = Place::new();
    place.train("run", "--level char --order random --documents lines");
    let out = place.succeed("generate --model run --prompt tree --max-new-tokens 5");
    assert!(out.starts_with("tree") && out.trim_end().chars().count() <= 9, "{out:?}");
    place.fail("generate --model run --prompt ü", &["'ü'"]);
}

#[test]
fn training_goes_on_from_a_folder_of_weights() {
    let place = Place::new();
    place.train("first", "");
    let flags = "--seq 16 --batch 4 --steps 3 --sample-tokens 0";
    let out = place.succeed(&format!("pretrain gpt2 --text book.txt --from first {flags} --out second"));
    assert!(out.contains("result  held-out loss"), "{out}");
    let both = ["first", "second"].map(|run| place.run(&format!("inspect --model {run}")));
    let [first, second] =
        both.map(|output| text(&output.stdout).lines().take(6).collect::<Vec<_>>().join("\n"));
    assert_eq!(first, second);
}

#[test]
fn a_profiled_run_shows_where_its_time_goes_and_learns_the_same() {
    let place = Place::new();
    place.train("plain", "");
    // Six steps, of which the first two are not profiled; then fourteen, of which ten are.
    for (steps, profiled) in [(6, 4), (14, 10)] {
        let out = place.train("run", &format!("--steps {steps} --profile trace.json"));
        let calls = |name: &str, part: &str| {
            let row = out.lines().find(|line| line.starts_with(name) && line.contains(part));
            let row = row.unwrap_or_else(|| panic!("no {name} {part} in\n{out}"));
            row.split_whitespace().nth(2).unwrap().parse::<usize>().unwrap()
        };
        for (name, part) in
            [("data", "step"), ("vocab_loss", "forward"), ("attention", "backward"), ("optimizer", "step")]
        {
            assert_eq!(calls(name, part), profiled, "{name} {part}");
        }
        assert!(fs::read_to_string(place.path("trace.json")).unwrap().starts_with("{\"traceEvents\":[{"));
        if steps == 6 {
            assert_eq!(weights(&place.path("run"), 6), weights(&place.path("plain"), 6));
        }
        fs::remove_dir_all(place.path("run")).unwrap();
    }
    place.fail(
        "pretrain gpt2 --text book.txt --out none --profile missing/trace.json",
        &["missing/trace.json", "No such file"],
    );
    assert!(!place.path("none").exists());
}
