use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use tercet_data::{Corpus, DocumentSplit, Error, TokenStore};
use tercet_tokenizer::{Special, Training};

use crate::tokenizer;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    compress_to_vec(text.as_bytes(), CompressionLevel::Fastest)
}

fn documents(path: impl AsRef<Path>, split: DocumentSplit) -> Result<Vec<String>, Error> {
    Corpus::open(&[path], split)?.documents().collect()
}

/// The documents of a file with this content.
fn split(content: impl AsRef<[u8]>, name: &str, split: DocumentSplit) -> Result<Vec<String>, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    documents(path, split)
}

#[test]
fn a_text_is_cut_into_documents_as_asked() {
    let text = "one\ntwo\r\n\r\n \t\nthree\n<|endoftext|>\nfour\n\n";
    let cut = |how| split(text, "a.txt", how).unwrap();
    assert_eq!(cut(DocumentSplit::File), [text]);
    assert_eq!(cut(DocumentSplit::BlankLines), ["one\ntwo", "three\n<|endoftext|>\nfour"]);
    assert_eq!(cut(DocumentSplit::Lines), ["one", "two", "three", "<|endoftext|>", "four"]);
    let marker = DocumentSplit::Marker("<|endoftext|>".into());
    assert_eq!(cut(marker), ["one\ntwo\r\n\r\n \t\nthree", "four\n\n"]);
}

#[test]
fn a_heading_begins_a_document() {
    let text =
        " \n = One = \n \n first \n = = Part = = \n more \n\n = Two words = \n = \n== Three ==\n = Four = ";
    let documents = split(text, "a.txt", DocumentSplit::Headings).unwrap();
    let trimmed: Vec<&str> = documents.iter().map(|document| document.trim()).collect();
    let first = "= One = \n \n first \n = = Part = = \n more";
    assert_eq!(trimmed, [first, "= Two words = \n = \n== Three ==", "= Four ="]);
    assert_eq!(split("one\n\ntwo", "a.txt", DocumentSplit::Headings).unwrap(), ["one\n\ntwo"]);
}

#[test]
fn json_lines_are_documents() {
    let lines = "{\"id\": 1, \"text\": \"a\\nb\"}\n\n{\"text\": \"\"}\n{\"text\": \"ü\"}";
    for name in ["a.jsonl", "a.ndjson", "a.json", "A.JSONL"] {
        assert_eq!(split(lines, name, DocumentSplit::Lines).unwrap(), ["a\nb", "ü"]);
    }
}

#[test]
fn compressed_files_are_read_through_also_in_several_frames() {
    for name in ["a.txt", "a.jsonl"] {
        let (first, second) = ("{\"text\": \"first\"}\n", "{\"text\": \"second, \u{1f600}\"}\n");
        let plain = split(format!("{first}{second}"), name, DocumentSplit::File).unwrap();
        let gz = [gzip(first), gzip(second)].concat();
        assert_eq!(split(gz, &format!("{name}.gz"), DocumentSplit::File).unwrap(), plain);
        let skipped = [&0x184d_2a50_u32.to_le_bytes()[..], &3u32.to_le_bytes(), b"xyz"].concat();
        let zst = [zstd(first), skipped, zstd(second)].concat();
        assert_eq!(split(zst, &format!("{name}.zst"), DocumentSplit::File).unwrap(), plain);
    }
}

#[test]
fn damaged_compression_is_named() {
    let text = "some text that is long enough to be cut short ".repeat(3000);
    for (name, mut bytes) in [("a.txt.gz", gzip(&text)), ("a.txt.zst", zstd(&text))] {
        let middle = bytes.len() - 20;
        let error = split(&bytes[..middle], name, DocumentSplit::File).unwrap_err();
        assert!(matches!(&error, Error::Io { path, .. } if path.ends_with(name)), "{error}");
        let last = bytes.len() - 6;
        bytes[last] ^= 0x55;
        assert!(matches!(split(&bytes, name, DocumentSplit::File), Err(Error::Io { .. })), "{name}");
    }
}

#[test]
fn folders_and_patterns_are_read_in_order_of_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::create_dir_all(path.join("b/c")).unwrap();
    for (name, text) in [
        ("z.txt", "z"),
        ("a.txt", "a"),
        ("b/c/d.md", "d"),
        (".hidden.txt", "hidden"),
        ("b/picture.png", "no text"),
    ] {
        fs::write(path.join(name), text).unwrap();
    }
    fs::write(path.join("b/e.jsonl.gz"), gzip("{\"text\": \"e\"}")).unwrap();
    assert_eq!(documents(path, DocumentSplit::File).unwrap(), ["a", "d", "e", "z"]);
    assert_eq!(documents(path.join("?.txt"), DocumentSplit::File).unwrap(), ["a", "z"]);
    assert_eq!(documents(path.join("**/*.md"), DocumentSplit::File).unwrap(), ["d"]);
    assert_eq!(
        documents(path.join("b/picture.png"), DocumentSplit::File).unwrap(),
        ["no text"],
        "named itself"
    );
}

#[test]
fn bad_input_is_named_with_its_place() {
    let message =
        |content: &[u8], name: &str| split(content, name, DocumentSplit::File).unwrap_err().to_string();
    let ends = |message: String, end: &str| assert!(message.ends_with(end), "{message}");
    ends(message(b"one\ntw\xffo\n", "a.txt"), "a.txt:2: not UTF-8 at byte 6 of the text");
    ends(message(b"one\ntwo\n\xe2\x82", "a.txt"), "a.txt:3: not UTF-8 at byte 8 of the text");
    ends(message(b"", "a.txt"), "a.txt: there is no text in it");
    ends(message(b" \n\n", "a.txt"), "a.txt: there is no text in it");
    ends(message(b"\n\n", "a.jsonl"), "a.jsonl: there is no text in it");
    let record = "expected a JSON object with a string `text`, found";
    ends(
        message(b"{\"text\": \"a\"}\n{\"tex\": 1}\n", "a.jsonl"),
        &format!("a.jsonl:2: {record} missing field `text`"),
    );
    ends(
        message(b"\n{\"text\": 1}\n", "a.jsonl"),
        &format!("a.jsonl:2: {record} invalid type: integer `1`, expected a string"),
    );
    ends(message(b"{\"text\": \"a", "a.jsonl"), &format!("a.jsonl:1: {record} EOF while parsing a string"));

    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| Corpus::open(&[folder.path().join(name)], DocumentSplit::File).unwrap_err();
    assert!(matches!(open("missing.txt"), Error::Io { .. }));
    assert!(matches!(open("*.txt"), Error::NoFiles { .. }));
    assert!(matches!(open(""), Error::NoFiles { .. }));
    assert!(matches!(open("[x.txt"), Error::Setting { .. }));
}

#[test]
fn errors_far_into_a_long_line_have_their_place_too() {
    let mut text = "é".repeat(100_000).into_bytes();
    assert_eq!(split(&text, "a.txt", DocumentSplit::File).unwrap()[0].len(), 200_000);
    text.extend(b"\nx\xc3");
    let error = split(&text, "a.txt", DocumentSplit::File).unwrap_err();
    assert!(matches!(error, Error::NotUtf8 { line: 2, offset: 200_002, .. }), "{error}");
}

#[test]
fn pieces_are_bounded_and_make_up_the_text() {
    let words = "the cat, and   the dog's\n\n mat ".repeat(20_000);
    let unbroken = "x".repeat(3 << 20);
    let json = format!("{{\"text\": {}}}\n", serde_json::to_string(&words).unwrap());
    let folder = tempfile::tempdir().unwrap();
    for (name, content, text, most) in [
        ("a.txt", &words, &words, 1 << 15),
        ("b.txt", &unbroken, &unbroken, 1 << 20),
        ("c.jsonl", &json, &words, 1 << 15),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let corpus = Corpus::open(&[path], DocumentSplit::File).unwrap();
        let pieces: Vec<_> = corpus.pieces().map(Result::unwrap).collect();
        assert!(pieces.iter().all(|piece| piece.text.len() <= most), "{name}");
        assert!(pieces.len() > 2 && pieces[..pieces.len() - 1].iter().all(|piece| !piece.ends_document));
        assert_eq!(corpus.documents().map(Result::unwrap).collect::<Vec<_>>(), [text.as_str()]);
        assert_eq!(pieces.last().unwrap().bytes_read, corpus.bytes());
    }
}

#[test]
fn a_text_in_pieces_has_the_ids_of_the_whole() {
    let Some(data) = crate::shared("data") else { return };
    let tokenizer = tercet_tokenizer::Tokenizer::open(data.join("tokenizers/gpt2")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (i, name) in
        ["wikitext-2/valid.txt", "tinyshakespeare/input.txt", "botchan/botchan.txt"].iter().enumerate()
    {
        let path = data.join("corpora").join(name);
        let whole = fs::read_to_string(&path).unwrap();
        let corpus = Corpus::open(&[path], DocumentSplit::File).unwrap();
        assert!(corpus.pieces().count() > 5);
        let store = folder.path().join(i.to_string());
        let store =
            TokenStore::open_or_build(store, &corpus, &tokenizer, tokenizer.end_of_text(), |_| {}).unwrap();
        let mut ids = Vec::new();
        store.read(0..store.tokens(), &mut ids).unwrap();
        assert_eq!(ids.pop(), tokenizer.end_of_text());
        assert_eq!(ids, tokenizer.encode(&whole, Special::Without).unwrap(), "{name}");
        store.verify().unwrap();
    }
}

#[test]
fn a_tokenizer_is_trained_on_all_files_and_a_bad_one_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "aaaa bbbb").unwrap();
    fs::write(folder.path().join("b.txt"), "cccc dddd").unwrap();
    let train = || {
        let corpus = Corpus::open(&[folder.path()], DocumentSplit::File).unwrap();
        let mut bytes = 0;
        corpus
            .train_tokenizer(&Training::characters(), |read| bytes = read)
            .map(|trained| (trained.vocab_size(), bytes))
    };
    assert_eq!(train().unwrap(), (5, 18));
    fs::write(folder.path().join("c.txt"), b"\xff").unwrap();
    assert!(matches!(train(), Err(Error::NotUtf8 { line: 1, offset: 0, .. })));
}

#[test]
fn an_error_while_a_store_is_made_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = File::create(folder.path().join("a.txt")).unwrap();
    for _ in 0..100_000 {
        file.write_all(b"the cat sat on the mat and the dog sat on the log, until the end of the text\n")
            .unwrap();
    }
    file.write_all(b"\xff\n").unwrap();
    let corpus = Corpus::open(&[folder.path()], DocumentSplit::File).unwrap();
    let path = folder.path().join("made/a.ids");
    let error = TokenStore::open_or_build(&path, &corpus, &tokenizer(), None, |_| {}).unwrap_err();
    assert!(matches!(error, Error::NotUtf8 { line: 100_001, .. }), "{error}");
    assert_eq!(fs::read_dir(folder.path().join("made")).unwrap().count(), 0);
}
