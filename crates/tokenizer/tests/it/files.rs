use std::fs;

use tercet_tokenizer::{Algorithm, Error, Normalization, Special, Tokenizer, Training};

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
fn word_piece_and_unigram_open_from_what_was_saved() {
    let cased = Algorithm::WordPiece(Normalization::cased());
    let cased = Training { algorithm: cased, ..Training::word_piece(60) };
    for (training, files) in [
        (Training::word_piece(60), vec!["tokenizer.json", "vocab.txt"]),
        (cased, vec!["tokenizer.json", "vocab.txt"]),
        (Training::unigram(140), vec!["tokenizer.json"]),
    ] {
        let tokenizer = training.run(std::iter::repeat_n(TEXT, 9)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        tokenizer.save(folder.path()).unwrap();
        for file in files {
            let again = Tokenizer::open(folder.path()).unwrap();
            assert_eq!(again.fingerprint(), tokenizer.fingerprint(), "{file}");
            assert_eq!(again.end_of_text(), tokenizer.end_of_text());
            for pair in [("The Hat", "naïve 👍 <extra_id_3>"), ("cat [MASK] bat", "")] {
                let encoding = tokenizer.encoding(pair, Special::With).unwrap();
                assert_eq!(again.encoding(pair, Special::With).unwrap(), encoding, "{file}");
            }
            fs::remove_file(folder.path().join(file)).unwrap();
        }
    }
}

#[test]
fn what_is_not_a_spiece_model_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spiece.model");
    let piece = |text: &str, kind: u8| [&[10, text.len() as u8], text.as_bytes(), &[24, kind]].concat();
    let message = |pieces: &[Vec<u8>], rest: &[u8]| {
        let pieces: Vec<_> =
            pieces.iter().map(|it| [&[10, it.len() as u8], it.as_slice()].concat()).collect();
        fs::write(&path, [&pieces.concat(), rest].concat()).unwrap();
        Tokenizer::open(folder.path()).map_err(|e| e.to_string())
    };
    let normal = [piece("<unk>", 2), piece("</s>", 3), piece("▁a", 1)];
    let tokenizer = message(&normal, &[]).unwrap();
    assert_eq!(tokenizer.encode("a", Special::With).unwrap(), [2, 1]);
    assert_eq!((tokenizer.vocab_size(), tokenizer.sentinels()[0]), (103, 102));
    for (pieces, rest, found) in [
        (&normal[..], &b"version https://git-lfs"[..], "wire type 6 at byte 31"),
        (&[], b"{\"model\": {}}", "wire type 3 at byte 0"),
        (&[], b"", "0 pieces, 0 of them for the unknown"),
        (&normal[1..], b"", "2 pieces, 0 of them for the unknown"),
        (&normal, &[10, 99, 1], "a field of 99 bytes where 1 are left"),
        (&normal, &[0xff; 11], "a number of more than ten bytes"),
        (&normal, &[18, 2, 24, 2], "a model of type 2 (BPE)"),
        (&normal, &[26, 2, 24, 0], "a normaliser without dummy prefix"),
        (&[vec![10, 1, 0xff]], b"", "a piece that is not UTF-8"),
    ] {
        let message = message(pieces, rest).unwrap_err();
        assert!(
            message.contains("spiece.model: expected a SentencePiece Unigram model, found "),
            "{message}"
        );
        assert!(message.contains(found), "{message}");
    }
}

#[test]
fn a_vocabulary_without_special_tokens_and_a_bad_pattern_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vocab.txt");
    fs::write(&path, "[UNK]\n[CLS]\na\n").unwrap();
    let message = Tokenizer::open(folder.path()).unwrap_err().to_string();
    assert!(message.contains("vocab.txt: expected [SEP] among the entries, found 3 without it"), "{message}");
    fs::write(&path, "[UNK]\n[CLS]\n[SEP]\nCl\n").unwrap();
    let message = Tokenizer::from_vocab_and_pattern(&path, "(").unwrap_err().to_string();
    assert!(message.contains("the pattern \"(\" is not a regular expression"), "{message}");
    let tokenizer = Tokenizer::from_vocab_and_pattern(&path, r"Cl?|\[[^\]]+\]").unwrap();
    assert_eq!(tokenizer.encode("ClCl[SEP]C", Special::With).unwrap(), [1, 3, 3, 2, 0, 2]);
    let spelling = tokenizer.spelling_special_tokens();
    assert_eq!(spelling.encode("ClCl[SEP]C", Special::Without).unwrap(), [3, 3, 0, 0]);
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
