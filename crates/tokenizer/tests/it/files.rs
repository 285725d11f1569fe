use std::fs;

use tercet_tokenizer::{Error, Special, Tokenizer, Training};

const TEXT: &str = "the cat and the hat and the bat <|endoftext|> naïve 👍\n";

fn trained() -> Tokenizer {
    Training::byte_level_bpe(270).run(std::iter::repeat_n(TEXT, 9)).unwrap()
}

#[test]
fn every_form_that_is_saved_opens_to_the_same_tokenizer() {
    for tokenizer in [trained(), Training::characters().run([TEXT].iter()).unwrap()] {
        let folder = tempfile::tempdir().unwrap();
        tokenizer.save(folder.path()).unwrap();
        let json_file = Tokenizer::open(folder.path().join("tokenizer.json")).unwrap();
        for again in [Tokenizer::open(folder.path()).unwrap(), json_file] {
            assert_eq!(again.fingerprint(), tokenizer.fingerprint());
            assert_eq!(again.end_of_text(), tokenizer.end_of_text());
            assert_eq!(again.vocab_size(), tokenizer.vocab_size());
            let ids = tokenizer.encode(TEXT, Special::Without).unwrap();
            assert_eq!(again.encode(TEXT, Special::Without).unwrap(), ids);
            assert_eq!(again.decode(&ids, Special::With).unwrap(), TEXT);
        }
    }
}

#[test]
fn the_pair_of_files_is_the_tokenizer_too() {
    let (tokenizer, folder) = (trained(), tempfile::tempdir().unwrap());
    tokenizer.save(folder.path()).unwrap();
    fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
    let again = Tokenizer::open(folder.path()).unwrap();
    assert_eq!(again.fingerprint(), tokenizer.fingerprint());
    let ids = tokenizer.encode(TEXT, Special::Without).unwrap();
    assert_eq!(again.encode(TEXT, Special::Without).unwrap(), ids);
    let names = |folder: &std::path::Path| -> Vec<_> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(
        names(folder.path()),
        ["merges.txt", "tokenizer_config.json", "vocab.json"],
        "no litter is left"
    );
}

#[test]
fn what_is_missing_or_damaged_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let message = |path: &std::path::Path| Tokenizer::open(path).unwrap_err().to_string();
    assert!(matches!(Tokenizer::open(path), Err(Error::NoTokenizer { .. })));
    assert!(message(&path.join("nothing")).contains("nothing: No such file"));

    fs::write(path.join("tokenizer.json"), "{\"version\": ").unwrap();
    assert!(message(path).contains("tokenizer.json: EOF"), "{}", message(path));
    fs::write(path.join("tokenizer.json"), r#"{"model": {"vocab": {"a": 0}, "merges": [["a", "b"]]}}"#)
        .unwrap();
    assert!(message(path).contains(r#"merge 0: "b" of the merge of "a" and "b""#), "{}", message(path));
    fs::remove_file(path.join("tokenizer.json")).unwrap();

    fs::write(path.join("vocab.json"), r#"{"a": 0, "b": 1}"#).unwrap();
    fs::write(path.join("merges.txt"), "#version: 0.2\na b\n").unwrap();
    assert!(message(path).contains(r#"merges.txt: line 2: "ab" of the merge"#), "{}", message(path));
    fs::write(path.join("merges.txt"), "ab\n").unwrap();
    assert!(message(path).contains("line 1: expected two tokens and one space"), "{}", message(path));
    fs::write(path.join("vocab.json"), r#"{"a": -1}"#).unwrap();
    assert!(message(path).contains("vocab.json: invalid value"), "{}", message(path));
}

#[test]
fn a_published_tokenizer_json_of_another_kind_opens() {
    let Some(folder) = crate::shared("TERCET_DATA", "data") else { return };
    for (name, size, end) in [("bert-base-uncased", 30522, Some(102)), ("t5-small", 32100, Some(1))] {
        let tokenizer = Tokenizer::open(folder.join("tokenizers").join(name)).unwrap();
        assert_eq!((tokenizer.vocab_size(), tokenizer.end_of_text()), (size, end), "{name}");
    }
}
