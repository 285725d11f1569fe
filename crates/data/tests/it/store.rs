use std::fs;

use proptest::prelude::*;
use tercet_data::{Corpus, DocumentSplit, Error, Progress, StoreWriter, TokenStore};
use tercet_tokenizer::{Fingerprint, Special, Training};

use crate::{counting, tokenizer};

fn all(store: &TokenStore) -> Result<Vec<u32>, Error> {
    let mut ids = Vec::new();
    store.read(0..store.tokens(), &mut ids)?;
    Ok(ids)
}

#[test]
fn ids_come_back_in_two_bytes_and_in_four() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ids");
    for (vocab_size, bytes) in [(65_536, 2), (65_537, 4), (1, 2)] {
        let store = counting(&path, vocab_size, &[300_000, 0, 5]);
        let expected: Vec<u32> = (0..300_005).map(|id| id % vocab_size as u32).collect();
        assert_eq!(all(&store).unwrap(), expected);
        assert_eq!((store.documents(), store.vocab_size()), (3, vocab_size));
        assert_eq!(store.document(0).unwrap(), 0..300_000);
        assert_eq!(store.document(1).unwrap(), 300_000..300_000);
        assert_eq!(store.document(2).unwrap(), 300_000..300_005);
        store.verify().unwrap();
        let mut some = vec![9];
        store.read(100_000..100_003, &mut some).unwrap();
        assert_eq!(some[1..], expected[100_000..100_003]);
        let length = fs::metadata(&path).unwrap().len();
        assert_eq!(length / 1000, 300_005 * bytes / 1000, "{length} bytes");
    }
}

#[test]
fn an_id_beyond_the_vocabulary_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let hash = Fingerprint::of(b"");
    let mut writer = StoreWriter::create(folder.path().join("ids"), 10, hash, hash).unwrap();
    assert!(matches!(writer.push(&[3, 10]), Err(Error::Id { id: 10, vocab_size: 10 })));
}

#[test]
fn a_store_that_is_not_finished_leaves_the_old_one_and_no_litter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ids");
    counting(&path, 10, &[4]);
    let names = || -> Vec<String> {
        let entries = fs::read_dir(folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let hash = Fingerprint::of(b"");
    let mut writer = StoreWriter::create(&path, 10, hash, hash).unwrap();
    writer.push_document(&[1; 1000]).unwrap();
    assert_eq!(names().len(), 2);
    drop(writer);
    assert_eq!(names(), ["ids"]);
    assert_eq!(TokenStore::open(&path).unwrap().tokens(), 4);

    // What a killed writer leaves is removed by the next one, what a living one holds is not.
    fs::write(folder.path().join(".ids.partial-killed"), [0; 300]).unwrap();
    let living = StoreWriter::create(&path, 10, hash, hash).unwrap();
    counting(&path, 10, &[5]);
    assert_eq!(names().len(), 2);
    assert_eq!(living.finish().unwrap().tokens(), 0);
    assert_eq!(names(), ["ids"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever byte is changed and wherever the file ends, it is told; nothing panics.
    #[test]
    fn damage_anywhere_is_found(at in 0usize..600_000, flip in 1u8.., cut: bool, in_header: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids");
        counting(&path, 50_000, &[200_000, 7, 90_000]);
        let mut bytes = fs::read(&path).unwrap();
        let at = if in_header { at % 256 } else { at % bytes.len() };
        if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
        fs::write(folder.path().join("damaged"), bytes).unwrap();
        let error = TokenStore::open(folder.path().join("damaged")).and_then(|store| store.verify()).unwrap_err();
        let told = matches!(error, Error::Truncated { .. } | Error::Corrupt { .. });
        prop_assert!(told || (at < 256 && matches!(error, Error::NotAStore { .. })), "{}", error);
    }
}

#[test]
fn damage_is_found_by_reading_alone_and_only_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ids");
    counting(&path, 50_000, &[500_000]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[700_000] ^= 1;
    let damaged = folder.path().join("damaged");
    fs::write(&damaged, bytes).unwrap();
    let store = TokenStore::open(&damaged).unwrap();
    store.read(0..1000, &mut Vec::new()).unwrap();
    let error = store.read(349_000..350_000, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("checksum of bytes 524544 to 786688"), "{error}");
}

#[test]
fn a_header_that_claims_the_impossible_is_refused_before_anything_is_allocated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ids");
    counting(&path, 10, &[4]);
    let bytes = fs::read(&path).unwrap();
    for (at, value) in [(24, u64::MAX), (24, 1 << 62), (32, u64::MAX), (32, 1 << 40), (24, 5)] {
        let mut bytes = bytes.clone();
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..252]);
        bytes[252..256].copy_from_slice(&crc.to_le_bytes());
        fs::write(folder.path().join("claims"), bytes).unwrap();
        let error = TokenStore::open(folder.path().join("claims")).unwrap_err();
        assert!(matches!(error, Error::Truncated { .. }), "{at} {value}: {error}");
    }
    for (content, message) in [(&b""[..], "0 bytes"), (&[b'x'; 300], "begins with"), (b"short", "5 bytes")] {
        fs::write(folder.path().join("other"), content).unwrap();
        let error = TokenStore::open(folder.path().join("other")).unwrap_err();
        assert!(matches!(error, Error::NotAStore { .. }) && error.to_string().contains(message), "{error}");
    }
}

#[test]
fn the_second_run_opens_what_the_first_has_made() {
    let folder = tempfile::tempdir().unwrap();
    let (text, path) = (folder.path().join("a.txt"), folder.path().join("a.ids"));
    fs::write(&text, "the cat\n\nsat on the mat\n").unwrap();
    let tokenizer = tokenizer();
    let run = |split: DocumentSplit, separator| {
        let corpus = Corpus::open(&[&text], split).unwrap();
        let mut built = Progress::default();
        let store = TokenStore::open_or_build(&path, &corpus, &tokenizer, separator, |p| built = p).unwrap();
        (tokenizer.decode(&all(&store).unwrap(), Special::With).unwrap(), built)
    };
    let end = tokenizer.end_of_text();
    let (ids, built) = run(DocumentSplit::BlankLines, end);
    assert_eq!(ids, "the cat<|endoftext|>sat on the mat\n<|endoftext|>");
    assert_eq!((built.bytes, built.total_bytes, built.documents), (24, 24, 2));
    assert_eq!(run(DocumentSplit::BlankLines, end), (ids, Progress::default()), "nothing is made");

    assert_eq!(
        run(DocumentSplit::File, None).0,
        "the cat\n\nsat on the mat\n",
        "other settings, other store"
    );
    fs::write(&text, "the dog\n").unwrap();
    assert_eq!(run(DocumentSplit::File, None).0, "the dog\n", "other text, other store");
}

#[test]
fn a_store_of_another_tokenizer_is_told_and_other_files_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (text, path) = (folder.path().join("a.txt"), folder.path().join("a.ids"));
    fs::write(&text, "the cat sat").unwrap();
    let corpus = Corpus::open(&[&text], DocumentSplit::File).unwrap();
    let store = TokenStore::open_or_build(&path, &corpus, &tokenizer(), None, |_| {}).unwrap();
    store.check_tokenizer(&tokenizer()).unwrap();
    let characters = Training::characters().run(["the cat sat"].iter()).unwrap();
    let error = store.check_tokenizer(&characters).unwrap_err();
    assert!(matches!(error, Error::OtherTokenizer { .. }), "{error}");

    let error = TokenStore::open_or_build(&text, &corpus, &characters, None, |_| {}).unwrap_err();
    assert!(matches!(error, Error::NotAStore { .. }), "{error}");
    assert_eq!(fs::read_to_string(&text).unwrap(), "the cat sat");
}

#[test]
fn the_held_out_part_begins_at_a_document_where_one_is_near() {
    let folder = tempfile::tempdir().unwrap();
    let split = |lengths: &[usize], fraction| {
        let store = counting(&folder.path().join("ids"), 1000, lengths);
        let (train, held_out) = store.view().split(fraction).unwrap();
        let mut ids = Vec::new();
        for view in [&train, &held_out] {
            view.read(0..view.tokens(), &mut ids).unwrap();
            let documents = (0..view.documents()).map(|i| view.document(i).unwrap());
            assert_eq!(documents.map(|d| d.end - d.start).sum::<u64>(), view.tokens());
        }
        assert_eq!(ids, all(&store).unwrap());
        [(train.tokens(), train.documents()), (held_out.tokens(), held_out.documents())]
    };
    assert_eq!(split(&[10; 10], 0.1), [(90, 9), (10, 1)]);
    assert_eq!(split(&[10; 10], 0.25), [(70, 7), (30, 3)]);
    assert_eq!(split(&[88, 12], 0.1), [(88, 1), (12, 1)]);
    assert_eq!(split(&[94, 6], 0.1), [(94, 1), (6, 1)]);
    assert_eq!(split(&[100], 0.1), [(90, 1), (10, 1)], "inside the only document");
    assert_eq!(split(&[50, 50], 0.1), [(90, 2), (10, 1)], "no end is near");
    let store = counting(&folder.path().join("ids"), 1000, &[10]);
    assert!(matches!(store.view().split(0.0), Err(Error::Setting { .. })));
    assert!(matches!(store.view().split(f64::NAN), Err(Error::Setting { .. })));
}
