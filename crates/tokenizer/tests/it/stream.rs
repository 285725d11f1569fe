use tercet_tokenizer::{Error, Special, Training};

#[test]
fn streamed_text_is_the_whole_text_and_never_half_a_character() {
    let tokenizer = Training::byte_level_bpe(260).run(["a b"].iter()).unwrap();
    for text in ["plain words", "naïve café", "日本語と한국어", "👩‍👩‍👧‍👦 family", "line\nline\n", "\u{fffd}x"]
    {
        let ids = tokenizer.encode(text, Special::Without).unwrap();
        assert!(ids.len() >= text.chars().count());
        let mut stream = tokenizer.stream(Special::Without);
        let pieces: Vec<String> = ids.iter().map(|&id| stream.push(id).unwrap()).collect();
        let held = text.ends_with('\u{fffd}') || text.contains('\u{fffd}');
        assert!(held || pieces.iter().all(|piece| !piece.contains('\u{fffd}')), "{pieces:?}");
        assert_eq!(pieces.concat() + &stream.finish().unwrap(), text);
    }
}

#[test]
fn bytes_that_never_become_a_character_come_out_in_the_end() {
    let tokenizer = Training::byte_level_bpe(260).run(["a b"].iter()).unwrap();
    let ids = tokenizer.encode("é!", Special::Without).unwrap();
    let mut stream = tokenizer.stream(Special::Without);
    assert_eq!(stream.push(ids[0]).unwrap(), "");
    assert_eq!(stream.push(ids[2]).unwrap(), "\u{fffd}!");
    assert_eq!(stream.push(ids[0]).unwrap(), "");
    assert_eq!(stream.finish().unwrap(), "\u{fffd}");
}

#[test]
fn special_tokens_are_left_out_or_written() {
    let tokenizer = Training::byte_level_bpe(260).run(["a b"].iter()).unwrap();
    let end = tokenizer.end_of_text().unwrap();
    assert_eq!(tokenizer.stream(Special::Without).push(end).unwrap(), "");
    assert_eq!(tokenizer.stream(Special::With).push(end).unwrap(), "<|endoftext|>");
    let unknown = tokenizer.stream(Special::With).push(9999).unwrap_err();
    assert!(matches!(unknown, Error::UnknownId { id: 9999, .. }), "{unknown}");
}
