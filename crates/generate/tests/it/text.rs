//! Text comes whole, and ends before a stop string.

use tercet_generate::TextStream;

/// Ids are bytes; what is not UTF-8 becomes a replacement character, as byte-level tokenizers do.
fn bytes(ids: &[u32]) -> String {
    String::from_utf8_lossy(&ids.iter().map(|&id| id as u8).collect::<Vec<_>>()).into_owned()
}

fn pieces(text: &[u8], stops: &[&str]) -> (Vec<String>, bool) {
    let mut stream = TextStream::new(bytes, stops.iter().copied());
    let mut pieces: Vec<String> = text.iter().map(|&byte| stream.push(byte.into())).collect();
    let stopped = stream.stopped();
    pieces.push(stream.finish());
    (pieces, stopped)
}

#[test]
fn characters_come_whole() {
    let (pieces, _) = pieces("aé漢🙂".as_bytes(), &[]);
    assert_eq!(pieces, ["a", "", "é", "", "", "漢", "", "", "", "🙂", ""]);
}

#[test]
fn an_unfinished_character_comes_at_the_end() {
    let (pieces, _) = pieces(&"né".as_bytes()[..2], &[]);
    assert_eq!(pieces.concat(), "n\u{FFFD}");
}

#[test]
fn what_may_become_a_stop_string_is_held_back() {
    let (pieces, stopped) = pieces(b"one##two###three", &["###"]);
    assert_eq!(pieces[2..7].concat(), "e##tw");
    assert_eq!((&*pieces[3], &*pieces[4], &*pieces[5]), ("", "", "##t"));
    assert_eq!((pieces.concat().as_str(), stopped), ("one##two", true));
}

#[test]
fn the_first_of_several_stop_strings_ends_the_text() {
    assert_eq!(pieces(b"abcdef", &["ef", "cd", "", "x"]).0.concat(), "ab");
    assert_eq!(pieces(b"abcdef", &["abcdefg"]).0.concat(), "abcdef");
    assert_eq!(pieces(b"aab", &["ab"]).0.concat(), "a");
}
