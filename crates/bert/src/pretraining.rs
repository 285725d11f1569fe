use tercet_nn::{Bias, LayerNorm, Linear, Vocabulary};
use tercet_tensor::ops::{LossTerms, Target, VocabLoss};
use tercet_tensor::{Activation, Init, Params, Scope, Tape, Tensor, ops};

use crate::batch::BertBatch;
use crate::config::Config;
use crate::model::{Bert, Pooler};

/// The masked-LM head: a layer, the activation, a norm, then the vocabulary with a bias of its own (section 3.1 and
/// the released code).
#[derive(Clone)]
struct Predictions {
    dense: Linear,
    act: Activation,
    norm: LayerNorm,
    decoder: Vocabulary,
}

impl Predictions {
    fn new(scope: &Scope, bert: &Bert, config: &Config) -> Self {
        let (width, transform) = (config.hidden_size, scope.at("transform"));
        let bias = scope.param("bias", &[config.vocab_size], Init::Zeros);
        let table = if config.tie_word_embeddings {
            bert.word_embeddings().weight().clone()
        } else {
            scope.at("decoder").param("weight", &[config.vocab_size, width], config.init())
        };
        Self {
            dense: Linear::new(&transform.at("dense"), width, width, config.init(), Bias::Yes),
            act: config.activation(),
            norm: LayerNorm::new(&transform.at("LayerNorm"), width, config.layer_norm_eps),
            decoder: Vocabulary::new(&table, Some(&bias)),
        }
    }

    fn transform(&self, hidden: &Tensor) -> Tensor {
        self.norm.forward(&ops::activation(&self.dense.forward(hidden), self.act))
    }

    /// The logits (rows, V) at some rows of the hidden states.
    fn logits(&self, hidden: &Tensor, rows: &[u32]) -> Tensor {
        self.decoder.logits(&self.transform(&ops::gather_rows(hidden, rows)))
    }

    /// The loss at the masked rows. They are gathered first: neither the head nor the vocabulary sees another row.
    fn loss(&self, hidden: &Tensor, targets: &[Target]) -> VocabLoss {
        let rows: Vec<u32> = targets.iter().map(|t| t.row).collect();
        let gathered: Vec<Target> = targets.iter().zip(0..).map(|(t, row)| Target { row, ..*t }).collect();
        self.decoder.loss(&self.transform(&ops::gather_rows(hidden, &rows)), &gathered, LossTerms::default())
    }
}

/// BERT with both heads of its pretraining: masked LM and next sentence.
#[derive(Clone)]
pub struct BertForPreTraining {
    /// The encoder.
    pub bert: Bert,
    pooler: Pooler,
    predictions: Predictions,
    seq_relationship: Linear,
}

/// The two losses of a pretraining batch.
pub struct PreTrainingLoss {
    /// The masked-LM loss, with the loss of each target.
    pub masked: VocabLoss,
    /// The next-sentence loss, a scalar.
    pub next_sentence: Tensor,
    /// The next-sentence logits (sequences, 2), whose class 0 is "B follows A".
    pub next_sentence_logits: Tensor,
}

impl BertForPreTraining {
    /// The model over `params`: `bert.…`, `cls.predictions.…`, `cls.seq_relationship.…`.
    pub fn new(params: &Params, config: &Config) -> Self {
        let (root, cls) = (params.root(), params.root().at("cls"));
        let bert = Bert::new(&root.at("bert"), config);
        Self {
            pooler: Pooler::new(&root.at("bert").at("pooler"), config),
            predictions: Predictions::new(&cls.at("predictions"), &bert, config),
            seq_relationship: Linear::new(
                &cls.at("seq_relationship"),
                config.hidden_size,
                2,
                config.init(),
                Bias::Yes,
            ),
            bert,
        }
    }

    /// The masked-LM logits (rows, V) at `rows`, and the next-sentence logits (sequences, 2).
    pub fn logits(&self, tape: &Tape, batch: &BertBatch, rows: &[u32]) -> (Tensor, Tensor) {
        let hidden = self.bert.forward(tape, batch);
        let next_sentence = self.seq_relationship.forward(&self.pooler.forward(&hidden, batch));
        (self.predictions.logits(&hidden, rows), next_sentence)
    }

    /// Both losses: of the masked rows, and of whether B follows A (class 0) in each sequence. Their sum is the
    /// pretraining loss when each's weights are those of a mean.
    pub fn loss(
        &self,
        tape: &Tape,
        batch: &BertBatch,
        masked: &[Target],
        next_sentence: &[Target],
    ) -> PreTrainingLoss {
        let hidden = self.bert.forward(tape, batch);
        let next_sentence_logits = self.seq_relationship.forward(&self.pooler.forward(&hidden, batch));
        PreTrainingLoss {
            masked: self.predictions.loss(&hidden, masked),
            next_sentence: ops::cross_entropy(&next_sentence_logits, next_sentence),
            next_sentence_logits,
        }
    }
}

/// BERT with the masked-LM head alone; it has no pooler.
#[derive(Clone)]
pub struct BertForMaskedLm {
    /// The encoder.
    pub bert: Bert,
    predictions: Predictions,
}

impl BertForMaskedLm {
    /// The model over `params`: `bert.…` and `cls.predictions.…`.
    pub fn new(params: &Params, config: &Config) -> Self {
        let bert = Bert::new(&params.root().at("bert"), config);
        let predictions = Predictions::new(&params.root().at("cls").at("predictions"), &bert, config);
        Self { bert, predictions }
    }

    /// The logits (rows, V) at some rows of the batch.
    pub fn logits(&self, tape: &Tape, batch: &BertBatch, rows: &[u32]) -> Tensor {
        self.predictions.logits(&self.bert.forward(tape, batch), rows)
    }

    /// The loss of the masked rows.
    pub fn loss(&self, tape: &Tape, batch: &BertBatch, targets: &[Target]) -> VocabLoss {
        self.predictions.loss(&self.bert.forward(tape, batch), targets)
    }
}
