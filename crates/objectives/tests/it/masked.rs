//! The pipeline against every instance that Google's original made of its sample text.

use std::io::Read;
use std::path::Path;

use serde_json::Value;
use tercet_objectives::masked::{self, Instance, Settings, Unit, Vocabulary};
use tercet_objectives::{Error, Ragged, Random};
use tokenizers::Tokenizer;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;

use crate::reference::{data, float, ids, json, number};

#[test]
fn instances_are_those_of_the_original() {
    let Some(case) = json("bert_pretraining_data/case.json") else { return };
    let vocabulary = data("shared/data/tokenizers/bert-base-uncased/vocab.txt");
    if !vocabulary.exists() {
        return println!("skipped: no {}", vocabulary.display());
    }
    let tokenizer = wordpiece(&vocabulary);
    let (mut runs, mut instances) = (0, 0);
    for run in case["runs"].as_array().expect("runs") {
        instances += check(run, &tokenizer);
        runs += 1;
    }
    println!("{runs} runs, {instances} instances checked");
}

fn check(run: &Value, tokenizer: &Tokenizer) -> usize {
    let name = run["output"].as_str().expect("a name");
    let id = |token: &str| tokenizer.token_to_id(token).expect(token);
    let vocabulary = Vocabulary {
        size: tokenizer.get_vocab_size(false),
        cls: id("[CLS]"),
        sep: id("[SEP]"),
        mask: id("[MASK]"),
    };
    let whole_words = run["do_whole_word_mask"].as_bool().expect("a bool");
    let settings = Settings {
        max_seq_length: number(&run["max_seq_length"]),
        dupe_factor: number(&run["dupe_factor"]),
        short_seq_prob: float(&run["short_seq_prob"]),
        masked_lm_prob: float(&run["masked_lm_prob"]),
        max_predictions_per_seq: number(&run["max_predictions_per_seq"]),
        unit: if whole_words { Unit::Word } else { Unit::Token },
        ..Settings::default()
    };
    let files = run["input_files"].as_array().expect("files");
    let documents: Vec<_> =
        files.iter().flat_map(|file| read(&data(file.as_str().expect("a path")), tokenizer)).collect();
    let continues = |id: u32| tokenizer.id_to_token(id).is_some_and(|token| token.starts_with("##"));
    let mut random = Random::new(run["random_seed"].as_u64().expect("a seed"));
    let found = masked::instances(&documents, &vocabulary, &settings, continues, &mut random).expect(name);

    let expected = stored(name, tokenizer);
    assert_eq!(found.len(), expected.len(), "{name}");
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "{name}, instance {i}");
    }
    assert_eq!(random.uniform(), float(&run["rng_random_after"]), "{name}: other draws");
    found.len()
}

/// The instances in a stored file.
fn stored(name: &str, tokenizer: &Tokenizer) -> Vec<Instance> {
    let path = data("shared/reference/bert_pretraining_data").join(name);
    let mut lines = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).expect(name))
        .read_to_string(&mut lines)
        .expect(name);
    let id = |token: &Value| tokenizer.token_to_id(token.as_str().expect("a token")).expect("a known token");
    let tokens = |list: &Value| list.as_array().expect("tokens").iter().map(id).collect::<Vec<u32>>();
    let instance = |line: &str| {
        let stored: Value = serde_json::from_str(line).expect(name);
        let segments = ids(&stored["segment_ids"]);
        let mut instance = Instance {
            ids: tokens(&stored["tokens"]),
            second_segment: segments.iter().position(|&segment| segment == 1).expect("two segments"),
            is_random_next: stored["is_random_next"].as_bool().expect("a bool"),
            targets: Default::default(),
        };
        instance.targets.rows = ids(&stored["masked_lm_positions"]);
        instance.targets.ids = tokens(&stored["masked_lm_labels"]);
        instance
    };
    lines.lines().map(instance).collect()
}

/// Documents between empty lines, a sentence a line.
fn read(path: &Path, tokenizer: &Tokenizer) -> Vec<Vec<Vec<u32>>> {
    let text = std::fs::read_to_string(path).expect("the sample text");
    let encode = |line: &str| tokenizer.encode(line.trim(), false).expect("encodes").get_ids().to_vec();
    let mut documents = vec![Vec::new()];
    for line in text.lines() {
        match encode(line) {
            ids if line.trim().is_empty() => {
                assert!(ids.is_empty());
                documents.push(Vec::new());
            }
            ids if ids.is_empty() => {}
            ids => documents.last_mut().expect("one at least").push(ids),
        }
    }
    documents.retain(|document| !document.is_empty());
    documents
}

/// The tokenizer of bert-base-uncased, from its vocabulary alone.
fn wordpiece(vocabulary: &Path) -> Tokenizer {
    let path = vocabulary.to_str().expect("a path in UTF-8").to_owned();
    let model = WordPiece::builder().files(path).unk_token("[UNK]".to_owned()).build().expect("a model");
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_normalizer(Some(BertNormalizer::new(true, true, None, true))).expect("a normalizer");
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer
}

const SMALL: Vocabulary = Vocabulary { size: 100, cls: 1, sep: 2, mask: 3 };

#[test]
fn instances_lie_end_to_end_in_a_batch() {
    let documents: Vec<Vec<Vec<u32>>> =
        (0..5).map(|d| (0..6).map(|s| vec![10 + d * 10 + s; 4]).collect()).collect();
    let settings = Settings { max_seq_length: 20, ..Settings::default() };
    let instances = masked::instances(&documents, &SMALL, &settings, |_| false, &mut Random::new(1)).unwrap();
    let batch = masked::batch(&instances);
    assert_eq!(batch.inputs, Ragged::from_sequences(instances.iter().map(|instance| &instance.ids)));
    assert_eq!(batch.next_sentence.len(), instances.len());
    assert_eq!(batch.segments.len(), batch.inputs.ids.len());
    for (i, instance) in instances.iter().enumerate() {
        let start = batch.inputs.starts[i];
        let segments = &batch.segments[start..batch.inputs.starts[i + 1]];
        assert_eq!(segments.iter().position(|&segment| segment == 1), Some(instance.second_segment));
        assert_eq!(instance.ids[instance.second_segment - 1], SMALL.sep);
    }
    let rows: Vec<u32> = batch.targets.rows.clone();
    assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(rows.iter().all(|&row| ![SMALL.cls, SMALL.sep].contains(&batch.inputs.ids[row as usize])));
}

#[test]
fn what_no_instance_can_be_made_of_is_named() {
    let message = |documents: &[Vec<Vec<u32>>], settings: Settings| {
        let result = masked::instances(documents, &SMALL, &settings, |_| false, &mut Random::new(0));
        result.unwrap_err().to_string()
    };
    assert_eq!(message(&[vec![vec![9]], vec![]], Settings::default()), "document 1: no sentence");
    assert_eq!(message(&[vec![vec![9], vec![]]], Settings::default()), "document 0: sentence 1 is empty");
    let short = Settings { max_seq_length: 4, ..Settings::default() };
    assert_eq!(message(&[vec![vec![9]]], short), "max_seq_length is 4, expected 5 or more");
    let often = Settings { random_next_prob: 1.5, ..Settings::default() };
    assert_eq!(message(&[vec![vec![9]]], often), "random_next_prob is 1.5, expected a number from 0 to 1");
    let replacement = masked::Replacement { keep: 0.5, ..masked::Replacement::google() };
    let shares = Settings { replacement, ..Settings::default() };
    assert_eq!(message(&[vec![vec![9]]], shares), "mask + random + keep is 1.4, expected a sum of 1");
    let foreign = Vocabulary { size: 3, ..SMALL };
    let result = masked::instances(&[], &foreign, &Settings::default(), |_| false, &mut Random::new(0));
    assert_eq!(
        result.unwrap_err().to_string(),
        "[CLS], [SEP] and [MASK] is 1, 2 and 3 of 3 ids, expected three ids of the vocabulary"
    );
    let result = masked::instances(&[], &SMALL, &Settings::default(), |_| false, &mut Random::new(0));
    assert_eq!(result, Ok::<_, Error>(vec![]));
}
