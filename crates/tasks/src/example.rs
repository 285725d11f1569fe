/// One question in text, and its answer in text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// What the encoder reads: "cola sentence: The pond froze solid."
    pub inputs: String,
    /// What the decoder should say: "acceptable".
    pub targets: String,
    /// What else scoring has to know.
    pub reference: Reference,
}

/// What a prediction is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reference {
    /// The target.
    Target,
    /// The best of several answers.
    Answers(Vec<String>),
    /// The target, and those of the other examples with this number: the answers to one question.
    Question(u64),
    /// Whether the target is what the pronoun stands for.
    Referent(bool),
}

impl Example {
    pub(crate) fn new(inputs: impl Into<String>, targets: impl Into<String>) -> Self {
        Self { inputs: inputs.into(), targets: targets.into(), reference: Reference::Target }
    }

    pub(crate) fn with(self, reference: Reference) -> Self {
        Self { reference, ..self }
    }
}
