use serde::{Deserialize, Serialize};
use tercet_data::{Permutation, View};
use tercet_objectives::Random;
use tercet_objectives::denoising::{self, DOCUMENTS_TOGETHER, Objective};
use tercet_objectives::spans::Example;
use tercet_tokenizer::Tokenizer;

use crate::{Error, Result};

/// The unsupervised task: text from a store, corrupted. Endless, and each example a function of the position alone.
///
/// In each epoch the documents come in a new order, a group of them is put end to end and cut into pieces, and the
/// pieces of a group come in a shuffled order, so that one batch is not of one document.
#[derive(Clone, Debug)]
pub struct Denoising {
    view: View,
    objective: Objective,
    length: usize,
    /// One more than the id of the first sentinel.
    vocabulary: u32,
    /// What is left out of the text: the marks between documents, and padding.
    dropped: Vec<u32>,
    position: TextPosition,
    /// Those of the current group, and the group, once it has been read.
    pieces: Option<(u64, u64, Vec<Vec<u32>>)>,
}

/// A position in corrupted text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextPosition {
    /// Decides every order and every mask.
    pub seed: u64,
    /// How many documents the text has.
    pub documents: u64,
    /// How many epochs have been completed.
    pub epoch: u64,
    /// The group of documents in this epoch.
    pub group: u64,
    /// How many pieces of it have been taken.
    pub piece: u64,
}

impl Denoising {
    /// Corrupts the text of a view so that inputs, end of text included, have at most `inputs` ids.
    ///
    /// # Errors
    /// When another tokenizer made the store, the text is too short for a piece, the tokenizer has too few sentinels for the objective, or a setting is
    /// out of range.
    pub fn new(
        view: View,
        tokenizer: &Tokenizer,
        objective: Objective,
        inputs: usize,
        seed: u64,
    ) -> Result<Self> {
        view.store().check_tokenizer(tokenizer)?;
        let length = objective.piece(inputs)?;
        let sentinels = tokenizer.sentinels();
        let needed = objective.sentinels(length);
        let in_a_row = sentinels.windows(2).take_while(|pair| pair[0] == pair[1] + 1).count() + 1;
        if needed > 0 && (sentinels.is_empty() || in_a_row < needed) {
            return Err(Error::Setting {
                name: "the tokenizer".to_owned(),
                expected: "one with enough sentinels (<extra_id_0>, the one before it <extra_id_1>, …)",
                found: format!("{} of {needed} for pieces of {length} ids", in_a_row.min(sentinels.len())),
            });
        }
        if view.tokens() < 2 {
            return Err(tercet_data::Error::TooShort { tokens: view.tokens(), needed: 2 }.into());
        }
        let position = TextPosition { seed, documents: view.documents(), epoch: 0, group: 0, piece: 0 };
        let vocabulary = sentinels.first().map_or(0, |first| first + 1);
        let dropped = ["<pad>", "</s>"].iter().filter_map(|token| tokenizer.token_to_id(token));
        let dropped = dropped.chain(tokenizer.end_of_text()).collect();
        Ok(Self { view, objective, length, vocabulary, dropped, position, pieces: None })
    }

    /// About how many examples an epoch has.
    pub fn number(&self) -> u64 {
        self.view.tokens().div_ceil(self.length as u64)
    }

    /// How many ids a piece of text has.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Where the next example is.
    pub fn position(&self) -> TextPosition {
        self.position
    }

    /// Goes to a position.
    ///
    /// # Errors
    /// When it is of a text with another number of documents.
    pub fn restore(&mut self, position: TextPosition) -> Result<()> {
        let (expected, found) = (self.position.documents, position.documents);
        if expected != found {
            return Err(tercet_data::Error::OtherData { expected, found }.into());
        }
        self.position = position;
        Ok(())
    }

    /// The next example, without start and end.
    ///
    /// # Errors
    /// When a block of the store is damaged, or there is no text in it.
    pub fn next_example(&mut self) -> Result<Example> {
        let mut empty_groups = 0;
        loop {
            let at = self.position;
            let groups = at.documents.div_ceil(DOCUMENTS_TOGETHER as u64);
            if at.group >= groups {
                self.position = TextPosition { epoch: at.epoch + 1, group: 0, piece: 0, ..at };
                continue;
            }
            self.read_group()?;
            let pieces = self.pieces.as_ref().map_or(&[][..], |(_, _, pieces)| pieces);
            let count = pieces.len() as u64;
            if at.piece < count {
                let order = Permutation::new(count, at.seed ^ at.group, at.epoch);
                let piece = &pieces[order.at(at.piece) as usize];
                let mut random = Random::at(at.seed, &[at.epoch, at.group, at.piece]);
                let example = self.objective.corrupt(piece, self.vocabulary, &mut random)?;
                self.position.piece += 1;
                return Ok(example);
            }
            empty_groups = if count == 0 { empty_groups + 1 } else { 0 };
            if empty_groups > groups {
                return Err(tercet_data::Error::TooShort { tokens: 0, needed: 2 }.into());
            }
            self.position = TextPosition { group: at.group + 1, piece: 0, ..at };
        }
    }

    /// Reads the pieces of the group at the position, if they are not those at hand.
    fn read_group(&mut self) -> Result<()> {
        let at = self.position;
        if self.pieces.as_ref().is_none_or(|(epoch, group, _)| (*epoch, *group) != (at.epoch, at.group)) {
            let order = Permutation::new(at.documents, at.seed, at.epoch);
            let first = at.group * DOCUMENTS_TOGETHER as u64;
            let places = first..at.documents.min(first + DOCUMENTS_TOGETHER as u64);
            let documents = places.map(|place| {
                let mut ids = Vec::new();
                self.view.read(self.view.document(order.at(place))?, &mut ids)?;
                Ok(ids)
            });
            let documents = documents.collect::<Result<Vec<_>>>()?;
            let mut random = Random::at(at.seed, &[at.epoch, at.group]);
            let mut pieces = denoising::pieces(&documents, self.length, &self.dropped, &mut random);
            pieces.retain(|piece| piece.len() > 1); // one id alone has nothing to predict it from
            self.pieces = Some((at.epoch, at.group, pieces));
        }
        Ok(())
    }
}
