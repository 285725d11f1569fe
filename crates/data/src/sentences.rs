//! Where sentences end in English text.

/// The sentences of a text, in order, without the white space around them.
///
/// A sentence ends at a blank line, and at `.`, `!`, `?` or `…`, with the quotes and brackets that close after it, where
/// white space follows and then something that can begin a sentence: a capital, a digit, an opening quote or bracket. A
/// full stop does not end one after a title or other abbreviation (`Mr.`, `e.g.`, `No.`), an initial (`J. Smith`), an
/// acronym (`U.S.`), or a number that begins a line of its own (`1. First`). `。`, `！` and `？` end one anywhere. Text in
/// which punctuation stands apart from words (`He left . She stayed .`) is read as well.
///
/// This is a rule of thumb: it knows no grammar. `He moved to the U.S. She stayed.` is one sentence to it, and a quote
/// of several sentences is several.
///
/// ```
/// use tercet_data::sentences;
///
/// let text = "Mr. Darcy left at 5.30. \"Why?\" she asked. \"Stay!\" He did not.";
/// let all: Vec<&str> = sentences(text).collect();
/// assert_eq!(all, ["Mr. Darcy left at 5.30.", "\"Why?\" she asked.", "\"Stay!\"", "He did not."]);
/// ```
pub fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let (sentence, after) = rest.split_at(end_of_first(rest));
        rest = after;
        (!sentence.is_empty()).then(|| sentence.trim_end())
    })
}

/// Abbreviations that a name or more of the sentence follows, in lower case and without their last full stop.
const ABBREVIATIONS: &[&str] = &[
    "adm", "approx", "apr", "aug", "ave", "brig", "bros", "ca", "capt", "cf", "cmdr", "col", "cpl", "dec",
    "dept", "dr", "eds", "esp", "feb", "gen", "gov", "hon", "jan", "lt", "maj", "messrs", "mr", "mrs", "ms",
    "mt", "nov", "oct", "prof", "rep", "reps", "rev", "sen", "sens", "sept", "sgt", "st", "viz", "vs",
];
/// Those that are one only before a number.
const BEFORE_NUMBERS: &[&str] =
    &["art", "ch", "eq", "fig", "figs", "no", "nos", "op", "p", "pp", "vol", "vols"];

/// Where the first sentence of a text that begins with no white space ends.
fn end_of_first(text: &str) -> usize {
    for (i, c) in text.char_indices() {
        let after = i + c.len_utf8();
        match c {
            '。' | '！' | '？' => return closed(text, after),
            '\n' if blank_line_follows(&text[after..]) => return i,
            '.' | '!' | '?' | '…' => {
                let end = closed(text, after);
                if begins_a_sentence(&text[end..]) && !(c == '.' && is_abbreviation(&text[..i], &text[end..]))
                {
                    return end;
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// Behind the marks that close a sentence whose full stop ends at `at`: more full stops, quotes and brackets. A straight
/// quote that stands apart closes if one is open.
fn closed(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        let Some(c) = rest.chars().next() else { return at };
        let apart =
            rest.strip_prefix(" \"").filter(|after| after.is_empty() || after.starts_with([' ', '\n']));
        if ".!?…\"'”’)]»」』）".contains(c) {
            at += c.len_utf8();
        } else if apart.is_some() && text[..at].matches('"').count() % 2 == 1 {
            at += 2;
        } else {
            return at;
        }
    }
}

/// Whether white space follows, and then what a sentence can begin with; the end of the text counts.
fn begins_a_sentence(rest: &str) -> bool {
    let next = rest.trim_start();
    let begins = |c: char| c.is_uppercase() || c.is_numeric() || "\"'“‘«([—–-".contains(c) || !c.is_ascii();
    next.is_empty()
        || (next.len() < rest.len()
            && next.chars().next().is_some_and(|c| begins(c) && !c.is_lowercase())
            && next.chars().find(|c| c.is_alphanumeric()).is_none_or(|c| !c.is_lowercase()))
}

/// Whether the full stop between two texts belongs to an abbreviation, an initial, or a lone number.
fn is_abbreviation(before: &str, after: &str) -> bool {
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let number_alone = || word.len() == before.len() && word.chars().all(|c| c.is_ascii_digit());
    let word = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    if word.is_empty() {
        return false;
    }
    let initial = || word != "I" && word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    // Parts of one or two letters with full stops between them: U.S, e.g, Ph.D.
    let acronym = || {
        word.contains('.')
            && word.split('.').all(|part| part.len() <= 2 && part.chars().all(char::is_alphabetic))
    };
    let known = || {
        let lower = word.to_lowercase();
        let among = |list: &[&str]| list.binary_search(&lower.as_str()).is_ok();
        let number = after.trim_start().starts_with(|c: char| c.is_ascii_digit());
        among(ABBREVIATIONS) || number && among(BEFORE_NUMBERS)
    };
    number_alone() || initial() || acronym() || known()
}

fn blank_line_follows(rest: &str) -> bool {
    rest.split_inclusive('\n').next().is_some_and(|line| line.ends_with('\n') && line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str) -> Vec<&str> {
        sentences(text).collect()
    }

    #[test]
    fn the_lists_are_in_order() {
        assert!(ABBREVIATIONS.is_sorted() && BEFORE_NUMBERS.is_sorted());
    }

    #[test]
    fn full_stops_that_end_nothing() {
        for whole in [
            "Mr. and Mrs. Smith met Dr. J. R. Jones of St. Louis.",
            "It cost 3.50 dollars, e.g. for No. 5 on p. 12.",
            "The U.S. Army left at 5 p.m. on Jan. 3.",
            "1. The first point.",
            "Well... perhaps not.",
            "He asked \"why?\" and left.",
            "See www.example.com for more",
        ] {
            assert_eq!(split(whole), [whole]);
        }
    }

    #[test]
    fn sentences_end_where_the_next_can_begin() {
        assert_eq!(split("It was I. You knew."), ["It was I.", "You knew."]);
        assert_eq!(
            split("She said no. He knew art. Then no. 3."),
            ["She said no.", "He knew art.", "Then no. 3."]
        );
        assert_eq!(split("In 1990. Then 1991! 12 came?"), ["In 1990.", "Then 1991!", "12 came?"]);
        assert_eq!(
            split("(It rained.) We left. “So?” He sat."),
            ["(It rained.)", "We left.", "“So?”", "He sat."]
        );
        assert_eq!(split("He said: \"Go. Now.\" She went."), ["He said: \"Go.", "Now.\"", "She went."]);
        assert_eq!(split("Wait … Éloise came."), ["Wait …", "Éloise came."]);
        assert_eq!(split("新しい。「はい。」次"), ["新しい。", "「はい。」", "次"]);
    }

    #[test]
    fn lines_go_on_and_paragraphs_end() {
        let text = "A line\nthat goes on. And\nanother\n \n = Title = \n\nEnd";
        assert_eq!(split(text), ["A line\nthat goes on.", "And\nanother", "= Title =", "End"]);
    }

    #[test]
    fn punctuation_that_stands_apart() {
        let text = "He said , \" It is late . \" Mr. Wood left . The @-@ end ( 2 @.@ 5 ) .";
        assert_eq!(
            split(text),
            ["He said , \" It is late . \"", "Mr. Wood left .", "The @-@ end ( 2 @.@ 5 ) ."]
        );
    }

    proptest! {
        /// Nothing but white space is lost.
        #[test]
        fn all_of_the_text_is_in_a_sentence(text in "[A-Za-c1 .!?\"'()\n…。é]{0,60}") {
            let kept: String = sentences(&text).flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
            let all: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            prop_assert_eq!(kept, all);
        }
    }
}
