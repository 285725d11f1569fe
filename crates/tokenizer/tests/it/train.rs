use tercet_tokenizer::{Algorithm, Error, Special, Tokenizer, Training};

const TEXT: &str = "It was the best of times, it was the worst of times.\nIt was the age of wisdom; \
                    it was the age of foolishness. — «naïve» 👍\n";

fn texts() -> impl Iterator<Item = &'static str> + Send {
    std::iter::repeat_n(TEXT, 20)
}

#[test]
fn bpe_fills_the_vocabulary_and_gives_back_every_text() {
    for size in [257, 280, 300] {
        let tokenizer = Training::byte_level_bpe(size).run(texts()).unwrap();
        assert_eq!(tokenizer.vocab_size(), size);
        assert_eq!(tokenizer.id_to_token(tokenizer.end_of_text().unwrap()).unwrap(), "<|endoftext|>");
        for text in [TEXT, "unseen: 数 \u{0} \t\t x", ""] {
            let ids = tokenizer.encode(text, Special::Without).unwrap();
            assert_eq!(tokenizer.decode(&ids, Special::With).unwrap(), text);
            assert!(ids.iter().all(|&id| (id as usize) < size));
        }
    }
    let short =
        |size| Training::byte_level_bpe(size).run(texts()).unwrap().encode(TEXT, Special::Without).unwrap();
    assert!(short(300).len() < short(257).len());
}

#[test]
fn training_twice_gives_the_same_tokenizer() {
    let train = |size| Training::byte_level_bpe(size).run(texts()).unwrap().fingerprint();
    assert_eq!(train(300), train(300));
    assert_ne!(train(300), train(299));
}

#[test]
fn merges_are_not_spent_on_the_spelling_of_special_tokens() {
    let marked = std::iter::repeat_n("ab<|endoftext|>ab", 50);
    let tokenizer = Training::byte_level_bpe(300).run(marked).unwrap();
    assert_eq!(tokenizer.vocab_size(), 258, "only `ab` is left to merge");
    let end = tokenizer.end_of_text().unwrap();
    let ab = tokenizer.token_to_id("ab").unwrap();
    assert_eq!(tokenizer.encode("ab<|endoftext|>ab", Special::Without).unwrap(), [ab, end, ab]);
}

#[test]
fn characters_are_numbered_in_code_point_order() {
    let tokenizer = Training::characters().run(["hello\n", "world é"].into_iter()).unwrap();
    let mut expected: Vec<char> = "helo\nwrd é".chars().collect();
    expected.sort_unstable();
    assert_eq!(tokenizer.vocab_size(), expected.len());
    for (id, character) in (0..).zip(expected) {
        assert_eq!(tokenizer.encode(&character.to_string(), Special::Without).unwrap(), [id]);
    }
    let ids = tokenizer.encode("hold é\n", Special::Without).unwrap();
    assert_eq!(ids.len(), 7);
    assert_eq!(tokenizer.decode(&ids, Special::Without).unwrap(), "hold é\n");
    assert_eq!(tokenizer.end_of_text(), None);

    let error = tokenizer.encode("hello, world", Special::Without).unwrap_err();
    assert!(matches!(error, Error::UnknownCharacter { character: ',', offset: 5, size: 10 }), "{error}");
}

#[test]
fn too_little_text_or_room_is_an_error() {
    let none: [&str; 2] = ["", ""];
    assert!(matches!(Training::byte_level_bpe(300).run(none.iter()), Err(Error::EmptyText)));
    assert!(matches!(Training::characters().run(none.iter()), Err(Error::EmptyText)));
    let error = Training::byte_level_bpe(256).run(texts()).unwrap_err();
    assert!(matches!(error, Error::VocabularySize { asked: 256, least: 257, .. }), "{error}");
    let training = Training { algorithm: Algorithm::Characters, vocab_size: 3, ..Training::characters() };
    assert!(matches!(training.run(texts()), Err(Error::VocabularySize { asked: 3, .. })));
}

#[test]
fn tiny_shakespeare_has_the_65_characters_of_nanogpt() {
    let Some(folder) = crate::shared("TERCET_DATA", "data") else { return };
    let text = std::fs::read_to_string(folder.join("corpora/tinyshakespeare/input.txt")).unwrap();
    let tokenizer = Training::characters().run([&text].into_iter()).unwrap();
    assert_eq!(tokenizer.vocab_size(), 65);
    // The first line, as nanoGPT's data/shakespeare_char numbers it.
    let ids = tokenizer.encode("First Citizen:\n", Special::Without).unwrap();
    assert_eq!(ids, [18, 47, 56, 57, 58, 1, 15, 47, 58, 47, 64, 43, 52, 10, 0]);
    let _: &Tokenizer = &tokenizer;
}
