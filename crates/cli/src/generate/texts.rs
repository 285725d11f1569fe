use std::io::{self, Write};

use tercet_generate::{GenerationConfig, StopStrings};
use tercet_tokenizer::{Special, StreamDecoder};

use crate::error::Error;
use crate::model::{Form, TextModel};
use crate::output;

/// What has been written for each prompt of a batch. The first text is shown as it grows; those after it wait for their
/// turn.
pub struct Texts<'a> {
    form: Form,
    /// Ids that end a text or fill it up.
    hidden: Vec<u32>,
    texts: Vec<Text<'a>>,
}

struct Text<'a> {
    decoder: StreamDecoder<'a>,
    stops: StopStrings,
    /// What is certain and has not been shown.
    waiting: String,
}

impl<'a> Texts<'a> {
    /// Begins the texts of these prompts, as many as the settings say for each, after `earlier` batches.
    ///
    /// # Errors
    /// When nothing can be printed.
    pub fn new(
        prompts: &[String],
        model: &'a TextModel,
        settings: &GenerationConfig,
        stops: &[String],
        earlier: usize,
    ) -> Result<Self, Error> {
        let (form, tokenizer) = (model.form(), &model.tokenizer);
        let (special, hidden) = match form {
            Form::Continuation => (Special::Without, Vec::new()),
            // A sentinel says which span the words after it fill.
            Form::Answer => {
                (Special::With, model.end().into_iter().chain(tokenizer.token_to_id("<pad>")).collect())
            }
        };
        let text = |prompt: &String| Text {
            decoder: tokenizer.stream(special),
            stops: StopStrings::new(stops),
            waiting: if form == Form::Continuation { prompt.clone() } else { String::new() },
        };
        let ways = settings.num_return_sequences;
        let texts = prompts.iter().flat_map(|prompt| (0..ways).map(move |_| text(prompt))).collect();
        let mut texts = Self { form, hidden, texts };
        if earlier > 0 {
            texts.part()?;
        }
        if let Some(first) = texts.texts.first_mut() {
            first.show()?;
        }
        Ok(texts)
    }

    /// Adds an id to a text; whether it has come to a stop string.
    ///
    /// # Errors
    /// When the id cannot be decoded or the text not be printed.
    pub fn push(&mut self, text: usize, id: u32) -> Result<bool, Error> {
        let grown = &mut self.texts[text];
        if !self.hidden.contains(&id) {
            let piece = grown.decoder.push(id)?;
            grown.waiting += &grown.stops.push(&piece);
        }
        if text == 0 {
            grown.show()?;
        }
        Ok(grown.stops.found())
    }

    /// Prints the rest of all texts, in order.
    ///
    /// # Errors
    /// When nothing can be printed.
    pub fn finish(mut self) -> Result<(), Error> {
        for (number, mut text) in std::mem::take(&mut self.texts).into_iter().enumerate() {
            if number > 0 {
                self.part()?;
            }
            let last = text.decoder.clone().finish()?;
            text.waiting += &text.stops.push(&last);
            text.waiting += &text.stops.clone().finish();
            text.show()?;
            output::say("")?;
        }
        Ok(())
    }

    /// Continued texts may have several lines, and an empty one stands between two; an answer is a line.
    fn part(&self) -> Result<(), Error> {
        match self.form {
            Form::Continuation => output::say(""),
            Form::Answer => Ok(()),
        }
    }
}

impl Text<'_> {
    fn show(&mut self) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        out.write_all(self.waiting.as_bytes())?;
        self.waiting.clear();
        Ok(out.flush()?)
    }
}
