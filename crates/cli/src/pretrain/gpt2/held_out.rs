use tercet_data::stories::{Stories, Story, prefix_information};
use tercet_data::{Order, View, Windows};
use tercet_gpt2::Gpt2LmHead;
use tercet_objectives::{Ragged, causal};
use tercet_tensor::{Pool, Tape};
use tercet_tokenizer::{Special, Tokenizer};
use tercet_train::Evaluation;

use crate::error::Error;
use crate::lm_batch::LmBatch;
use crate::pretrain::source::{HeldOutText, Source};

/// Sequences of one pass.
const BATCH: usize = 16;
/// Ids to predict of the stories, which have no end.
const MOST_OF_STORIES: usize = 1 << 22;

/// Text that training does not see, ready to be predicted.
pub struct HeldOut {
    batches: Vec<LmBatch>,
    pool: Pool,
    /// Ids to predict.
    pub targets: usize,
    /// The least mean loss that any model can have on them, where it is known.
    pub floor: Option<f64>,
}

impl HeldOut {
    /// The held-out text of a source in sequences of `length` predictions, until `most` ids are predicted.
    ///
    /// # Errors
    /// When there is too little text, or it cannot be read.
    pub fn new(source: &Source, length: usize, most: usize) -> Result<Self, Error> {
        match &source.held_out {
            HeldOutText::Documents(view) => Self::of_view(view, length, most),
            HeldOutText::Stories { stories, first, separator } => {
                let most = most.clamp(1, MOST_OF_STORIES);
                Self::of_stories(*stories, *first, &source.tokenizer, *separator, length, most)
            }
        }
    }

    /// Windows of `length` predictions from the beginning of a view, until `most` ids are predicted; 0 is no limit.
    ///
    /// # Errors
    /// When the view is too short, or a block of the store is damaged.
    fn of_view(view: &View, length: usize, most: usize) -> Result<Self, Error> {
        let windows = Windows::new(view.clone(), Order::Sequential { stride: length }, length, BATCH)?;
        let mut cursor = windows.start(0);
        let (mut batches, mut targets) = (Vec::new(), 0);
        while (most == 0 || targets < most)
            && let Some(batch) = windows.next_batch(&mut cursor)?
        {
            let batch = LmBatch::next_token(&batch, causal::Documents::Cross);
            targets += batch.len();
            batches.push(batch);
        }
        Ok(Self { batches, pool: Pool::new(), targets, floor: None })
    }

    /// Stories of the generator from number `first` on, each from its beginning to the last sentence that fits into
    /// `length` ids, until `most` ids are predicted.
    ///
    /// A story begins after the separator, so that its first word is predicted as well, and its information is
    /// exactly what a perfect model would pay for it.
    ///
    /// # Errors
    /// When a story cannot be encoded, or none has a sentence that fits.
    fn of_stories(
        stories: Stories,
        first: u64,
        tokenizer: &Tokenizer,
        separator: u32,
        length: usize,
        most: usize,
    ) -> Result<Self, Error> {
        let (mut sequences, mut targets, mut nats) = (Vec::new(), 0, 0.0);
        for index in first..first + 10_000 {
            if targets >= most {
                break;
            }
            let story = stories.story(index);
            let mut ids = vec![separator];
            ids.extend(tokenizer.encode(&story.text, Special::Without)?);
            ids.push(separator);
            if ids.len() <= length + 1 {
                nats += story.nats;
            } else {
                let Some((kept, end)) = last_fitting(&story, tokenizer, length)? else { continue };
                ids.truncate(kept + 1);
                nats += prefix_information(&story.text[..end]).expect("a story begins like itself");
            }
            targets += ids.len() - 1;
            sequences.push(causal::next_token(&Ragged::from_sequences([ids]), causal::Documents::Cross));
        }
        if sequences.is_empty() {
            return Err(Error::flag("seq", "enough tokens for the first sentence of a story", length));
        }
        let batches = sequences.chunks(BATCH).map(LmBatch::joined).collect();
        Ok(Self { batches, pool: Pool::new(), targets, floor: Some(nats / targets as f64) })
    }

    /// The mean loss of the model.
    pub fn evaluate(&self, model: &Gpt2LmHead) -> Evaluation {
        let nats: f64 = self.batches.iter().map(|batch| batch.nats(model, &Tape::off_in(&self.pool))).sum();
        let loss = nats / self.targets as f64;
        Evaluation { loss, metrics: [("perplexity".to_owned(), loss.exp())].into(), ..Evaluation::default() }
    }
}

/// The last end of a sentence that at most `length` ids reach: how many ids, and where in the text.
fn last_fitting(
    story: &Story,
    tokenizer: &Tokenizer,
    length: usize,
) -> Result<Option<(usize, usize)>, Error> {
    for &(end, _) in story.nats_at.iter().rev() {
        let ids = tokenizer.encode(&story.text[..end], Special::Without)?.len();
        if ids <= length {
            return Ok(Some((ids, end)));
        }
    }
    Ok(None)
}
