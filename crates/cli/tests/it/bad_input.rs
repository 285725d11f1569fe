//! Whatever is wrong with what it is given: one clear line, exit code 1, and nothing overwritten.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Place, SMALL, text};

#[test]
fn text_that_is_missing_empty_or_no_text() {
    let place = Place::new();
    place.write("empty.txt", "");
    place.write("blank.txt", " \n\n \n");
    place.write("latin1.txt", b"caf\xe9 and more\n");
    place.write("lines.jsonl", "{\"text\": \"one\"}\n{\"title\": \"two\"}\n");
    fs::create_dir(place.path("folder")).unwrap();
    let cases = [
        ("nowhere.txt", "nowhere.txt: No such file"),
        ("empty.txt", "empty.txt: there is no text in it"),
        ("blank.txt", "blank.txt: there is no text in it"),
        ("latin1.txt", "latin1.txt:1: not UTF-8 at byte 3"),
        ("lines.jsonl", "lines.jsonl:2: expected a JSON object with a string `text`"),
        ("folder", "no text files here"),
        ("*.none", "no text files here"),
    ];
    for (name, message) in cases {
        place.fail(&format!("pretrain gpt2 --text {name} {SMALL} --out run"), &[message]);
        place.fail(&format!("tokenizer train --text {name} --vocab-size 300 --out tokenizer"), &[message]);
        assert!(!place.path("run").exists() && !place.path("tokenizer").exists(), "{name} leaves a folder");
    }
    place.train("model", "");
    for (name, message) in &cases[..4] {
        place.fail(&format!("eval lm --model model --text {name}"), &[message]);
    }
}

#[test]
fn a_text_shorter_than_a_window() {
    let place = Place::new();
    place.write("short.txt", "a few words");
    place.fail(&format!("pretrain gpt2 --text short.txt {SMALL} --out run"), &["tokens are too few"]);
}

#[test]
fn a_tokenizer_that_fits_neither_store_nor_model() {
    let place = Place::new();
    place.train("model", "");
    place.succeed("tokenizer train --text book.txt --vocab-size 280 --out small");
    place.succeed("tokenizer train --text book.txt --vocab-size 310 --out large");
    place.succeed("tokenizer encode --tokenizer small --text book.txt --out book.ids");
    let other = "made with tokenizer";
    place.fail("eval lm --model model --text book.ids", &["book.ids", other]);
    place.fail(&format!("pretrain gpt2 --text book.ids --tokenizer large {SMALL} --out run"), &[other]);
    place.fail(&format!("pretrain gpt2 --text book.ids {SMALL} --out run"), &["--tokenizer is missing"]);
    let unfit = ["a vocabulary of 300", "the tokenizer has 310 entries"];
    place.fail("generate --model model --tokenizer large --prompt a", &unfit);
    place.fail("eval lm --model model --tokenizer large --text book.txt", &unfit);
    place.fail(
        &format!("pretrain gpt2 --text book.txt --from model --tokenizer large {SMALL} --out run"),
        &unfit,
    );
    place.fail("generate --model small --prompt a", &["config.json"]);
}

#[test]
fn weights_that_are_cut_short_or_claim_the_impossible() {
    let place = Place::new();
    place.train("run", "");
    let model = place.path("run/checkpoints/step-000006");
    fs::create_dir(place.path("model")).unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(model.join(name), place.path("model").join(name)).unwrap();
    }
    let weights = fs::read(model.join("model.safetensors")).unwrap();
    let mut claim = weights.clone();
    claim[..8].copy_from_slice(&(1u64 << 60).to_le_bytes());
    let mut shape = weights.clone();
    let at = shape.windows(8).position(|bytes| bytes == b"[16,64]}").map(|at| at + 1).unwrap();
    shape[at..at + 5].copy_from_slice(b"99999");
    let damaged = [weights[..weights.len() / 2].to_vec(), weights[..5].to_vec(), Vec::new(), claim, shape];
    for (case, bytes) in damaged.into_iter().enumerate() {
        place.write("model/model.safetensors", bytes);
        for command in ["generate --prompt a", "eval lm --text book.txt"] {
            let (verb, rest) = command.split_once(" --").unwrap();
            println!("case {case}");
            place.fail(&format!("{verb} --model model --{rest}"), &["model.safetensors"]);
        }
    }
    fs::remove_file(place.path("model/model.safetensors")).unwrap();
    place.fail("generate --model model --prompt a", &["model"]);
    place.fail("generate --model nowhere --prompt a", &["nowhere"]);
}

#[test]
fn a_checkpoint_that_has_changed() {
    let place = Place::new();
    place.train("run", "--keep 1 --save-every 6 --eval-every 6");
    let file = place.path("run/checkpoints/step-000006/model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let damage = ["model.safetensors is damaged", "CRC"];
    place.fail("generate --model run --prompt a", &damage);
    place.fail("generate --model run/checkpoints/step-000006 --prompt a", &damage);
    place.fail("pretrain --resume run/checkpoints/step-000006 --steps 8", &damage);
}

#[test]
fn a_store_that_is_damaged() {
    let place = Place::new();
    place.train("model", "");
    place.succeed("tokenizer encode --tokenizer model/tokenizer --text book.txt --out book.ids");
    let store = fs::read(place.path("book.ids")).unwrap();
    place.write("cut.ids", &store[..store.len() - 100]);
    let mut flipped = store.clone();
    flipped[1000] ^= 1;
    place.write("flipped.ids", flipped);
    let mut claim = store;
    claim[24..32].copy_from_slice(&(1u64 << 60).to_le_bytes());
    place.write("claim.ids", claim);
    place.write("text.ids", "not a store at all");
    for name in ["cut", "flipped", "claim", "text"] {
        place.fail(&format!("eval lm --model model --text {name}.ids"), &[&format!("{name}.ids")]);
        let train = format!("pretrain gpt2 --tokenizer model/tokenizer --text {name}.ids {SMALL} --out run");
        place.fail(&train, &[&format!("{name}.ids")]);
    }
}

#[test]
fn configurations_that_no_model_has() {
    let place = Place::new();
    place.text();
    let base = "\"vocab_size\": 300, \"n_positions\": 16, \"n_embd\": 16, \"n_layer\": 1";
    let cases = [
        (format!("{{{base}, \"n_head\": 3}}"), ["n_head is 3", "divisor of n_embd 16"]),
        (
            format!("{{{base}, \"n_head\": 2, \"activation_function\": \"swoosh\"}}"),
            ["activation_function", "swoosh"],
        ),
        (format!("{{{base}, \"n_head\": 0}}"), ["n_head is 0", "at least 1"]),
        (format!("{{{base}, \"n_head\": \"two\"}}"), ["config.json", "two"]),
        (format!("{{{base}, \"n_head\": 2"), ["config.json", "EOF"]),
        ("{\"vocab_size\": 200}".to_owned(), ["a vocabulary of 200", "do not belong together"]),
    ];
    let flags = "--vocab-size 300 --seq 16 --steps 2";
    for (config, words) in cases {
        place.write("config.json", config);
        place.fail(&format!("pretrain gpt2 --text book.txt --config config.json {flags} --out run"), &words);
    }
    let own_vocabulary = "{\"n_positions\": 16, \"n_embd\": 16, \"n_layer\": 1, \"n_head\": 2}";
    place.write("config.json", own_vocabulary);
    place.succeed(&format!("pretrain gpt2 --text book.txt --config config.json {flags} --out trained"));
    let written = fs::read_to_string(place.path("trained/checkpoints/step-000002/config.json")).unwrap();
    assert!(
        written.contains("\"vocab_size\": 300"),
        "the tokenizer's size, not the published one: {written}"
    );
    place.write("config.json", format!("{{{base}, \"n_head\": 3}}"));
    place.fail("inspect --config config.json", &["n_head is 3"]);
    place.fail(&format!("pretrain gpt2 --text book.txt {SMALL} --n-head 3 --out run"), &["n_head is 3"]);
    place.write("config.json", format!("{{{base}, \"n_head\": 2}}"));
    let long = format!("pretrain gpt2 --text book.txt --config config.json {flags} --seq 17 --out run");
    place.fail(&long, &["seq is 17", "the 16 positions"]);
}

#[test]
fn flags_without_a_meaning() {
    let place = Place::new();
    place.train("model", "");
    for (flag, words) in [
        ("--batch 0", "--batch is 0"),
        ("--steps 0", "--steps is 0"),
        ("--lr -1", "--lr is -1"),
        ("--lr NaN", "--lr is NaN"),
        ("--min-lr 5", "--min-lr is 5"),
        ("--beta2 1", "--beta2 is 1"),
        ("--keep 0", "keep_last is 0"),
        ("--dropout 1.5", "pdrop is 1.5"),
        ("--held-out 1", "the held-out fraction"),
        ("--size huge", "huge"),
    ] {
        place.fail(&format!("pretrain gpt2 --text book.txt {SMALL} --out run {flag}"), &[words]);
    }
    place.fail("generate --model model --prompt a --temperature 0", &["temperature is 0"]);
    place.fail("generate --model model --prompt a --top-p 2", &["top_p is 2"]);
    let long = "tree ".repeat(40);
    let output = place.command("generate --model model --prompt").arg(long).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("expected fewer than the maximum length of 16"));
    place.fail("eval lm --model model --text book.txt --seq 17", &["seq is 17", "16 positions"]);
    place.fail("eval lm --model model --text book.txt --stride 17", &["stride is 17"]);
    place.fail("inspect --model model --seq 17", &["seq is 17"]);
    place.fail("bench train --size tiny --seq 2000", &["seq is 2000"]);
    for usage in ["pretrain", "pretrain gpt2 --no-such-flag", "pretrain gpt5", "generate", "nonsense"] {
        let output = place.run(usage);
        assert_eq!(output.status.code(), Some(2), "{usage}: {}", text(&output.stderr));
    }
}

#[test]
fn run_files_with_mistakes() {
    let place = Place::new();
    for (content, words) in [
        ("arch = \"gpt2\"\nstepz = 3\n", "unknown setting \"stepz\""),
        ("arch = \"gpt2\"\nsteps = \"many\"\n", "many"),
        ("arch = \"gpt3\"\n", "gpt3"),
        ("arch = \"gpt2\"\nsteps = = 3\n", "line 2"),
        ("steps = 3\n", "arch is missing"),
    ] {
        place.write("run.toml", content);
        place.fail("pretrain --run run.toml --out run", &["run.toml: ", words]);
    }
    place.fail("pretrain --run nowhere.toml", &["nowhere.toml: No such file"]);
}

#[test]
fn a_folder_that_holds_a_run_or_none() {
    let place = Place::new();
    place.train("run", "");
    place.fail(&format!("pretrain gpt2 --text book.txt {SMALL} --out run"), &["already holds a run"]);
    place.fail("pretrain --run run/run.toml", &["already holds a run"]);
    place.fail("pretrain --resume nowhere", &["nowhere holds no run"]);
    place.fail("pretrain --resume run --seed 5 --steps 9", &["seed"]);
    place.fail("pretrain --resume run --accumulate 2 --steps 9", &["accumulate"]);
    place.succeed("tokenizer train --text book.txt --vocab-size 280 --out tokenizer");
    place.fail("tokenizer train --text book.txt --vocab-size 300 --out tokenizer", &["is there already"]);
    place.succeed("tokenizer encode --tokenizer tokenizer --text book.txt --out book.ids");
    place
        .fail("tokenizer encode --tokenizer tokenizer --text book.txt --out book.ids", &["is there already"]);
}

#[test]
fn output_that_cannot_be_written() {
    let place = Place::new();
    place.text();
    place.write("file", "");
    let train = format!("pretrain gpt2 --text book.txt {SMALL}");
    place.fail(&format!("{train} --out file/run"), &["file"]);
    place.fail("tokenizer train --text book.txt --vocab-size 280 --out file/tokenizer", &["file"]);
    let Some(_mount) = Mount::new(&place.path("small"), "size=64k") else {
        println!("skipped: a full and a read-only disk, which need the right to mount");
        return;
    };
    place.fail(&format!("{train} --cache cache --out small/run"), &["small/run", "No space left"]);
    place.fail(&format!("{train} --cache small/cache --out run"), &["No space left"]);
    let _read_only = Mount::new(&place.path("fixed"), "ro").expect("a second mount, as the first");
    place.fail(&format!("{train} --cache cache --out fixed/run"), &["fixed/run", "Read-only"]);
    place.fail(&format!("{train} --cache fixed/cache --out run"), &["fixed/cache", "Read-only"]);
}

/// A file system of its own, until it is dropped.
struct Mount(String);

impl Mount {
    fn new(path: &Path, options: &str) -> Option<Self> {
        fs::create_dir(path).ok()?;
        let path = path.to_str()?.to_owned();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs", &path]).output().ok()?;
        mounted.status.success().then_some(Self(path))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}
