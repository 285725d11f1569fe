//! Ids, tokens, offsets and decodings of hard strings, made by Hugging Face's Python libraries.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tercet_tokenizer::{Input, Normalization, Special, Strategy, Tokenizer, Truncation};

use crate::{gpt2, shared};

fn cases(path: &Path, name: &str) -> Vec<Value> {
    let content: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let cases = content[name].as_array().unwrap().clone();
    println!("{} {name} of {}", cases.len(), path.display());
    assert!(!cases.is_empty());
    cases
}

/// The published tokenizers, under their names in the reference.
fn tokenizers() -> Option<Vec<(&'static str, Tokenizer)>> {
    let folder = shared("TERCET_DATA", "data")?.join("tokenizers");
    let chinese = folder.join("bert-base-chinese/vocab.txt");
    let (uncased, t5) = (folder.join("bert-base-uncased"), folder.join("t5-small"));
    let all = [
        ("gpt2", Tokenizer::open(folder.join("gpt2"))),
        ("bert-base-uncased", Tokenizer::open(&uncased)),
        ("bert-base-uncased", Tokenizer::from_vocab(uncased.join("vocab.txt"), Normalization::default())),
        ("bert-base-chinese", Tokenizer::from_vocab(chinese, Normalization::cased())),
        ("t5-small", Tokenizer::open(&t5)),
        ("t5-small", Tokenizer::from_spiece(t5.join("spiece.model"), 100)),
    ];
    Some(all.map(|(name, tokenizer)| (name, tokenizer.unwrap())).into())
}

fn each(check: impl Fn(&str, &Tokenizer, &Path)) {
    let (Some(folder), Some(tokenizers)) = (shared("TERCET_REFERENCE", "reference"), tokenizers()) else {
        return;
    };
    for (name, tokenizer) in tokenizers {
        check(name, &tokenizer, &folder.join("tokenizers").join(name).with_extension("json"));
    }
}

#[test]
fn every_string_of_the_reference_has_its_ids_tokens_offsets_and_decodings() {
    each(|name, tokenizer, path| {
        for case in cases(path, "cases") {
            let text = case["text"].as_str().unwrap();
            let what = format!("{name}: {text:?}");
            let plain = tokenizer.encode(text, Special::Without).unwrap();
            assert_eq!(json!(plain), case["ids_without_special_tokens"], "{what}");
            assert_eq!(json!(tokenizer.encode(text, Special::With).unwrap()), case["ids"], "{what}");

            let encoding = tokenizer.encoding(text, Special::With).unwrap();
            assert_eq!(json!(encoding.ids), case["ids"], "{what}");
            assert_eq!(json!(encoding.tokens), case["tokens"], "{what}");
            assert_eq!(json!(encoding.words), case["word_ids"], "{what}");
            let offsets: Vec<_> = encoding.offsets.iter().map(|bytes| [bytes.start, bytes.end]).collect();
            assert_eq!(json!(offsets), case["byte_offsets"], "{what}");

            for (special, decoding) in [
                (Special::With, "decode_skip_false_clean_false"),
                (Special::Without, "decode_skip_true_clean_false"),
            ] {
                let decoded = tokenizer.decode(&encoding.ids, special).unwrap();
                assert_eq!(decoded, case[decoding].as_str().unwrap(), "{decoding} of {what}");
            }
        }
    });
}

#[test]
fn chinese_text_in_lower_case_has_its_ids() {
    let (Some(folder), Some(data)) = (shared("TERCET_REFERENCE", "reference"), shared("TERCET_DATA", "data"))
    else {
        return;
    };
    let tokenizer = Tokenizer::open(data.join("tokenizers/bert-base-chinese")).unwrap();
    for case in cases(&folder.join("tokenizers/bert-base-chinese-lower.json"), "cases") {
        let text = case["text"].as_str().unwrap();
        assert_eq!(json!(tokenizer.encode(text, Special::With).unwrap()), case["ids"], "{text:?}");
    }
}

#[test]
fn pairs_are_joined_cut_and_windowed_as_in_the_reference() {
    each(|name, tokenizer, path| {
        for case in cases(path, "pairs") {
            let [a, b] = ["a", "b"].map(|text| case[text].as_str().unwrap());
            let whole = tokenizer.encoding((a, b), Special::With).unwrap();
            assert_eq!(json!(whole.ids), case["ids"], "{name}: {a:?}, {b:?}");
            assert_eq!(json!(whole.type_ids), case["token_type_ids"], "{name}: {a:?}, {b:?}");
            for (text, offsets) in whole.texts.iter().zip(&whole.offsets) {
                assert!(text.is_some() || *offsets == (0..0));
                assert!(text.is_none_or(|text| [a, b][text].get(offsets.clone()).is_some()));
            }
            for expected in case["truncated"].as_array().unwrap() {
                let strategy = match expected["strategy"].as_str().unwrap() {
                    "longest_first" => Strategy::LongestFirst,
                    "only_first" => Strategy::OnlyFirst,
                    _ => Strategy::OnlySecond,
                };
                let max_length = expected["max_length"].as_u64().unwrap() as usize;
                check_cut(tokenizer, (a, b).into(), Truncation { max_length, strategy }, expected);
            }
            for expected in case["single_truncated"].as_array().unwrap() {
                let max_length = expected["max_length"].as_u64().unwrap() as usize;
                check_cut(tokenizer, a.into(), Truncation::new(max_length), expected);
            }
        }
    });
}

/// The cut text and its windows; an error where the reference has one.
fn check_cut(tokenizer: &Tokenizer, input: Input, truncation: Truncation, expected: &Value) {
    let what = format!("{input:?}, {truncation:?}");
    let cut = tokenizer.truncated(input, Special::With, truncation);
    assert_eq!(cut.is_err(), expected["ids"].is_object(), "{what}");
    if let Ok(cut) = cut {
        assert_eq!(json!(cut.ids), expected["ids"], "{what}");
    }
    for (stride, name) in [(0, "windows_stride_0"), (2, "windows_stride_2")] {
        let Some(expected) = expected.get(name) else { continue };
        let windows = tokenizer.windows(input, Special::With, truncation, stride);
        assert_eq!(windows.is_err(), expected.is_object(), "{what}, {name}");
        if let Ok(windows) = windows {
            let ids: Vec<_> = windows.iter().map(|window| &window.ids).collect();
            assert_eq!(json!(ids), *expected, "{what}, {name}");
        }
    }
}

/// A ragged batch has no padding, so the reference's is taken away.
#[test]
fn batches_are_those_of_the_reference_without_its_padding() {
    each(|name, tokenizer, path| {
        for batch in cases(path, "batches") {
            let cut = batch["arguments"]["truncation"].as_bool() == Some(true);
            let max_length = batch["arguments"]["max_length"].as_u64().filter(|_| cut);
            let truncation = Truncation::new(max_length.map_or(usize::MAX, |length| length as usize));
            for (i, text) in batch["texts"].as_array().unwrap().iter().enumerate() {
                let encoding =
                    tokenizer.truncated(text.as_str().unwrap(), Special::With, truncation).unwrap();
                let mask = batch["attention_mask"][i].as_array().unwrap();
                let real = |name: &str| -> Vec<_> {
                    let row = batch[name][i].as_array().unwrap().iter().zip(mask);
                    row.filter(|(_, mask)| **mask == json!(1)).map(|(value, _)| value.clone()).collect()
                };
                assert_eq!(json!(encoding.ids), json!(real("ids")), "{name}: {text}");
                assert_eq!(json!(encoding.type_ids), json!(real("token_type_ids")), "{name}: {text}");
            }
        }
    });
}

#[test]
fn every_string_of_the_vectors_has_its_ids_and_decodes() {
    let (Some(folder), Some(tokenizer)) = (shared("TERCET_DATA", "data"), gpt2()) else { return };
    assert_ne!(tokenizer.fingerprint(), tokenizer.clone().spelling_special_tokens().fingerprint());
    let tokenizer = tokenizer.spelling_special_tokens();
    let cases = cases(&folder.join("reference/tokenizer_vectors.json"), "cases");
    let texts: Vec<_> = cases.iter().map(|case| case["text"].as_str().unwrap()).collect();
    let batch = tokenizer.encode_batch(&texts, Special::Without).unwrap();
    for ((case, text), ids) in cases.iter().zip(texts).zip(batch) {
        assert_eq!(json!(ids), case["gpt2"]["ids"], "{text:?}");
        let decoded = tokenizer.decode(&ids, Special::With).unwrap();
        assert_eq!(decoded, case["gpt2"]["decoded"].as_str().unwrap(), "{text:?}");
    }
}

#[test]
fn bert_and_t5_give_the_vectors_ids() {
    let (Some(folder), Some(tokenizers)) = (shared("TERCET_DATA", "data"), tokenizers()) else { return };
    let cases = cases(&folder.join("reference/tokenizer_vectors.json"), "cases");
    for (name, tokenizer) in tokenizers {
        let key = match name {
            "bert-base-uncased" => "bert_uncased",
            "t5-small" => "t5_json",
            _ => continue,
        };
        for case in &cases {
            let text = case["text"].as_str().unwrap();
            let encoding = tokenizer.encoding(text, Special::With).unwrap();
            assert_eq!(json!(encoding.ids), case[key]["ids"], "{name}: {text:?}");
            if name == "bert-base-uncased" {
                assert_eq!(json!(encoding.tokens), case[key]["tokens"], "{name}: {text:?}");
            }
        }
    }
}

/// SentencePiece itself knows no special token in a text; nor does a tokenizer that spells them.
#[test]
fn spelled_special_tokens_have_the_ids_of_sentence_piece() {
    let (Some(folder), Some(tokenizers)) = (shared("TERCET_DATA", "data"), tokenizers()) else { return };
    let cases = cases(&folder.join("reference/tokenizer_vectors.json"), "cases");
    for (_, tokenizer) in tokenizers.into_iter().filter(|(name, _)| *name == "t5-small") {
        let spelling = tokenizer.clone().spelling_special_tokens();
        assert_ne!(spelling.fingerprint(), tokenizer.fingerprint());
        let mut differ = 0;
        for case in &cases {
            let text = case["text"].as_str().unwrap();
            let ids = spelling.encode(text, Special::Without).unwrap();
            assert_eq!(json!(ids), case["t5_spm"]["ids"], "{text:?}");
            differ += usize::from(ids != tokenizer.encode(text, Special::Without).unwrap());
        }
        assert_eq!(differ, 24, "the texts with special tokens");
        let hostile = "a</s>b <extra_id_3> c";
        let ids = spelling.encode(hostile, Special::Without).unwrap();
        assert!(ids.iter().all(|&id| (2..32000).contains(&id)), "{ids:?}");
        let folder = tempfile::tempdir().unwrap();
        spelling.save(folder.path()).unwrap();
        assert_eq!(Tokenizer::open(folder.path()).unwrap().fingerprint(), tokenizer.fingerprint());
    }
}

#[test]
fn the_texts_of_two_trained_models_have_their_ids() {
    let Some(data) = shared("TERCET_DATA", "data") else { return };
    let tokenizer = Tokenizer::open(data.join("models/all-MiniLM-L6-v2-f16")).unwrap();
    for case in cases(&data.join("reference/all_minilm_l6_v2.json"), "cases") {
        let text = case["text"].as_str().unwrap();
        assert_eq!(json!(tokenizer.encode(text, Special::With).unwrap()), case["input_ids"], "{text:?}");
    }
    let pattern = r"(\%\([0-9]{3}\)|\[[^\]]+]|Br?|Cl?|N|O|S|P|F|I|b|c|n|o|s|p|\||\(|\)|\.|=|#|-|\+|\\|\/|:|~|@|\?|>>?|\*|\$|\%[0-9]{2}|[0-9])";
    let vocab = data.join("models/rxnfp-bert-pretrained/vocab.txt");
    let tokenizer = Tokenizer::from_vocab_and_pattern(vocab, pattern).unwrap();
    for case in cases(&data.join("reference/rxnfp_bert_pretrained.json"), "cases") {
        let text = case["reaction"].as_str().unwrap();
        let encoding = tokenizer.encoding(text, Special::With).unwrap();
        assert_eq!(json!(encoding.tokens), case["tokens"], "{text:?}");
        assert_eq!(tokenizer.decode(&encoding.ids, Special::Without).unwrap(), text);
        assert_eq!(json!(encoding.ids), case["ids"], "{text:?}");
    }
}

#[test]
fn one_vocabulary_in_two_forms_is_one_tokenizer() {
    let Some(tokenizers) = tokenizers() else { return };
    for same in [1, 4] {
        let [(name, a), (_, b)] = [&tokenizers[same], &tokenizers[same + 1]];
        assert_eq!(a.fingerprint(), b.fingerprint(), "{name}");
        assert_eq!((a.vocab_size(), a.end_of_text()), (b.vocab_size(), b.end_of_text()), "{name}");
    }
    let sentinels = tokenizers[5].1.sentinels();
    assert_eq!(sentinels, (32000..32100).rev().collect::<Vec<_>>());
    assert!(tokenizers[1].1.sentinels().is_empty());
}

#[test]
fn the_published_vocabulary_has_its_size_and_end_of_text() {
    let Some(tokenizer) = gpt2() else { return };
    assert_eq!(tokenizer.vocab_size(), 50257);
    assert_eq!(tokenizer.end_of_text(), Some(50256));
    assert_eq!(tokenizer.token_to_id("Ġthe"), Some(262));
    assert_eq!(tokenizer.id_to_token(262).as_deref(), Some("Ġthe"));
    let text = "one<|endoftext|>two";
    assert_eq!(tokenizer.encode(text, Special::Without).unwrap(), [505, 50256, 11545]);
    assert_eq!(tokenizer.decode(&[505, 50256, 11545], Special::Without).unwrap(), "onetwo");
    assert_eq!(tokenizer.decode(&[505, 50256, 11545], Special::With).unwrap(), text);
}
