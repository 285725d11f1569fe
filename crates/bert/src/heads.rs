use tercet_nn::{Bias, Dropout, Linear};
use tercet_tensor::{Params, Tape, Tensor, ops};

use crate::batch::BertBatch;
use crate::config::Config;
use crate::model::{Bert, Pooler};

/// The encoder with its pooler, dropout and a linear layer on top of the pooled vector: the shape of every head that
/// judges a sequence.
#[derive(Clone)]
struct Pooled {
    bert: Bert,
    pooler: Pooler,
    drop: Dropout,
    classifier: Linear,
}

impl Pooled {
    fn new(params: &Params, config: &Config, name: &str, labels: usize, dropout: f32) -> Self {
        let root = params.root();
        let mut head = root.clone();
        for part in name.split('.') {
            head = head.at(part);
        }
        Self {
            bert: Bert::new(&root.at("bert"), config),
            pooler: Pooler::new(&root.at("bert").at("pooler"), config),
            drop: Dropout::new(dropout),
            classifier: Linear::new(&head, config.hidden_size, labels, config.init(), Bias::Yes),
        }
    }

    fn forward(&self, tape: &Tape, batch: &BertBatch) -> Tensor {
        let pooled = self.pooler.forward(&self.bert.forward(tape, batch), batch); // (sequences, C)
        self.classifier.forward(&self.drop.forward(&pooled))
    }
}

/// BERT that says whether B follows A.
#[derive(Clone)]
pub struct BertForNextSentencePrediction(Pooled);

impl BertForNextSentencePrediction {
    /// The model over `params`: `bert.…` and `cls.seq_relationship`.
    pub fn new(params: &Params, config: &Config) -> Self {
        Self(Pooled::new(params, config, "cls.seq_relationship", 2, 0.0))
    }

    /// Logits (sequences, 2); class 0 is "B follows A".
    pub fn forward(&self, tape: &Tape, batch: &BertBatch) -> Tensor {
        self.0.forward(tape, batch)
    }
}

/// BERT with a class, several labels or a number for each sequence.
#[derive(Clone)]
pub struct BertForSequenceClassification(Pooled);

impl BertForSequenceClassification {
    /// The model over `params`: `bert.…` and `classifier`.
    pub fn new(params: &Params, config: &Config) -> Self {
        Self(Pooled::new(params, config, "classifier", config.num_labels(), config.classifier_dropout()))
    }

    /// Logits (sequences, labels).
    pub fn forward(&self, tape: &Tape, batch: &BertBatch) -> Tensor {
        self.0.forward(tape, batch)
    }
}

/// BERT that picks one of several texts: each choice of an example is a sequence.
#[derive(Clone)]
pub struct BertForMultipleChoice(Pooled);

impl BertForMultipleChoice {
    /// The model over `params`: `bert.…` and `classifier`.
    pub fn new(params: &Params, config: &Config) -> Self {
        Self(Pooled::new(params, config, "classifier", 1, config.classifier_dropout()))
    }

    /// Logits (examples, choices), of sequences that lie example by example.
    ///
    /// # Panics
    /// When the sequences are not a multiple of `choices`.
    pub fn forward(&self, tape: &Tape, batch: &BertBatch, choices: usize) -> Tensor {
        let scores = self.0.forward(tape, batch);
        assert!(
            scores.len().is_multiple_of(choices),
            "{} sequences for {choices} choices each",
            scores.len()
        );
        ops::reshape(&scores, &[scores.len() / choices, choices])
    }
}

/// BERT with a class for each token; it has no pooler.
#[derive(Clone)]
pub struct BertForTokenClassification {
    bert: Bert,
    drop: Dropout,
    classifier: Linear,
}

impl BertForTokenClassification {
    /// The model over `params`: `bert.…` and `classifier`.
    pub fn new(params: &Params, config: &Config) -> Self {
        let (root, labels) = (params.root(), config.num_labels());
        Self {
            bert: Bert::new(&root.at("bert"), config),
            drop: Dropout::new(config.classifier_dropout()),
            classifier: Linear::new(
                &root.at("classifier"),
                config.hidden_size,
                labels,
                config.init(),
                Bias::Yes,
            ),
        }
    }

    /// Logits (N, labels).
    pub fn forward(&self, tape: &Tape, batch: &BertBatch) -> Tensor {
        self.classifier.forward(&self.drop.forward(&self.bert.forward(tape, batch)))
    }
}

/// BERT with a start and an end score for each token; it has no pooler.
#[derive(Clone)]
pub struct BertForQuestionAnswering {
    bert: Bert,
    qa_outputs: Linear,
}

impl BertForQuestionAnswering {
    /// The model over `params`: `bert.…` and `qa_outputs`.
    pub fn new(params: &Params, config: &Config) -> Self {
        let root = params.root();
        Self {
            bert: Bert::new(&root.at("bert"), config),
            qa_outputs: Linear::new(&root.at("qa_outputs"), config.hidden_size, 2, config.init(), Bias::Yes),
        }
    }

    /// Start and end logits, (N, 2).
    pub fn forward(&self, tape: &Tape, batch: &BertBatch) -> Tensor {
        self.qa_outputs.forward(&self.bert.forward(tape, batch))
    }
}
