//! Text ends before a stop string, and nothing of it is shown.

use tercet_generate::StopStrings;

/// What is given on after each piece, and at the end.
fn shown(pieces: &[&str], stops: &[&str]) -> (Vec<String>, bool) {
    let mut stop = StopStrings::new(stops.iter().copied());
    let mut shown: Vec<String> = pieces.iter().map(|piece| stop.push(piece)).collect();
    let found = stop.found();
    shown.push(stop.finish());
    (shown, found)
}

fn letters(text: &str) -> Vec<&str> {
    text.split_inclusive(|_| true).collect()
}

#[test]
fn what_may_become_a_stop_string_is_held_back() {
    let (pieces, found) = shown(&letters("one##two###three"), &["###"]);
    assert_eq!(pieces[2..7], ["e", "", "", "##t", "w"]);
    assert_eq!((pieces.concat().as_str(), found), ("one##two", true));
}

#[test]
fn the_first_of_several_stop_strings_ends_the_text() {
    for pieces in [letters("abcdef"), vec!["abcdef"], vec!["abc", "", "def"]] {
        assert_eq!(shown(&pieces, &["ef", "cd", "", "x"]).0.concat(), "ab");
        assert_eq!(shown(&pieces, &["abcdefg", "xy"]), shown(&pieces, &["abcdefg"]));
        assert_eq!(shown(&pieces, &["abcdefg"]).0.concat(), "abcdef");
    }
    assert_eq!(shown(&letters("aab"), &["ab"]).0.concat(), "a");
    assert_eq!(shown(&letters("né🙂é🙂!"), &["🙂!"]).0.concat(), "né🙂é");
}

#[test]
fn without_stop_strings_all_text_comes_at_once() {
    assert_eq!(shown(&["a", "b"], &[]), (vec!["a".to_owned(), "b".to_owned(), String::new()], false));
}
