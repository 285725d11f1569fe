use tercet_tokenizer::{Algorithm, Error, Normalization, Special, Tokenizer, Training};

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
fn word_piece_merges_within_words() {
    let tokenizer = Training::word_piece(80).run(texts()).unwrap();
    assert!(tokenizer.vocab_size() <= 80);
    for (id, token) in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].iter().enumerate() {
        assert_eq!(tokenizer.token_to_id(token), Some(id as u32));
    }
    let encoding = tokenizer.encoding("It was naïve", Special::With).unwrap();
    assert!(encoding.tokens.contains(&"was".to_owned()), "{:?}", encoding.tokens);
    assert_eq!(tokenizer.decode(&encoding.ids, Special::Without).unwrap(), "it was naive");
    let unseen = tokenizer.encoding("was 数", Special::Without).unwrap();
    assert_eq!(unseen.tokens, ["was", "[UNK]"]);

    let cased = Algorithm::WordPiece(Normalization::cased());
    let cased = Training { algorithm: cased, ..Training::word_piece(100) }.run(texts()).unwrap();
    let ids = cased.encode("It was naïve", Special::Without).unwrap();
    assert_eq!(cased.decode(&ids, Special::With).unwrap(), "It was naïve");
}

#[test]
fn unigram_finds_the_words_that_make_up_a_text() {
    let tokenizer = Training::unigram(3 + 100 + 40).run(texts()).unwrap();
    assert_eq!(tokenizer.vocab_size(), 143);
    assert_eq!(tokenizer.sentinels(), (43..143).rev().collect::<Vec<_>>());
    assert_eq!(tokenizer.end_of_text(), tokenizer.token_to_id("</s>"));
    for (id, token) in ["<pad>", "</s>", "<unk>"].iter().enumerate() {
        assert_eq!(tokenizer.token_to_id(token), Some(id as u32));
    }
    let encoding = tokenizer.encoding("It was the worst <extra_id_0>", Special::With).unwrap();
    assert_eq!(encoding.ids[encoding.ids.len() - 2..], [142, 1]);
    assert!(encoding.tokens.contains(&"▁was".to_owned()), "{:?}", encoding.tokens);
    let ids = tokenizer.encode(TEXT, Special::Without).unwrap();
    assert_eq!(
        tokenizer.decode(&ids, Special::With).unwrap(),
        TEXT.split_whitespace().collect::<Vec<_>>().join(" ")
    );
    let none = Training { algorithm: Algorithm::Unigram { sentinels: 0 }, ..Training::unigram(43) };
    assert!(none.run(texts()).unwrap().sentinels().is_empty());
}

#[test]
fn unigram_spells_what_is_required_of_it() {
    let spells = |required: &str| {
        let training = Training { required: required.into(), ..Training::unigram(3 + 100 + 60) };
        let tokenizer = training.run(texts()).unwrap();
        let ids = tokenizer.encode("not_{worst}", Special::Without).unwrap();
        tokenizer.decode(&ids, Special::Without).unwrap()
    };
    assert_eq!(spells("_{ }"), "not_{worst}");
    assert_ne!(spells(""), "not_{worst}");
}

/// What expectation maximisation must find: `ab` and `cd` are the parts, never `bc`.
#[test]
fn unigram_cuts_where_the_parts_of_words_meet() {
    let words = ["abcd", "cdab", "abab", "cdcd", "ab", "cd", "abcdab", "cdabab"];
    let tokenizer = Training::unigram(3 + 100 + 9).run(std::iter::repeat_n(words.join(" "), 30)).unwrap();
    let cut = tokenizer.encoding("abcdcdab", Special::Without).unwrap();
    let cut = cut.tokens.concat();
    assert_eq!(cut, "▁abcdcdab");
    let pieces: Vec<_> = (3..12).map(|id| tokenizer.id_to_token(id).unwrap()).collect();
    for part in ["ab", "cd"] {
        assert!(pieces.iter().any(|piece| piece.trim_start_matches('▁') == part), "{pieces:?}");
    }
    assert!(!pieces.iter().any(|piece| ["bc", "da", "▁c", "▁a"].contains(&piece.as_str())), "{pieces:?}");
}

#[test]
fn the_same_vocabulary_is_found_again_and_with_any_number_of_threads() {
    let Some(folder) = crate::shared("TERCET_DATA", "data") else { return };
    let text = std::fs::read_to_string(folder.join("corpora/botchan/botchan.txt")).unwrap();
    for training in [Training::word_piece(2000), Training::unigram(2000)] {
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| training.run(text.lines()).unwrap())
        };
        let tokenizer = with(1);
        assert_eq!(tokenizer.vocab_size(), 2000);
        assert_eq!(with(3).fingerprint(), tokenizer.fingerprint());
        let ids = tokenizer.encode(&text, Special::Without).unwrap();
        let per_token = text.len() as f64 / ids.len() as f64;
        println!("{training:?}: {per_token:.2} bytes a token");
        assert!(per_token > 3.0);
    }
}

/// Its test model was trained by SentencePiece on this novel: 1,000 pieces, three of them special.
#[test]
fn unigram_writes_a_novel_as_short_as_sentence_pieces_own_vocabulary() {
    let Some(folder) = crate::shared("TERCET_DATA", "data") else { return };
    let text = std::fs::read_to_string(folder.join("corpora/botchan/botchan.txt")).unwrap();
    let theirs = folder.join("tokenizers/sentencepiece-test/test_model.model");
    let theirs = Tokenizer::from_spiece(theirs, 0).unwrap();
    let ours = Training { algorithm: Algorithm::Unigram { sentinels: 0 }, ..Training::unigram(1000) };
    let ours = ours.run(text.lines()).unwrap();
    let count = |tokenizer: &Tokenizer| tokenizer.encode(&text, Special::Without).unwrap().len();
    let (ours, theirs) = (count(&ours), count(&theirs));
    println!("{ours} ids, SentencePiece {theirs}");
    assert!(ours as f64 <= 1.02 * theirs as f64, "{ours} ids, SentencePiece {theirs}");
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
    for training in [Training::word_piece(20), Training::unigram(120)] {
        assert!(matches!(training.run(none.iter()), Err(Error::EmptyText)));
        let error = training.run(texts()).unwrap_err();
        assert!(matches!(error, Error::VocabularySize { .. }), "{error}");
    }
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
