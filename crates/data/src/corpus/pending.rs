use super::cut::last_safe;

/// The size that pieces are cut at: large enough that a tokenizer's set-up does not count, small enough for caches.
const PIECE: usize = 1 << 15;
/// A text without white space is cut wherever it stands when it reaches this size.
const UNBROKEN: usize = 1 << 20;

/// The text of a document that has been read and not yet been given as a piece.
pub(super) struct Pending {
    text: String,
    /// Where in `text` the part begins that has not been given.
    start: usize,
    /// The size to look for a cut in: more than [`PIECE`] when smaller ones had none.
    window: usize,
    /// Whether a piece of the document has been given.
    begun: bool,
}

impl Pending {
    pub fn new() -> Self {
        Self { text: String::new(), start: 0, window: PIECE, begun: false }
    }

    pub fn push(&mut self, text: &str) {
        self.text.drain(..self.start);
        self.start = 0;
        self.text.push_str(text);
    }

    /// Takes a piece off the front, if there is enough text for one.
    pub fn cut(&mut self) -> Option<String> {
        let rest = &self.text[self.start..];
        while rest.len() > self.window {
            let window = rest.floor_char_boundary(self.window);
            let cut = last_safe(&rest[..window]).or((self.window >= UNBROKEN).then_some(window));
            if let Some(cut) = cut {
                self.start += cut;
                self.window = PIECE;
                self.begun = true;
                return Some(rest[..cut].to_owned());
            }
            self.window *= 2;
        }
        None
    }

    /// Takes all that is left of the document; `None` if the document is nothing but white space.
    pub fn finish(&mut self) -> Option<String> {
        let rest = self.text.split_off(self.start);
        let document = self.begun || !rest.trim().is_empty();
        *self = Self::new();
        document.then_some(rest)
    }

    /// Drops the line ending at the end.
    pub fn drop_line_end(&mut self) {
        for end in ['\n', '\r'] {
            if self.text.len() > self.start && self.text.ends_with(end) {
                self.text.pop();
            }
        }
    }
}
