//! `embed`, `fill-mask` and `next-sentence`: against reference values from text to numbers, and on what is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tercet_bert::{Bert, BertForMaskedLm, BertForPreTraining, Config, Preset};
use tercet_tensor::Params;
use tercet_tokenizer::Training;

use crate::Place;

/// The folder of real data beside the workspace.
fn data() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    if !folder.is_dir() {
        println!("skipped: no data at {}", folder.display());
        return None;
    }
    Some(folder)
}

fn cases(data: &Path, name: &str) -> Vec<Value> {
    let content = fs::read(data.join("reference").join(name)).expect("reference outputs");
    let json: Value = serde_json::from_slice(&content).expect("JSON");
    json["cases"].as_array().expect("cases").clone()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().expect("numbers").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn close(what: &str, found: &[f64], expected: &[f64], atol: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= atol + 1e-4 * expected.abs(), "{what}: {found}, not {expected}");
    }
}

/// The JSON lines that a command prints.
fn lines(output: &str) -> Vec<Value> {
    output.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn embeddings(output: &str) -> Vec<Vec<f64>> {
    lines(output).iter().map(|line| floats(&line["embedding"])).collect()
}

impl Place {
    /// Runs `command` with one more argument, which may hold spaces.
    fn succeed_with(&self, command: &str, arguments: &[&str]) -> String {
        let output = self.command(command).args(arguments).output().expect("the binary starts");
        assert!(output.status.success(), "{}", crate::text(&output.stderr));
        crate::text(&output.stdout)
    }

    /// An untrained BERT for the words of a small text, in the folder `name`.
    fn bert(&self, name: &str, architecture: &str) -> PathBuf {
        let words = "the cat sat on the mat, and the dog lay on the log; who sat where?";
        let tokenizer = Training::word_piece(90).run([words].iter()).expect("a tokenizer");
        let config = Config {
            vocab_size: tokenizer.vocab_size(),
            max_position_embeddings: 32,
            hidden_size: 32,
            num_attention_heads: 2,
            intermediate_size: 64,
            ..Preset::TINY.config()
        };
        let params = Params::new();
        match architecture {
            "BertModel" => _ = Bert::new(&params.root().at("bert"), &config),
            "BertForMaskedLM" => _ = BertForMaskedLm::new(&params, &config),
            _ => _ = BertForPreTraining::new(&params, &config),
        }
        params.init(3);
        let folder = self.path(name);
        fs::create_dir(&folder).expect("a folder");
        config.save(&folder, &params, architecture).expect("saved");
        tokenizer.save(&folder).expect("saved");
        folder
    }
}

#[test]
fn embeddings_of_minilm_are_those_of_the_reference() {
    let Some(data) = data() else { return };
    let place = Place::new();
    let cases = cases(&data, "all_minilm_l6_v2.json");
    let model = data.join("models/all-MiniLM-L6-v2-f16");
    let texts: Vec<_> = cases.iter().map(|case| json!({"text": case["text"]}).to_string()).collect();
    place.write("texts.jsonl", texts.join("\n"));
    let embed =
        |flags: &str| place.succeed(&format!("embed --model {} --text texts.jsonl {flags}", model.display()));
    for (flags, name, atol) in [
        ("--normalise", "embedding_f16", 2e-6),
        ("--pooling cls", "last_hidden_cls_f16", 2e-5),
        ("--pooling pooler", "pooler_output_f16", 2e-5),
    ] {
        for (found, case) in embeddings(&embed(flags)).iter().zip(&cases) {
            close(name, found, &floats(&case[name]), atol);
        }
    }
    // Eight bits of each operand are kept: the angles of six layers stay below half a degree.
    for (found, case) in embeddings(&embed("--normalise --precision bf16")).iter().zip(&cases) {
        let expected = floats(&case["embedding_f16"]);
        let cosine: f64 = found.iter().zip(&expected).map(|(a, b)| a * b).sum();
        assert!(cosine > 0.99996 && found != &expected, "{cosine}");
    }
    let report = embed("--normalise --out vectors.npy");
    assert!(report.contains("f32 (6, 384) in vectors.npy"), "{report}");
    let bytes = fs::read(place.path("vectors.npy")).unwrap();
    let (header, values) = bytes.split_at(128);
    assert!(header.starts_with(b"\x93NUMPY\x01\x00") && header.ends_with(b"\n"));
    let values: Vec<f64> =
        values.chunks(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect();
    let expected: Vec<f64> = cases.iter().flat_map(|case| floats(&case["embedding_f16"])).collect();
    close("vectors.npy", &values, &expected, 2e-6);
    println!("{} sentences", cases.len());
}

#[test]
fn masks_of_rxnfp_are_filled_as_in_the_reference() {
    let Some(data) = data() else { return };
    let place = Place::new();
    let model = data.join("models/rxnfp-bert-pretrained");
    let vocab: Vec<String> =
        fs::read_to_string(model.join("vocab.txt")).unwrap().lines().map(str::to_owned).collect();
    let pattern = r"(\%\([0-9]{3}\)|\[[^\]]+]|Br?|Cl?|N|O|S|P|F|I|b|c|n|o|s|p|\||\(|\)|\.|=|#|-|\+|\\|\/|:|~|@|\?|>>?|\*|\$|\%[0-9]{2}|[0-9])";
    let mut masks = 0;
    for case in cases(&data, "rxnfp_bert_pretrained.json") {
        let mut tokens: Vec<&str> =
            case["tokens"].as_array().unwrap().iter().map(|token| token.as_str().unwrap()).collect();
        for position in floats(&case["masked_positions"]) {
            tokens[position as usize] = "[MASK]";
        }
        let text = tokens[1..tokens.len() - 1].concat();
        let command = format!("fill-mask --json --top 3 --model {} --pattern", model.display());
        let line = &lines(&place.succeed_with(&command, &[pattern, &text]))[0];
        let logits = case["mlm_logits_at_masked"].as_array().unwrap();
        let found = line["masks"].as_array().unwrap();
        assert_eq!(found.len(), logits.len());
        for (candidates, logits) in found.iter().zip(logits) {
            let logits = floats(logits);
            let total: f64 = logits.iter().map(|x| x.exp()).sum();
            let mut order: Vec<usize> = (0..logits.len()).collect();
            order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
            for (candidate, &id) in candidates.as_array().unwrap().iter().zip(&order) {
                assert_eq!(candidate["token"], vocab[id]);
                let probability = candidate["probability"].as_f64().unwrap();
                close("probability", &[probability], &[logits[id].exp() / total], 2e-4);
            }
            masks += 1;
        }
    }
    assert_eq!(masks, 24);
}

#[test]
fn texts_read_together_are_what_they_are_alone_on_any_number_of_threads() {
    let place = Place::new();
    place.bert("model", "BertForPreTraining");
    let texts = ["the cat sat", "who?", "", "the dog lay on the log and the cat sat on the mat", "a cat"];
    place.write("texts.txt", texts.join("\n"));
    let embed = |flags: &str| place.succeed(&format!("embed --model model {flags}"));
    let together = embed("--text texts.txt");
    let given: Vec<Value> = lines(&together).iter().map(|line| line["text"].clone()).collect();
    assert_eq!(given, texts, "in the order of the file");
    for (text, line) in texts.iter().zip(together.lines()) {
        assert_eq!(place.succeed_with("embed --model model --", &[text]).trim_end(), line);
    }
    for threads in 1..=3 {
        assert_eq!(embed(&format!("--text texts.txt --threads {threads}")), together);
    }
    assert_eq!(embeddings(&embed("--text texts.txt --layers 2"))[0].len(), 64);
    assert_eq!(embeddings(&embed("--text texts.txt --layers 2 --join sum"))[0].len(), 32);
    let unit = &embeddings(&embed("--text texts.txt --pooling cls --normalise"))[3];
    assert!((unit.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-6);
    embed("--text texts.txt --out vectors.jsonl");
    assert_eq!(fs::read_to_string(place.path("vectors.jsonl")).unwrap(), together);
}

#[test]
fn pairs_come_from_tabs_flags_and_json() {
    let place = Place::new();
    place.bert("model", "BertForPreTraining");
    place.write("pairs.txt", "the cat\tthe dog\nwho sat?\tthe cat\n");
    place.write(
        "pairs.jsonl",
        "{\"text\": \"the cat\", \"pair\": \"the dog\"}\n{\"text\": \"who sat?\", \"pair\": \"the cat\"}",
    );
    let pairs = place.succeed("embed --model model --pairs --text pairs.txt");
    assert_eq!(place.succeed("embed --model model --text pairs.jsonl"), pairs);
    let one = place.succeed_with("embed --model model", &["the cat", "--pair", "the dog"]);
    assert_eq!(one.trim_end(), pairs.lines().next().unwrap());
    assert_ne!(place.succeed_with("embed --model model", &["the cat the dog"]), one);

    let next = place.succeed("next-sentence --model model --text pairs.txt --json");
    assert_eq!(place.succeed("next-sentence --model model --text pairs.jsonl --json"), next);
    let one = place.succeed_with("next-sentence --model model --json", &["the cat", "the dog"]);
    assert_eq!(one.trim_end(), next.lines().next().unwrap());
    let follows = lines(&next)[0]["follows"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&follows));
    let shown = place.succeed("next-sentence --model model --text pairs.txt");
    assert!(shown.starts_with(&format!("{follows:.4}  the cat  |  the dog\n")), "{shown}");
}

#[test]
fn masks_are_filled_one_by_one_and_together() {
    let place = Place::new();
    place.bert("model", "BertForMaskedLM");
    let text = "The [MASK] sat on the [MASK]?";
    let line = &lines(&place.succeed_with("fill-mask --model model --json --top 4", &[text]))[0];
    let masks = line["masks"].as_array().unwrap();
    assert_eq!(masks.len(), 2);
    for (mask, before) in masks.iter().zip(["The ", "The [MASK] sat on the "]) {
        let candidates = mask.as_array().unwrap();
        assert_eq!(candidates.len(), 4);
        let probabilities: Vec<f64> =
            candidates.iter().map(|candidate| candidate["probability"].as_f64().unwrap()).collect();
        assert!(probabilities.windows(2).all(|pair| pair[0] >= pair[1]), "{probabilities:?}");
        for candidate in candidates {
            let token = candidate["token"].as_str().unwrap();
            let expected = match token.strip_prefix("##") {
                Some(piece) => format!("{}{piece}", before.trim_end()),
                None => format!("{before}{token}"),
            };
            assert!(candidate["text"].as_str().unwrap().starts_with(&expected), "{candidate}");
        }
    }
    place.write("texts.txt", format!("{text}\n[MASK] sat\n"));
    let both = place.succeed("fill-mask --model model --json --top 4 --text texts.txt");
    assert_eq!(&lines(&both)[0], line);
    assert_eq!(both, place.succeed("fill-mask --model model --json --top 4 --text texts.txt --threads 1"));
    assert_eq!(place.succeed("fill-mask --model model --top 2 --text texts.txt").lines().count(), 6);
}

#[test]
fn a_text_that_does_not_fit_is_named_or_cut() {
    let place = Place::new();
    place.bert("model", "BertForPreTraining");
    let long = "the cat sat on the mat ".repeat(10);
    place.write("texts.txt", format!("the cat\n{long}\nwho\n"));
    place.write("pairs.txt", format!("{long}\t{long}\n"));
    place.fail("embed --model model --text texts.txt", &["texts.txt:2: 82 tokens", "1 to 32", "--truncate"]);
    place.fail("embed --model model --text texts.txt --seq 6", &["texts.txt:2", "1 to 6"]);
    place.fail("embed --model model --text texts.txt --seq 40", &["--seq is 40", "3 to the 32 positions"]);
    place.fail("next-sentence --model model --text pairs.txt", &["pairs.txt:1: 163 tokens"]);
    let cut = lines(&place.succeed("embed --model model --text texts.txt --truncate"));
    let tokens: Vec<u64> = cut.iter().map(|line| line["tokens"].as_u64().unwrap()).collect();
    assert_eq!(tokens, [5, 32, 5]);
    place.succeed("next-sentence --model model --text pairs.txt --truncate");
    place.write("masked.txt", format!("{long} [MASK]\n"));
    place.fail("fill-mask --model model --text masked.txt", &["masked.txt:1: 83 tokens"]);
    place.fail("fill-mask --model model --text masked.txt --truncate", &["masked.txt:1: its [MASK]"]);
}

#[test]
fn heads_that_are_missing_or_unknown_are_named() {
    let place = Place::new();
    place.bert("bare", "BertModel");
    place.bert("masked", "BertForMaskedLM");
    place.fail("fill-mask --model bare [MASK]", &["bare: no masked-LM head", "saved as BertModel"]);
    place.fail("next-sentence --model bare a b", &["bare: no next-sentence head"]);
    place.fail("next-sentence --model masked a b", &["masked: no next-sentence head", "BertForMaskedLM"]);
    place.fail("embed --model masked --pooling pooler cat", &["no pooler"]);
    place.succeed("embed --model masked cat");
    place.succeed("fill-mask --model masked [MASK]");
    let config = fs::read_to_string(place.path("masked/config.json")).unwrap();
    place.write("masked/config.json", config.replace("BertForMaskedLM", "BertForPoetry"));
    for command in
        ["fill-mask --model masked [MASK]", "next-sentence --model masked a b", "embed --model masked cat"]
    {
        place.fail(command, &["architectures is \"BertForPoetry\"", "BertForMaskedLM"]);
    }
}

#[test]
fn what_else_is_wrong_is_told_in_one_line() {
    let place = Place::new();
    place.bert("model", "BertForPreTraining");
    place.write("texts.txt", "the cat\n");
    place.write("empty.txt", "");
    place.write("latin1.txt", b"cat\ncaf\xe9\n");
    place.write("texts.jsonl", "{\"text\": \"a\"}\n{\"title\": \"b\"}\n");
    place.fail("embed --model model --text nowhere.txt", &["nowhere.txt: No such file"]);
    place.fail("embed --model model --text empty.txt", &["empty.txt: there is no text in it"]);
    place.fail("embed --model model --text latin1.txt", &["latin1.txt:2: not UTF-8"]);
    place.fail("embed --model model --text texts.jsonl", &["texts.jsonl:2", "string `text`"]);
    place.fail("embed --model model --pairs --text texts.txt", &["texts.txt:1", "no tab"]);
    place.fail("next-sentence --model model --text texts.txt", &["texts.txt:1", "no tab"]);
    place.fail("embed --model nowhere cat", &["nowhere"]);
    place.fail("embed --model model --layers 9 cat", &["9 layers", "1 to 3"]);
    place.fail(
        "embed --model model --layers 2 --pooling pooler cat",
        &["--layers is", "the pooler reads the last"],
    );
    place.fail("embed --model model --pair dog cat cat", &["--pair is \"dog\" with 2", "with one text"]);
    place.fail("embed --model model --out vectors.csv cat", &["--out is vectors.csv", ".npy or .jsonl"]);
    place.fail("embed --model model --out texts.jsonl cat", &["texts.jsonl is there already"]);
    place.fail("fill-mask --model model cat", &["text 1: there is no [MASK] in it"]);
    place.fail("fill-mask --model model --text texts.txt", &["texts.txt:1: there is no [MASK] in it"]);
    place.fail("fill-mask --model model --top 0 [MASK]", &["--top is 0"]);
}

#[test]
fn a_vocabulary_or_weights_that_do_not_fit() {
    let place = Place::new();
    let model = place.bert("model", "BertForPreTraining");
    place.write(
        "book.txt",
        "some other words entirely, with quite a few more letters than the model's had\n".repeat(9),
    );
    place.succeed("tokenizer train --text book.txt --vocab-size 300 --out large");
    for command in
        ["embed --model model cat", "fill-mask --model model [MASK]", "next-sentence --model model a b"]
    {
        place.fail(
            &format!("{command} --tokenizer large"),
            &["the model has a vocabulary of", "do not belong"],
        );
    }
    let weights = fs::read(model.join("model.safetensors")).unwrap();
    for damaged in [&weights[..weights.len() / 2], &weights[..5], &[]] {
        fs::write(model.join("model.safetensors"), damaged).unwrap();
        place.fail("embed --model model cat", &["model.safetensors"]);
        place.fail("fill-mask --model model [MASK]", &["model.safetensors"]);
    }
    fs::remove_file(model.join("model.safetensors")).unwrap();
    place.fail("next-sentence --model model a b", &["model"]);
}
