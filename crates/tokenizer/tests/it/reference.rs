//! Ids, tokens, offsets and decodings of hard strings, made by Hugging Face's Python libraries.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tercet_tokenizer::{Special, Tokenizer};

use crate::{gpt2, shared};

fn cases(path: &Path) -> Vec<Value> {
    let content: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    content["cases"].as_array().unwrap().clone()
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect()
}

fn ids(tokenizer: &Tokenizer, text: &str, special: Special) -> Vec<u64> {
    tokenizer.encode(text, special).unwrap().into_iter().map(u64::from).collect()
}

#[test]
fn every_string_of_the_reference_has_its_ids_tokens_offsets_and_decodings() {
    let (Some(folder), Some(tokenizer)) = (shared("TERCET_REFERENCE", "reference"), gpt2()) else { return };
    let cases = cases(&folder.join("tokenizers/gpt2.json"));
    for case in &cases {
        let text = case["text"].as_str().unwrap();
        assert_eq!(ids(&tokenizer, text, Special::With), numbers(&case["ids"]), "{text:?}");
        let plain = numbers(&case["ids_without_special_tokens"]);
        assert_eq!(ids(&tokenizer, text, Special::Without), plain, "{text:?}");

        let encoding = tokenizer.encoding(text, Special::With).unwrap();
        let wide: Vec<u64> = encoding.ids.iter().map(|&id| id.into()).collect();
        assert_eq!(wide, numbers(&case["ids"]), "{text:?}");
        assert_eq!(serde_json::json!(encoding.tokens), case["tokens"], "{text:?}");
        assert_eq!(serde_json::json!(encoding.words), case["word_ids"], "{text:?}");
        let offsets: Vec<_> = encoding.offsets.iter().map(|bytes| [bytes.start, bytes.end]).collect();
        assert_eq!(serde_json::json!(offsets), case["byte_offsets"], "{text:?}");

        for (special, name) in [
            (Special::With, "decode_skip_false_clean_false"),
            (Special::Without, "decode_skip_true_clean_false"),
        ] {
            let decoded = tokenizer.decode(&encoding.ids, special).unwrap();
            assert_eq!(decoded, case[name].as_str().unwrap(), "{name} of {text:?}");
        }
    }
    println!("{} strings", cases.len());
    assert!(!cases.is_empty());
}

#[test]
fn every_string_of_the_vectors_has_its_ids_and_decodes() {
    let (Some(folder), Some(tokenizer)) = (shared("TERCET_DATA", "data"), gpt2()) else { return };
    assert_ne!(tokenizer.fingerprint(), tokenizer.clone().spelling_special_tokens().fingerprint());
    let tokenizer = tokenizer.spelling_special_tokens();
    let cases = cases(&folder.join("reference/tokenizer_vectors.json"));
    let texts: Vec<_> = cases.iter().map(|case| case["text"].as_str().unwrap()).collect();
    let batch = tokenizer.encode_batch(&texts, Special::Without).unwrap();
    for ((case, text), ids) in cases.iter().zip(texts).zip(batch) {
        assert_eq!(serde_json::json!(ids), case["gpt2"]["ids"], "{text:?}");
        let decoded = tokenizer.decode(&ids, Special::With).unwrap();
        assert_eq!(decoded, case["gpt2"]["decoded"].as_str().unwrap(), "{text:?}");
    }
    println!("{} strings", cases.len());
    assert!(!cases.is_empty());
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
