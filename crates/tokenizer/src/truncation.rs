use tokenizers::utils::truncation::TruncationDirection;
use tokenizers::{Encoding as Parts, PostProcessor};

use crate::{Encoding, Error, Input, Result, Special, Tokenizer};

/// Which text of a pair is cut, always at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// The longer one until both are equal, then both.
    #[default]
    LongestFirst,
    /// The first, or the only one.
    OnlyFirst,
    /// The second.
    OnlySecond,
}

/// How many ids a model can take, special tokens included, and what to cut when there are more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// The most ids that are left.
    pub max_length: usize,
    /// Which text is cut.
    pub strategy: Strategy,
}

impl Truncation {
    /// At most `max_length` ids, cut from the longest text first.
    pub fn new(max_length: usize) -> Self {
        Self { max_length, strategy: Strategy::default() }
    }
}

impl Tokenizer {
    /// The ids of a text or a pair, cut to what a model can take.
    ///
    /// ```
    /// use tercet_tokenizer::{Special, Tokenizer, Training, Truncation};
    ///
    /// let tokenizer = Training::word_piece(60).run(["the cat sat on the mat"].iter())?;
    /// let pair = tokenizer.truncated(("the cat sat", "on the mat"), Special::With, Truncation::new(7))?;
    /// assert_eq!(pair.ids.len(), 7);
    /// assert_eq!(pair.type_ids, [0, 0, 0, 0, 1, 1, 1]);
    /// # Ok::<(), tercet_tokenizer::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`encode`](Self::encode), and when what must not be cut is too long already.
    pub fn truncated<'a>(
        &self,
        input: impl Into<Input<'a>>,
        special: Special,
        truncation: Truncation,
    ) -> Result<Encoding> {
        let (mut parts, kept) = self.cut(input.into(), special, truncation)?;
        for (part, kept) in parts.iter_mut().zip(kept) {
            part.truncate(kept, 0, TruncationDirection::Right);
            part.take_overflowing();
        }
        Ok(Encoding::new(self, &self.joined(parts, special)?))
    }

    /// A text or a pair as pieces that a model can take, each with the `stride` last ids of the piece before.
    ///
    /// The first piece is what [`truncated`](Self::truncated) gives. Where both texts of a pair are cut, each piece of
    /// the first goes with each of the second.
    ///
    /// # Errors
    /// As [`truncated`](Self::truncated), and when a piece would be no longer than `stride`.
    pub fn windows<'a>(
        &self,
        input: impl Into<Input<'a>>,
        special: Special,
        truncation: Truncation,
        stride: usize,
    ) -> Result<Vec<Encoding>> {
        let (mut parts, kept) = self.cut(input.into(), special, truncation)?;
        for (part, kept) in parts.iter_mut().zip(kept) {
            if kept < part.len() && kept <= stride {
                return Err(Error::Stride { stride, window: kept });
            }
            part.truncate(kept, stride, TruncationDirection::Right);
        }
        let mut first = self.joined(parts, special)?;
        let rest = first.take_overflowing();
        Ok(std::iter::once(&first).chain(&rest).map(|parts| Encoding::new(self, parts)).collect())
    }

    /// The texts without special tokens, and how many ids of each are kept.
    fn cut(
        &self,
        input: Input<'_>,
        special: Special,
        truncation: Truncation,
    ) -> Result<(Vec<Parts>, Vec<usize>)> {
        let (first, second) = input.texts();
        let mut parts = Vec::new();
        for (text, type_id) in [first].into_iter().chain(second).zip(0..) {
            let mut part = self.pipeline.encode(text, false).map_err(|e| self.encode_error(text, &e))?;
            part.set_type_ids(vec![type_id; part.len()]);
            parts.push(part);
        }
        let template = self.pipeline.get_post_processor().filter(|_| special == Special::With);
        let added = template.map_or(0, |template| template.added_tokens(parts.len() == 2));
        let lengths: Vec<_> = parts.iter().map(Parts::len).collect();
        let kept = truncation.kept(&lengths, added)?;
        Ok((parts, kept))
    }

    /// Puts the texts into the template of the tokenizer.
    fn joined(&self, parts: Vec<Parts>, special: Special) -> Result<Parts> {
        let mut parts = parts.into_iter();
        let first = parts.next().expect("one text at least");
        self.pipeline
            .post_process(first, parts.next(), special == Special::With)
            .map_err(|e| Error::Encode(e.to_string()))
    }
}

impl Truncation {
    /// How many ids of each text are kept, where the template adds `added` more.
    fn kept(&self, lengths: &[usize], added: usize) -> Result<Vec<usize>> {
        let max_length = self.max_length;
        let too_short = |least, taken_by| Error::TooShort { max_length, least, taken_by };
        let room = max_length.checked_sub(added).ok_or(too_short(added, "the special tokens"))?;
        let total: usize = lengths.iter().sum();
        if total <= room {
            return Ok(lengths.to_vec());
        }
        let only = |cut: usize| {
            let length = *lengths.get(cut).ok_or(Error::NoSecondText)?;
            let fixed = total - length;
            let left = room.checked_sub(fixed).filter(|&left| left > 0);
            let left =
                left.ok_or(too_short(added + fixed + 1, "the special tokens and the text that is not cut"));
            let mut kept = lengths.to_vec();
            kept[cut] = left?;
            Ok(kept)
        };
        match (self.strategy, lengths) {
            (Strategy::LongestFirst, &[a, b]) => {
                let shorter = a.min(b).min(room / 2);
                Ok(if a <= b { vec![shorter, room - shorter] } else { vec![room - shorter, shorter] })
            }
            (Strategy::LongestFirst, _) => Ok(vec![room]),
            (Strategy::OnlyFirst, _) => only(0),
            (Strategy::OnlySecond, _) => only(1),
        }
    }
}
