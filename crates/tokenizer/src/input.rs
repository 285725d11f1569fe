use tokenizers::EncodeInput;

/// One text, or two that a model reads together: `"a text".into()`, `("a question", "a passage").into()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// One text.
    Single(&'a str),
    /// Two texts, told apart by the template of the tokenizer: `[CLS] A [SEP] B [SEP]`, `A </s> B </s>`. An empty
    /// second one counts as none, as in transformers.
    Pair(&'a str, &'a str),
}

impl<'a> Input<'a> {
    /// The text, and the second one if there is one.
    pub(crate) fn texts(self) -> (&'a str, Option<&'a str>) {
        match self {
            Self::Single(text) | Self::Pair(text, "") => (text, None),
            Self::Pair(a, b) => (a, Some(b)),
        }
    }
}

impl<'a> From<&'a str> for Input<'a> {
    fn from(text: &'a str) -> Self {
        Self::Single(text)
    }
}

impl<'a> From<&'a String> for Input<'a> {
    fn from(text: &'a String) -> Self {
        Self::Single(text)
    }
}

impl<'a> From<(&'a str, &'a str)> for Input<'a> {
    fn from((a, b): (&'a str, &'a str)) -> Self {
        Self::Pair(a, b)
    }
}

impl<'a> From<Input<'a>> for EncodeInput<'a> {
    fn from(input: Input<'a>) -> Self {
        match input.texts() {
            (a, Some(b)) => (a, b).into(),
            (text, None) => text.into(),
        }
    }
}
