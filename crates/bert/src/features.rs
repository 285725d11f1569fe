use std::path::Path;

use tercet_tensor::{OnMissing, Params, Pool, Precision, Tape, Tensor, Value};

use crate::batch::{BertBatch, Sequence, token_batches};
use crate::config::Config;
use crate::error::Error;
use crate::folder::known_architecture;
use crate::model::{Bert, Pooler};

/// Vectors of texts from a pretrained encoder (section 5.3 of the paper).
///
/// ```
/// use tercet_bert::{FeatureExtractor, Layers, Pooling, Scale, Sequence};
/// # use tercet_bert::{BertForPreTraining, Config, Preset};
/// # let folder = tempfile::tempdir()?;
/// # let config = Config { vocab_size: 100, ..Preset::TINY.config() };
/// # let params = tercet_tensor::Params::new();
/// # BertForPreTraining::new(&params, &config);
/// # params.init(0);
/// # config.save(&folder, &params, "BertForPreTraining")?;
///
/// let bert = FeatureExtractor::open(&folder)?;
/// let texts = [Sequence::single(vec![2, 17, 40, 3]), Sequence::single(vec![2, 5, 3])];
/// let vectors = bert.vectors(&texts, Pooling::Mean(Layers::Concatenated(2)), Scale::Unit, |_| ())?;
/// assert_eq!(vectors.shape(), [2, 2 * 128]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FeatureExtractor {
    config: Config,
    bert: Bert,
    /// Not every folder has one.
    pooler: Option<Pooler>,
    precision: Precision,
}

/// Which layers a token's vector is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    /// The last alone.
    Last,
    /// The last so many beside each other, the lowest first.
    Concatenated(usize),
    /// The sum of the last so many.
    Summed(usize),
}

/// How the vectors of a text's tokens become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The first token's, `[CLS]`.
    Cls(Layers),
    /// The mean of all tokens', `[CLS]` and `[SEP]` included.
    Mean(Layers),
    /// The pooler's: `[CLS]` of the last layer through what next-sentence prediction trained.
    Pooler,
}

/// How long a text's vector is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// As it comes.
    AsIs,
    /// Of length 1, so that a dot product is a cosine.
    Unit,
}

/// Tokens of one pass: enough that a product fills all cores, few enough that its rows stay in the cache.
const TOKENS: usize = 2048;

impl FeatureExtractor {
    /// Reads the encoder of a Hugging Face folder, whatever heads it has.
    ///
    /// # Errors
    /// When a file is missing or malformed, the configuration is impossible or names an unknown class, or a tensor of
    /// the encoder is missing or of another shape.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, Error> {
        let folder = folder.as_ref();
        let config = Config::read(folder)?;
        known_architecture(&config)?;
        let params = Params::new();
        let bert = Bert::new(&params.root(), &config);
        let pooler = Pooler::new(&params.root().at("pooler"), &config);
        // A pooler that is missing is not asked for; whatever else is missing is an error.
        let report = config.load_weights(folder, &params, OnMissing::Init { seed: 0 })?;
        let (of_pooler, others): (Vec<_>, Vec<_>) =
            report.missing.into_iter().partition(|name| name.starts_with("pooler."));
        if !others.is_empty() {
            return Err(tercet_tensor::Error::Missing { path: folder.to_owned(), names: others }.into());
        }
        let pooler = of_pooler.is_empty().then_some(pooler);
        Ok(Self { config, bert, pooler, precision: Precision::F32 })
    }

    /// The same encoder with its matrix products in `precision`.
    pub fn precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// What config.json says.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The hidden state of every token of a batch, (N, C).
    ///
    /// # Panics
    /// As [`Bert::forward`].
    pub fn tokens(&self, batch: &BertBatch) -> Tensor {
        self.bert.forward(&Tape::off().precision(self.precision), batch)
    }

    /// How many numbers the vector of a text has.
    ///
    /// # Errors
    /// When the model has no pooler, or not so many layers.
    pub fn width(&self, pooling: Pooling) -> Result<usize, Error> {
        let wanted = |layers: usize| {
            // The embeddings count: they are the state before the first layer.
            let there = self.config.num_hidden_layers + 1;
            let known = (1..=there).contains(&layers);
            if known { Ok(layers) } else { Err(Error::Layers { found: layers, there }) }
        };
        let parts = match pooling {
            Pooling::Pooler if self.pooler.is_none() => return Err(Error::NoPooler),
            Pooling::Pooler | Pooling::Cls(Layers::Last) | Pooling::Mean(Layers::Last) => 1,
            Pooling::Cls(Layers::Summed(n)) | Pooling::Mean(Layers::Summed(n)) => wanted(n).map(|_| 1)?,
            Pooling::Cls(Layers::Concatenated(n)) | Pooling::Mean(Layers::Concatenated(n)) => wanted(n)?,
        };
        Ok(parts * self.config.hidden_size)
    }

    /// One vector for each text, (texts, width), in their order. Texts of like length are read together; `done` is told
    /// how many have been read.
    ///
    /// # Errors
    /// As [`FeatureExtractor::width`], and when a text does not fit the model.
    pub fn vectors(
        &self,
        texts: &[Sequence],
        pooling: Pooling,
        scale: Scale,
        mut done: impl FnMut(usize),
    ) -> Result<Value, Error> {
        let width = self.width(pooling)?;
        texts.iter().try_for_each(|text| self.config.check_sequence(text))?;
        let lengths: Vec<usize> = texts.iter().map(|text| text.ids.len()).collect();
        let mut vectors = vec![0.0; texts.len() * width];
        let (pool, mut read) = (Pool::new(), 0);
        for chosen in token_batches(&lengths, TOKENS) {
            let batch = BertBatch::of(chosen.iter().map(|&text| &texts[text]));
            let tape = Tape::off_in(&pool).precision(self.precision);
            let rows = self.pooled(&tape, &batch, pooling);
            for (row, &text) in rows.chunks_exact(width).zip(&chosen) {
                let vector = &mut vectors[text * width..][..width];
                vector.copy_from_slice(row);
                if scale == Scale::Unit {
                    to_unit(vector);
                }
            }
            read += chosen.len();
            done(read);
        }
        Ok(Value::new(&[texts.len(), width], vectors))
    }

    /// The vectors of a batch's texts end to end.
    fn pooled(&self, tape: &Tape, batch: &BertBatch, pooling: Pooling) -> Vec<f32> {
        let (layers, of_text): (_, OfText) = match pooling {
            Pooling::Cls(layers) => (layers, first),
            Pooling::Mean(layers) => (layers, mean),
            Pooling::Pooler => {
                let pooler = self.pooler.as_ref().expect("width() has looked");
                return pooler.forward(&self.bert.forward(tape, batch), batch).to_vec();
            }
        };
        let states = match layers {
            Layers::Last => vec![self.bert.forward(tape, batch)],
            Layers::Concatenated(n) | Layers::Summed(n) => {
                let mut all = self.bert.hidden_states(tape, batch).hidden_states;
                all.split_off(all.len() - n)
            }
        };
        let width = self.config.hidden_size;
        let mut vectors = Vec::new();
        for range in batch.sequences.ranges() {
            let of_state = |state: &Tensor| of_text(&state[range.start * width..range.end * width], width);
            let parts = states.iter().map(of_state);
            match layers {
                Layers::Summed(_) => vectors.extend(parts.reduce(sum).expect("one layer at least")),
                _ => vectors.extend(parts.flatten()),
            }
        }
        vectors
    }
}

/// A text's vector from its rows of one layer and their width.
type OfText = fn(&[f32], usize) -> Vec<f32>;

fn first(rows: &[f32], width: usize) -> Vec<f32> {
    rows[..width].to_vec()
}

fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let count = (rows.len() / width) as f32;
    let total = rows.chunks_exact(width).fold(vec![0.0; width], |total, row| sum(total, row.to_vec()));
    total.into_iter().map(|x| x / count).collect()
}

fn sum(mut a: Vec<f32>, b: Vec<f32>) -> Vec<f32> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    a
}

fn to_unit(vector: &mut [f32]) {
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    }
}
