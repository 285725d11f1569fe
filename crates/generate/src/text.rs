//! From a stream of ids to a stream of text.

/// Turns ids into text as they come, and finds where a stop string begins.
///
/// Text is given out only when it is certain: never half of a character, nor what may still become a stop string. The
/// stop string itself is not given out. (Differs from Hugging Face, where it is the end of the text.)
///
/// ```
/// use tercet_generate::TextStream;
///
/// let decode = |ids: &[u32]| String::from_utf8_lossy(&ids.iter().map(|&id| id as u8).collect::<Vec<_>>()).into_owned();
/// let mut stream = TextStream::new(decode, ["\n\n"]);
/// let shown: String = "déjà\nvu\n\nnot shown".bytes().map(|byte| stream.push(byte.into())).collect();
/// assert!(stream.stopped());
/// assert_eq!(shown + &stream.finish(), "déjà\nvu");
/// ```
pub struct TextStream<D> {
    decode: D,
    stops: Vec<String>,
    /// The ids whose text is not yet certain, after a few that give them their context.
    ids: Vec<u32>,
    /// How many of `ids` are context: their text has been taken.
    context: usize,
    /// Text that is whole, but may be the beginning of a stop string.
    held: String,
    stopped: bool,
}

impl<D: Fn(&[u32]) -> String> TextStream<D> {
    /// Begins a text. Empty stop strings are ignored.
    pub fn new<S: Into<String>>(decode: D, stops: impl IntoIterator<Item = S>) -> Self {
        let stops = stops.into_iter().map(S::into).filter(|stop| !stop.is_empty()).collect();
        TextStream { decode, stops, ids: Vec::new(), context: 0, held: String::new(), stopped: false }
    }

    /// Adds an id, and gives the text that has become certain.
    pub fn push(&mut self, id: u32) -> String {
        if self.stopped {
            return String::new();
        }
        self.ids.push(id);
        let text = self.undecided();
        if text.ends_with(char::REPLACEMENT_CHARACTER) {
            return String::new(); // the bytes so far end inside a character
        }
        // The next id is decoded after this one, because a tokenizer may treat the beginning of a text in its own way.
        self.ids.drain(..self.context);
        self.context = self.ids.len();
        self.release(&text)
    }

    /// Whether a stop string has come.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Ends the text, and gives what was still held back.
    pub fn finish(mut self) -> String {
        if self.stopped {
            return String::new();
        }
        let text = self.undecided();
        let released = self.release(&text);
        released + &self.held
    }

    /// The text of the ids after the context.
    fn undecided(&self) -> String {
        let whole = (self.decode)(&self.ids);
        let context = (self.decode)(&self.ids[..self.context]);
        whole.strip_prefix(&context).unwrap_or_default().to_owned()
    }

    fn release(&mut self, text: &str) -> String {
        self.held.push_str(text);
        if let Some(start) = self.stops.iter().filter_map(|stop| self.held.find(stop)).min() {
            self.stopped = true;
            self.held.truncate(start);
            return std::mem::take(&mut self.held);
        }
        let begins_a_stop = |&at: &usize| self.stops.iter().any(|stop| stop.starts_with(&self.held[at..]));
        let certain =
            self.held.char_indices().map(|(at, _)| at).find(begins_a_stop).unwrap_or(self.held.len());
        let held = self.held.split_off(certain);
        std::mem::replace(&mut self.held, held)
    }
}
