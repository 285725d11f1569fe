use std::sync::OnceLock;

use proptest::prelude::*;
use tercet_tokenizer::{Special, Tokenizer, Training};

/// One tokenizer of each kind.
fn trained() -> &'static [Tokenizer; 3] {
    static TOKENIZERS: OnceLock<[Tokenizer; 3]> = OnceLock::new();
    TOKENIZERS.get_or_init(|| {
        let text =
            "  the cat's  hat\n\n  isn't\t\there:  12 34!!  \r\n é  ü 中文  \u{a0}\u{2003} x\n  ab ab, ab";
        let kinds = [Training::byte_level_bpe(400), Training::word_piece(120), Training::unigram(180)];
        kinds.map(|kind| kind.run(std::iter::repeat_n(text, 50)).unwrap())
    })
}

/// Checks a text with every tokenizer, and with each as it spells special tokens.
fn check_all(text: &str) {
    for tokenizer in trained() {
        check(tokenizer, text);
        check(&tokenizer.clone().spelling_special_tokens(), text);
    }
}

/// Encodes twice with one encoder, so that the second time every word is remembered.
fn check(tokenizer: &Tokenizer, text: &str) {
    let expected = tokenizer.encode(text, Special::Without).unwrap();
    let mut encoder = tokenizer.encoder();
    for _ in 0..2 {
        let mut ids = vec![7];
        encoder.encode(text, &mut ids).unwrap();
        assert_eq!(ids[1..], expected, "{text:?}");
    }
}

proptest! {
    #[test]
    fn words_one_by_one_have_the_ids_of_the_text(
        text in "([ \\n\\t\\r\u{b}\u{c}\u{1c}\u{85}\u{a0}\u{300}\u{600}\u{200d}\u{2003}\u{3000}a-ct'sé中1-3!.,]\
            |<\\|endoftext\\|>|\\[SEP\\]|</s>|<extra_id_0>){0,60}"
    ) {
        check_all(&text);
    }

    #[test]
    fn any_text_at_all_has_its_ids(text: String) {
        check_all(&text);
    }
}

#[test]
fn more_words_than_are_remembered_and_long_ones_are_encoded_too() {
    let text: String = (0..70_000).map(|i| format!(" {}", i * 7919 % 50_000)).collect();
    check_all(&text);
    check_all(&format!("{} {}", "x".repeat(3000), " ".repeat(3000)));
}

#[test]
fn tokenizers_of_other_kinds_are_asked_for_the_whole_text() {
    let characters = Training::characters().run(["a b c"].iter()).unwrap();
    check(&characters, "a  b c cab ");
    let mut marked = Training::byte_level_bpe(300);
    marked.special_tokens.push("of the".into());
    let marked = marked.run(["one of the cats"].iter()).unwrap();
    check(&marked, "one of the cats");
    let Some(data) = crate::shared("TERCET_DATA", "data") else { return };
    for name in ["bert-base-uncased", "t5-small"] {
        let tokenizer = Tokenizer::open(data.join("tokenizers").join(name)).unwrap();
        check(&tokenizer, "The cat's  hat,\n\n and a café of the . x");
    }
}

#[test]
fn the_encoder_gives_the_published_ids_of_real_text() {
    let Some(data) = crate::shared("TERCET_DATA", "data") else { return };
    for name in ["gpt2", "bert-base-uncased", "t5-small"] {
        let tokenizer = Tokenizer::open(data.join("tokenizers").join(name)).unwrap();
        for name in ["wikitext-2/valid.txt", "botchan/botchan.txt"] {
            check(&tokenizer, &std::fs::read_to_string(data.join("corpora").join(name)).unwrap());
        }
    }
}
