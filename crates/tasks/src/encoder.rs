use tercet_objectives::spans;
use tercet_tokenizer::{Special, Tokenizer};

use crate::{Content, Error, Example, Result};

/// How many ids an example may have, end of text included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Longer inputs are cut.
    pub inputs: usize,
    /// A longer target is an error: a model that learns half an answer gives half answers.
    pub targets: usize,
}

/// Turns examples into ids.
#[derive(Clone, Debug)]
pub struct Encoder {
    tokenizer: Tokenizer,
    lengths: Lengths,
}

impl Encoder {
    /// An encoder for a model that reads and says at most so many ids.
    ///
    /// # Errors
    /// When there is no room beside the end of text.
    pub fn new(tokenizer: Tokenizer, lengths: Lengths) -> Result<Self> {
        for (name, length) in [("the inputs", lengths.inputs), ("the targets", lengths.targets)] {
            if length < 2 {
                let (name, found) = (format!("the length of {name}"), length.to_string());
                return Err(Error::Setting { name, expected: "at least 2", found });
            }
        }
        Ok(Self { tokenizer, lengths })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The ids of an example, without start and end: [`spans::Batch::of`] adds them.
    ///
    /// `member` is what an error calls the task.
    ///
    /// # Errors
    /// When the target is too long, or the vocabulary cannot write a text.
    pub fn encode(&self, member: &str, example: &Example) -> Result<spans::Example> {
        let inputs = self.inputs(&example.inputs)?;
        let targets = self.tokenizer.encode(&example.targets, Special::Without)?;
        self.check_target(member, &targets, &example.targets)?;
        Ok(spans::Example { inputs, targets })
    }

    /// The ids of what the encoder reads, cut to its length.
    ///
    /// # Errors
    /// When the vocabulary cannot write it.
    pub fn inputs(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = self.tokenizer.encode(text, Special::Without)?;
        ids.truncate(self.lengths.inputs - 1);
        Ok(ids)
    }

    /// The ids of what a mixture has drawn.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_content(&self, member: &str, content: Content) -> Result<spans::Example> {
        match content {
            Content::Text(example) => self.encode(member, &example),
            Content::Ids(mut example) => {
                example.inputs.truncate(self.lengths.inputs - 1);
                self.check_target(member, &example.targets, "")?;
                Ok(example)
            }
        }
    }

    fn check_target(&self, member: &str, ids: &[u32], text: &str) -> Result<()> {
        let (allowed, found) = (self.lengths.targets, ids.len() + 1);
        if found > allowed {
            let start = text.chars().take(60).collect();
            return Err(Error::LongTarget { member: member.to_owned(), allowed, found, start });
        }
        Ok(())
    }
}
