//! Where a text can be cut so that its parts have the ids of the whole.

/// The last place to cut a text before, such that the ids of the two parts are those of the whole.
///
/// GPT-2's pre-tokenizer matches letters, digits, other marks or white space, each with at most one space before it
/// (`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`). No match runs from a character that
/// is not white space on into white space, so a cut between the two is safe: what lies before it matches as it did,
/// and what lies after it begins a match either way. A single space between letters is taken first, which is also safe
/// for pre-tokenizers that join marks with the line ends after them, or that give a leading space a meaning.
pub(crate) fn last_safe(text: &str) -> Option<usize> {
    let between_words = |&(i, _): &(usize, &str)| {
        let next = text[i + 1..].chars().next();
        let previous = text[..i].chars().next_back();
        previous.is_some_and(char::is_alphanumeric) && next.is_some_and(char::is_alphabetic)
    };
    let before_white_space = || {
        let mut after = None;
        text.char_indices().rev().find_map(|(i, c)| match (c.is_whitespace(), after) {
            (false, Some(cut)) => Some(cut),
            (false, None) => None,
            (true, _) => {
                after = Some(i);
                None
            }
        })
    };
    text.rmatch_indices(' ').find(between_words).map(|(i, _)| i).or_else(before_white_space)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tercet_tokenizer::{Special, Tokenizer, Training};

    use super::*;

    #[test]
    fn cuts_fall_before_white_space() {
        assert_eq!(last_safe("one two three"), Some(7));
        assert_eq!(last_safe("one two, \n\n "), Some(3));
        assert_eq!(last_safe("句子。\n\n新"), Some(9));
        assert_eq!(last_safe("  unbroken"), None);
        assert_eq!(last_safe(""), None);
    }

    fn tokenizer() -> &'static Tokenizer {
        static TOKENIZER: std::sync::OnceLock<Tokenizer> = std::sync::OnceLock::new();
        TOKENIZER.get_or_init(|| {
            let text = "  the cat's  hat\n\n  isn't\t\there:  12 34!!  \r\n é  ü 中文  \u{a0}\u{2003} x\n";
            Training::byte_level_bpe(400).run(std::iter::repeat_n(text, 50)).unwrap()
        })
    }

    proptest! {
        /// Cutting at every safe place, from the end, leaves the ids as they are.
        #[test]
        fn parts_have_the_ids_of_the_whole(text in "[ \\n\\t\\r\u{a0}\u{2003}a-ct'sé中1-3!.,]{0,60}") {
            let ids = |text: &str| tokenizer().encode(text, Special::Without).unwrap();
            let (mut rest, mut parts) = (text.as_str(), Vec::new());
            while let Some(cut) = last_safe(rest) {
                parts.splice(0..0, ids(&rest[cut..]));
                rest = &rest[..cut];
            }
            parts.splice(0..0, ids(rest));
            prop_assert_eq!(parts, ids(&text));
        }
    }
}
