use std::sync::Arc;

use tercet_objectives::Random;
use tercet_objectives::masked::{
    self, Instance, Masking, Place, Replacement, Settings as Pipeline, Unit, Vocabulary, instances,
};
use tercet_tensor::Rng;
use tercet_tokenizer::Tokenizer;

use super::text::Document;
use super::{Bert, ObjectiveArg};
use crate::error::Error;
use crate::pretrain::settings::Settings;

/// What the objectives must know of a tokenizer's entries.
pub struct Entries {
    /// The special ones.
    pub vocabulary: Vocabulary,
    /// Which entries continue a word.
    continues: Vec<bool>,
}

impl Entries {
    /// The entries of a tokenizer.
    ///
    /// # Errors
    /// When it has no `[CLS]`, `[SEP]` or `[MASK]`.
    pub fn of(tokenizer: &Tokenizer) -> Result<Self, Error> {
        let id = |token: &str, expected: &'static str| {
            let (what, found) = ("the tokenizer".to_owned(), "none".to_owned());
            tokenizer.token_to_id(token).ok_or(Error::Input { what, expected, found })
        };
        let vocabulary = Vocabulary {
            size: tokenizer.vocab_size(),
            cls: id("[CLS]", "an entry [CLS]")?,
            sep: id("[SEP]", "an entry [SEP]")?,
            mask: id("[MASK]", "an entry [MASK]")?,
        };
        let continues = |id: u32| tokenizer.id_to_token(id).is_some_and(|token| token.starts_with("##"));
        Ok(Self { continues: (0..vocabulary.size as u32).map(continues).collect(), vocabulary })
    }

    /// Whether an id is `[CLS]` or `[SEP]`, which are never hidden.
    pub fn frames(&self, id: u32) -> bool {
        id == self.vocabulary.cls || id == self.vocabulary.sep
    }
}

/// Makes training examples of documents, as the objective says.
#[derive(Clone)]
pub struct Maker {
    documents: Arc<Vec<Document>>,
    entries: Arc<Entries>,
    objective: ObjectiveArg,
    masking: Masking,
    pipeline: Pipeline,
    /// The most tokens to hide where it is set; else it follows from the length.
    most: Option<usize>,
    seed: u64,
}

/// What the examples of a whole run through the documents will take.
pub struct Estimate {
    /// How many examples.
    pub examples: u64,
    /// Bytes of memory.
    pub bytes: f64,
}

impl Maker {
    pub fn new(settings: &Settings<Bert>, documents: Arc<Vec<Document>>, entries: Arc<Entries>) -> Self {
        let own = &settings.own;
        let unit: Unit = own.unit.into();
        let published = match (own.objective, unit) {
            (ObjectiveArg::Hf, Unit::Word) => Masking::hf_whole_word(),
            (ObjectiveArg::Card, _) => Masking::card(),
            _ => Masking::hf(),
        };
        let pipeline = Pipeline {
            dupe_factor: own.dupe_factor,
            short_seq_prob: own.short_seq_prob,
            masked_lm_prob: own.masked_lm_prob,
            unit,
            ..Pipeline::default()
        };
        Self {
            documents,
            entries,
            objective: own.objective,
            masking: Masking { pick: own.masked_lm_prob, unit, ..published },
            pipeline,
            most: own.max_predictions_per_seq,
            seed: settings.training.seed,
        }
    }

    /// The pipeline for sequences of `length`.
    fn pipeline(&self, length: usize) -> Pipeline {
        let share = (length as f64 * self.pipeline.masked_lm_prob).ceil() as usize;
        let most = self.most.unwrap_or(share);
        Pipeline { max_seq_length: length, max_predictions_per_seq: most, ..self.pipeline.clone() }
    }

    /// The examples of one epoch of a phase, in their order. Those of `google` are the same in every epoch; the others
    /// are pairs that [`Maker::example`] hides tokens of.
    pub fn epoch(&self, length: usize, phase: usize, epoch: u64) -> Result<Vec<Instance>, Error> {
        let pipeline = self.pipeline(length);
        let (pipeline, seed) = match self.objective {
            ObjectiveArg::Google => (pipeline, self.seed),
            _ => (pairs_alone(pipeline), mixed(&[self.seed, phase as u64, epoch])),
        };
        let Entries { vocabulary, continues } = &*self.entries;
        let continues = |id: u32| continues[id as usize];
        let mut random = Random::new(seed);
        let mut made = instances(&self.documents, vocabulary, &pipeline, continues, &mut random)?;
        if self.objective == ObjectiveArg::Google && epoch > 0 {
            Random::new(mixed(&[self.seed, phase as u64, epoch])).shuffle(&mut made);
        }
        Ok(made)
    }

    /// An example of an epoch as it is trained on.
    pub fn example(&self, made: &Instance, phase: usize, epoch: u64, index: usize) -> Instance {
        let mut example = made.clone();
        if self.objective == ObjectiveArg::Google {
            return example;
        }
        let entries = &self.entries;
        let continues = |id: u32| entries.continues[id as usize];
        let places = masked::places(&example.ids, |id| entries.frames(id), continues);
        let mut random = Random::new(mixed(&[self.seed, phase as u64, epoch, index as u64]));
        // An example in which nothing happens to be hidden teaches nothing: the draw is repeated.
        while example.targets.is_empty() && places.contains(&Place::Begins) {
            let hidden = &self.entries.vocabulary;
            example.targets = masked::mask(&mut example.ids, &places, hidden, &self.masking, &mut random);
        }
        example
    }

    /// How much there will be of examples of `length`, judged by some documents.
    pub fn estimate(&self, length: usize) -> Result<Estimate, Error> {
        const SAMPLE: usize = 200;
        let every = self.documents.len().div_ceil(SAMPLE);
        let sample: Vec<Document> = self.documents.iter().step_by(every).cloned().collect();
        let pipeline = Pipeline { dupe_factor: 1, ..self.pipeline(length) };
        let Entries { vocabulary, continues } = &*self.entries;
        let continues = |id: u32| continues[id as usize];
        let made = instances(&sample, vocabulary, &pipeline, continues, &mut Random::new(0))?;
        // Four bytes an id and eight a target, and what an allocation of each list takes.
        let bytes_of = |it: &Instance| size_of::<Instance>() + 4 * it.ids.len() + 8 * it.targets.len() + 48;
        let bytes: usize = made.iter().map(bytes_of).sum();
        let tokens = |documents: &[Document]| documents.iter().flatten().map(Vec::len).sum::<usize>() as f64;
        let passes = if self.objective == ObjectiveArg::Google { self.pipeline.dupe_factor } else { 1 };
        let times = passes as f64 * tokens(&self.documents) / tokens(&sample);
        Ok(Estimate { examples: (made.len() as f64 * times) as u64, bytes: bytes as f64 * times })
    }

    /// Examples to measure a model on: as `google` makes them by default, whatever it is trained on.
    pub fn held_out(
        documents: &[Document],
        entries: &Entries,
        length: usize,
    ) -> Result<Vec<Instance>, Error> {
        let most = (length as f64 * 0.15).ceil() as usize;
        let pipeline = Pipeline {
            max_seq_length: length,
            dupe_factor: 1,
            max_predictions_per_seq: most,
            replacement: Replacement::google(),
            ..Pipeline::default()
        };
        let continues = |id: u32| entries.continues[id as usize];
        Ok(instances(documents, &entries.vocabulary, &pipeline, continues, &mut Random::new(0))?)
    }
}

/// The pipeline without its masks.
fn pairs_alone(pipeline: Pipeline) -> Pipeline {
    Pipeline { dupe_factor: 1, max_predictions_per_seq: 0, ..pipeline }
}

/// A seed that depends on all parts.
fn mixed(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |seed, part| Rng::new(seed ^ part).next_u64())
}
