use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use serde_json::Value;
use tercet_attention::Batch;
use tercet_objectives::{Ragged, spans};
use tercet_t5::T5Batch;
use tercet_tasks::{Content, Encoder, Mixture, Position};
use tercet_train::{Batches, Failure, MicroBatch};

/// Batches that wait while the model is busy.
const AHEAD: usize = 4;

/// Texts and the answers to them, as a step reads them.
#[derive(Clone)]
pub struct Examples(pub T5Batch);

impl Examples {
    /// Lays examples end to end, each with an end.
    pub fn new(examples: &[spans::Example], start: u32, end: u32) -> Self {
        let spans::Batch { inputs, decoder_inputs, targets } = spans::Batch::of(examples, start, end);
        let packed = |side: Ragged| {
            let lengths: Vec<usize> = side.lengths().collect();
            Batch::packed(side.ids, &lengths)
        };
        Self(T5Batch { inputs: packed(inputs), decoder_inputs: packed(decoder_inputs), labels: targets })
    }
}

impl MicroBatch for Examples {
    fn tokens(&self) -> usize {
        self.0.inputs.ids.len() + self.0.decoder_inputs.ids.len()
    }

    fn targets(&self) -> Vec<usize> {
        vec![self.0.labels.len()]
    }
}

/// What turns a mixture into batches.
#[derive(Clone)]
pub struct Batching {
    pub encoder: Encoder,
    /// Examples of a batch.
    pub batch: usize,
    /// The id that the decoder begins with.
    pub start: u32,
    /// The id that ends a text.
    pub end: u32,
}

impl Batching {
    fn next(&self, mixture: &mut Mixture) -> Result<Examples, tercet_tasks::Error> {
        let mut examples = Vec::with_capacity(self.batch);
        for _ in 0..self.batch {
            let drawn = mixture.next().expect("a mixture has no end")?;
            examples.push(match drawn.content {
                Content::Text(example) => {
                    self.encoder.encode(mixture.members()[drawn.member].name(), &example)?
                }
                // How long a corrupted text is, the objective alone decides.
                Content::Ids(example) => example,
            });
        }
        Ok(Examples::new(&examples, self.start, self.end))
    }
}

/// A mixture as an endless stream of batches, made in a thread of its own.
pub struct Stream {
    mixture: Mixture,
    batching: Batching,
    /// The position after the last batch that was taken.
    position: Position,
    made: Receiver<Result<(Examples, Position), tercet_tasks::Error>>,
}

impl Stream {
    /// The stream from where the mixture is.
    pub fn new(mixture: Mixture, batching: Batching) -> Self {
        let (position, made) = (mixture.position(), ahead(mixture.clone(), batching.clone()));
        Self { mixture, batching, position, made }
    }
}

/// Makes batches until nobody listens any more.
fn ahead(
    mut mixture: Mixture,
    batching: Batching,
) -> Receiver<Result<(Examples, Position), tercet_tasks::Error>> {
    let (sender, made) = sync_channel(AHEAD);
    thread::spawn(move || {
        loop {
            let batch = batching.next(&mut mixture).map(|batch| (batch, mixture.position()));
            let last = batch.is_err();
            if sender.send(batch).is_err() || last {
                break;
            }
        }
    });
    made
}

impl Batches for Stream {
    type Batch = Examples;

    fn next(&mut self) -> Result<Examples, Failure> {
        let (batch, position) = self.made.recv()??;
        self.position = position;
        Ok(batch)
    }

    fn cursor(&self) -> Value {
        serde_json::to_value(&self.position).expect("a position is plain data")
    }

    fn restore(&mut self, cursor: &Value) -> Result<(), Failure> {
        let position: Position = serde_json::from_value(cursor.clone())?;
        self.mixture.restore(&position)?;
        *self = Self::new(self.mixture.clone(), self.batching.clone());
        Ok(())
    }
}
