//! Stop strings in text that comes piece by piece.

/// Finds where a stop string begins in text that comes piece by piece.
///
/// Text is given on only when it is certain: never what may still become a stop string, nor the stop string itself.
/// (Differs from Hugging Face, where it is the end of the text.)
///
/// ```
/// use tercet_generate::StopStrings;
///
/// let mut stop = StopStrings::new(["\n\n"]);
/// let shown: String = ["one", "\n", "two\n", "\nthree"].iter().map(|piece| stop.push(piece)).collect();
/// assert!(stop.found());
/// assert_eq!(shown + &stop.finish(), "one\ntwo");
/// ```
#[derive(Clone, Debug)]
pub struct StopStrings {
    stops: Vec<String>,
    /// Text that may be the beginning of a stop string.
    held: String,
    found: bool,
}

impl StopStrings {
    /// Begins a text. Empty stop strings are ignored.
    pub fn new<S: Into<String>>(stops: impl IntoIterator<Item = S>) -> Self {
        let stops = stops.into_iter().map(S::into).filter(|stop| !stop.is_empty()).collect();
        StopStrings { stops, held: String::new(), found: false }
    }

    /// Adds a piece of text, and gives what has become certain. After a stop string nothing is.
    pub fn push(&mut self, text: &str) -> String {
        if self.found {
            return String::new();
        }
        self.held.push_str(text);
        if let Some(start) = self.stops.iter().filter_map(|stop| self.held.find(stop)).min() {
            self.found = true;
            self.held.truncate(start);
            return std::mem::take(&mut self.held);
        }
        let begins_a_stop = |&at: &usize| self.stops.iter().any(|stop| stop.starts_with(&self.held[at..]));
        let certain =
            self.held.char_indices().map(|(at, _)| at).find(begins_a_stop).unwrap_or(self.held.len());
        let held = self.held.split_off(certain);
        std::mem::replace(&mut self.held, held)
    }

    /// Whether a stop string has come.
    pub fn found(&self) -> bool {
        self.found
    }

    /// Ends the text, and gives what was still held back.
    pub fn finish(self) -> String {
        self.held
    }
}
