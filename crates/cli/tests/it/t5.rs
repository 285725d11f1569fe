//! A T5 in the hands of the commands that use a model.

use std::fs;

use serde_json::Value;
use tercet_attention::Batch;
use tercet_generate::{EarlyStopping, GenerationConfig, generate};
use tercet_t5::{Config, InitPreset, Preset, T5ForConditionalGeneration, Version};
use tercet_tensor::Params;
use tercet_tokenizer::{Special, Tokenizer, Training};

use crate::Place;

/// A T5 of random weights with a vocabulary of some words.
struct Model {
    config: Config,
    model: T5ForConditionalGeneration,
    tokenizer: Tokenizer,
}

impl Model {
    /// Makes one, and writes it into the folder `model` as Hugging Face would.
    fn in_folder(place: &Place, version: Version) -> Self {
        let text = fs::read_to_string(place.text()).unwrap();
        let tokenizer = Training::unigram(250).run(text.lines()).unwrap();
        let config = Config {
            vocab_size: 256,
            d_model: 32,
            d_kv: 8,
            d_ff: 48,
            num_decoder_layers: Some(3),
            initializer_factor: 2.0,
            ..Preset::Tiny.config(version)
        };
        let params = Params::new();
        let model = T5ForConditionalGeneration::new(&params, &config, InitPreset::default());
        params.init(5);
        let folder = place.path("model");
        fs::create_dir(&folder).unwrap();
        config.save(&folder, &params, "T5ForConditionalGeneration").unwrap();
        tokenizer.save(&folder).unwrap();
        Self { config, model, tokenizer }
    }

    /// The lines that `generate` should print.
    fn answers(&self, prompts: &[&str], settings: GenerationConfig) -> String {
        let ids = |prompt: &&str| self.tokenizer.encode(prompt, Special::With).unwrap();
        let inputs = Batch::new(&prompts.iter().map(ids).collect::<Vec<_>>());
        let suppress_tokens = (self.tokenizer.vocab_size() as u32..256).collect();
        let settings =
            GenerationConfig { max_new_tokens: Some(12), eos_token_id: vec![1], suppress_tokens, ..settings };
        let mut session = self.model.session(&self.config, &inputs, 20);
        let starts = vec![[0]; prompts.len()];
        let written = generate(|step| session.step(step.parents, step.ids), &starts, &settings).unwrap();
        let line = |ids: &[u32]| {
            let ids: Vec<u32> = ids.iter().copied().filter(|&id| id > 1).collect();
            self.tokenizer.decode(&ids, Special::With).unwrap() + "\n"
        };
        written.iter().flatten().map(|output| line(&output.ids)).collect()
    }
}

const PROMPTS: [&str; 3] = ["tree clong", "mind <extra_id_0> stad bee trong <extra_id_1> my cloud", ""];

#[test]
fn every_strategy_answers_as_through_the_api() {
    for version in [Version::V1_0, Version::V1_1] {
        let place = Place::new();
        let model = Model::in_folder(&place, version);
        place.write("prompts.txt", PROMPTS.join("\n") + "\n\n");
        let mut all = Vec::new();
        let mut check = |flags: &str, settings: GenerationConfig| {
            let found = place.succeed(&format!(
                "generate --model model --prompts prompts.txt --max-new-tokens 12 {flags}"
            ));
            assert_eq!(found, model.answers(&[&PROMPTS[..], &[""]].concat(), settings), "{flags}");
            all.push(found);
        };
        let plain = GenerationConfig::default;
        check("", plain());
        check(
            "--no-repeat-ngram-size 2 --repetition-penalty 1.3 --min-new-tokens 5 --forced-eos",
            GenerationConfig {
                no_repeat_ngram_size: 2,
                repetition_penalty: 1.3,
                min_new_tokens: 5,
                forced_eos_token_id: vec![1],
                ..plain()
            },
        );
        check(
            "--num-beams 3 --num-return-sequences 2 --length-penalty 0.6 --early-stopping true",
            GenerationConfig {
                num_beams: 3,
                num_return_sequences: 2,
                length_penalty: 0.6,
                early_stopping: EarlyStopping::AtEnoughFinished,
                ..plain()
            },
        );
        check(
            "--num-beams 4 --length-penalty -1 --early-stopping never --no-repeat-ngram-size 1",
            GenerationConfig {
                num_beams: 4,
                length_penalty: -1.0,
                early_stopping: EarlyStopping::Never,
                no_repeat_ngram_size: 1,
                ..plain()
            },
        );
        check(
            "--top-k 9 --temperature 1.5 --seed 3 --num-return-sequences 3",
            GenerationConfig {
                do_sample: true,
                top_k: 9,
                temperature: 1.5,
                seed: 3,
                num_return_sequences: 3,
                ..plain()
            },
        );
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 5, "the settings differ, the answers do not");
    }
}

#[test]
fn an_answer_does_not_depend_on_the_batch_or_where_the_text_comes_from() {
    let place = Place::new();
    Model::in_folder(&place, Version::V1_1);
    place.write("prompts.txt", PROMPTS.join("\n") + "\n\n");
    let file = |flags: &str| {
        place.succeed(&format!("generate --model model --prompts prompts.txt --max-new-tokens 7 {flags}"))
    };
    let together = file("");
    for flags in ["--batch 1", "--batch 3", "--threads 1"] {
        assert_eq!(file(flags), together, "{flags}");
    }
    let lines: Vec<&str> = together.lines().collect();
    assert_eq!(lines.len(), 4);
    let alone = |prompt: &str| {
        let mut command = place.command("generate --model model --max-new-tokens 7");
        String::from_utf8(command.args(["--prompt", prompt]).output().unwrap().stdout).unwrap()
    };
    for (prompt, line) in PROMPTS.iter().zip(&lines) {
        assert_eq!(alone(prompt).trim_end_matches('\n'), *line);
    }
}

#[test]
fn a_bad_word_is_not_said() {
    let place = Place::new();
    Model::in_folder(&place, Version::V1_0);
    let generate = |flags: &str| {
        place.succeed(&format!("generate --model model --prompt tree --max-new-tokens 9 {flags}"))
    };
    let said = generate("");
    let word = said.split_whitespace().next().expect("a word").to_owned();
    let without = generate(&format!("--bad-words {word}"));
    assert!(!without.starts_with(&word), "{said}{without}");
}

#[test]
fn what_does_not_fit_is_told() {
    let place = Place::new();
    Model::in_folder(&place, Version::V1_0);
    place.fail("generate --model model --prompt a --num-return-sequences 2", &["num_return_sequences", "2"]);
    place.fail("generate --model model --prompt a --num-beams 2 --top-k 3", &["num_beams", "do_sample"]);
    place.fail("generate --model model --prompts missing.txt", &["missing.txt"]);
    place.fail("generate --model model --prompt a --batch 0", &["--batch"]);
    let other = Training::byte_level_bpe(280);
    let text = fs::read_to_string(place.path("book.txt")).unwrap();
    other.run(text.lines()).unwrap().save(place.path("other")).unwrap();
    place.fail("generate --model model --tokenizer other --prompt a", &["vocabulary of 256"]);
    place.write("spiece.model", "this is no model");
    place.fail(
        "generate --model model --tokenizer spiece.model --prompt a",
        &["spiece.model", "SentencePiece"],
    );
    place.write("model/config.json", r#"{"model_type": "bart"}"#);
    place.fail("generate --model model --prompt a", &["config.json", "bart", "gpt2 or t5"]);
    place.write("model/config.json", "{}");
    place.fail("generate --model model --prompt a", &["config.json", "model_type"]);
}

#[test]
fn inspection_counts_what_the_paper_counts() {
    let place = Place::new();
    place.write(
        "config.json",
        r#"{"model_type": "t5", "num_layers": 1, "num_heads": 2, "d_model": 16, "d_kv": 4, "d_ff": 32, "vocab_size": 90}"#,
    );
    let out = place.succeed("inspect --config config.json --batch 2 --seq 64 --steps 1000");
    // The encoder's block 4·16·8 + 2·16·32, the decoder's 8·16·8 + 2·16·32, shared 90·16, 7 norms of 16, and the
    // scores of 32 buckets twice for 2 heads.
    assert!(out.contains("parameters: 5,264"), "{out}");
    // 64·114/512 tokens are the answer of 64.
    for part in [
        "d_kv 4",
        "DenseReluDense.wi.weight",
        "2 × 64 tokens and 14 of answers",
        "1,000 steps, 156,000 tokens",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    Model::in_folder(&place, Version::V1_1);
    let out = place.succeed("inspect --model model --batch 1");
    for part in ["num_decoder_layers 3", "its own weights", "gated-gelu", "lm_head.weight"] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    place.fail("inspect --arch t5 --version 2", &["version is 2", "1.0 or 1.1"]);
    place.fail("inspect --arch gpt2 --version 1.1", &["--version"]);
}

#[test]
fn measurements_are_lines_of_json() {
    let place = Place::new();
    let line = |arguments: &str| -> Value { serde_json::from_str(&place.succeed(arguments)).unwrap() };
    let train = line("bench train --arch t5 --size tiny --batch 1 --seq 64 --steps 2 --threads 1");
    assert_eq!((&train["arch"], &train["T"], &train["target"]), (&"t5".into(), &64.into(), &14.into()));
    assert_eq!((&train["tokens"], &train["params"]), (&78.into(), &5_031_552.into()));
    // Every id is as likely as another to an untrained model.
    let uniform = 32128f64.ln();
    assert!((train["loss0"].as_f64().unwrap() - uniform).abs() < 1.0, "{train}");
    for arch in ["t5", "gpt2"] {
        let shape = "--size tiny --seq 9 --new 5 --beams 2 --reps 2 --threads 1";
        let written = line(&format!("bench generate --arch {arch} {shape}"));
        assert_eq!(
            (&written["arch"], &written["seq"], &written["beams"]),
            (&arch.into(), &"9+5".into(), &2.into())
        );
        for field in ["median_s", "min_s", "tok_s", "prompt_s", "step_ms", "params"] {
            assert!(written[field].as_f64().is_some_and(|x| x > 0.0), "{field} in {written}");
        }
    }
    place.fail("bench generate --new 0", &["--new"]);
    place.fail("bench train --size tiny --target 5", &["--target"]);
}
