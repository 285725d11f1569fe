use crate::{Result, Special, Tokenizer};

/// Decodes ids as they are generated; made by [`Tokenizer::stream`].
///
/// A character may be spread over several ids, and some decoders treat the first id of a text specially, so each
/// decoding starts a few ids back and only what is new is given.
#[derive(Clone, Debug)]
pub struct StreamDecoder<'a> {
    tokenizer: &'a Tokenizer,
    special: Special,
    /// The ids of the last text given, and those after it.
    ids: Vec<u32>,
    /// How many of `ids` have been given as text.
    given: usize,
}

impl<'a> StreamDecoder<'a> {
    pub(crate) fn new(tokenizer: &'a Tokenizer, special: Special) -> Self {
        Self { tokenizer, special, ids: Vec::new(), given: 0 }
    }

    /// Takes the next id and gives the text that became whole with it; empty while a character is incomplete.
    ///
    /// # Errors
    /// When the id is not in the vocabulary.
    pub fn push(&mut self, id: u32) -> Result<String> {
        self.ids.push(id);
        let (text, start) = self.pending()?;
        if text.ends_with(char::REPLACEMENT_CHARACTER) {
            return Ok(String::new());
        }
        let new = text[start..].to_owned();
        self.ids.drain(..self.given);
        self.given = self.ids.len();
        Ok(new)
    }

    /// Gives what is left, an incomplete character as U+FFFD.
    ///
    /// # Errors
    /// None in practice: every id has been looked up by [`push`](Self::push).
    pub fn finish(mut self) -> Result<String> {
        let (mut text, start) = self.pending()?;
        self.ids.clear();
        Ok(text.split_off(start))
    }

    /// The text of `ids`, and where in it the part begins that has not been given.
    fn pending(&self) -> Result<(String, usize)> {
        let before = self.tokenizer.decode(&self.ids[..self.given], self.special)?;
        let text = self.tokenizer.decode(&self.ids, self.special)?;
        let start = text.floor_char_boundary(before.len());
        Ok((text, start))
    }
}
