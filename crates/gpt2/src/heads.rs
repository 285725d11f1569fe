use tercet_attention::Batch;
use tercet_nn::{Bias, Dropout, Linear, Vocabulary};
use tercet_tensor::ops::{LossTerms, Target, VocabLoss};
use tercet_tensor::{Activation, Init, Params, Tape, Tensor, ops};

use crate::config::{Config, InitPreset};
use crate::model::{Gpt2, Recompute};

/// GPT-2 with its output layer: the language model.
#[derive(Clone)]
pub struct Gpt2LmHead {
    /// The decoder.
    pub transformer: Gpt2,
    lm_head: Vocabulary,
}

impl Gpt2LmHead {
    /// The model over `params`: `transformer.…`, and `lm_head.weight` unless it is tied to the token embedding.
    pub fn new(params: &Params, config: &Config, init: InitPreset) -> Self {
        let root = params.root();
        let transformer = Gpt2::new(&root.at("transformer"), config, init);
        let lm_head = if config.tie_word_embeddings {
            Vocabulary::new(transformer.wte().weight(), None)
        } else {
            let shape = [config.vocab_size, config.n_embd];
            let normal = Init::Normal { std: config.initializer_range };
            Vocabulary::new(&root.at("lm_head").param("weight", &shape, normal), None)
        };
        Self { transformer, lm_head }
    }

    /// This model with another treatment of activations in training.
    pub fn recompute(self, recompute: Recompute) -> Self {
        Self { transformer: self.transformer.recompute(recompute), ..self }
    }

    /// The logits (N, V) of every token's successor, held whole.
    pub fn logits(&self, tape: &Tape, batch: &Batch) -> Tensor {
        self.lm_head.logits(&self.transformer.forward(tape, batch))
    }

    /// The logits of the successor of each sequence's last token, (sequences, V): a generation step.
    pub fn next_token_logits(&self, tape: &Tape, batch: &Batch) -> Tensor {
        let last: Vec<u32> = batch.sequences.ranges().iter().map(|r| (r.end - 1) as u32).collect();
        self.lm_head.logits(&ops::gather_rows(&self.transformer.forward(tape, batch), &last))
    }

    /// The causal language-model loss of the rows that have a target; the logits never exist as a whole.
    pub fn loss(&self, tape: &Tape, batch: &Batch, targets: &[Target]) -> VocabLoss {
        self.hidden_loss(&self.transformer.forward(tape, batch), targets)
    }

    /// [`Gpt2LmHead::loss`] of hidden states (N, C) that are there already.
    pub fn hidden_loss(&self, hidden: &Tensor, targets: &[Target]) -> VocabLoss {
        self.lm_head.loss(hidden, targets, LossTerms::default())
    }

    pub(crate) fn lm_head(&self) -> &Vocabulary {
        &self.lm_head
    }
}

/// GPT-2 with a language-model head and a multiple-choice head (Radford et al. 2018, section 3.2).
#[derive(Clone)]
pub struct Gpt2DoubleHeads {
    lm: Gpt2LmHead,
    summary: Summary,
}

/// What [`Gpt2DoubleHeads::forward`] makes.
pub struct DoubleHeads {
    /// Hidden states (N, C), for the language-model loss.
    pub hidden: Tensor,
    /// One score for each sequence, (sequences, 1).
    pub mc_logits: Tensor,
}

/// The multiple-choice head: one position's hidden state, projected.
#[derive(Clone)]
struct Summary {
    projection: Option<Linear>,
    activation: Option<Activation>,
    drop: Dropout,
}

impl Gpt2DoubleHeads {
    /// The model over `params`: that of [`Gpt2LmHead`], and `multiple_choice_head.summary`.
    ///
    /// Hugging Face gives this head one label, whatever `num_labels` says, so that it scores a choice.
    pub fn new(params: &Params, config: &Config, init: InitPreset) -> Self {
        let scope = params.root().at("multiple_choice_head").at("summary");
        let outputs = if config.summary_proj_to_labels { 1 } else { config.n_embd };
        let normal = Init::Normal { std: config.initializer_range };
        let projection = || Linear::new(&scope, config.n_embd, outputs, normal, Bias::Yes);
        let lm = Gpt2LmHead::new(params, config, init);
        let summary = Summary {
            projection: config.summary_use_proj.then(projection),
            activation: config.summary_activation.as_deref().and_then(tercet_nn::activation_named),
            drop: Dropout::new(config.summary_first_dropout),
        };
        Self { lm, summary }
    }

    /// Hidden states, and the score of each sequence read at its row `mc_rows[i]` of the batch.
    pub fn forward(&self, tape: &Tape, batch: &Batch, mc_rows: &[u32]) -> DoubleHeads {
        let hidden = self.lm.transformer.forward(tape, batch);
        let mc_logits = self.summary.forward(&ops::gather_rows(&hidden, mc_rows));
        DoubleHeads { hidden, mc_logits }
    }

    /// The logits (N, V) of hidden states.
    pub fn lm_logits(&self, hidden: &Tensor) -> Tensor {
        self.lm.lm_head().logits(hidden)
    }

    /// The language-model loss of hidden states.
    pub fn lm_loss(&self, hidden: &Tensor, targets: &[Target]) -> VocabLoss {
        self.lm.lm_head().loss(hidden, targets, LossTerms::default())
    }
}

impl Summary {
    fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = self.drop.forward(x);
        if let Some(projection) = &self.projection {
            x = projection.forward(&x);
        }
        self.activation.map_or_else(|| x.clone(), |act| ops::activation(&x, act))
    }
}

/// GPT-2 with a class for each sequence, read at its last token.
#[derive(Clone)]
pub struct Gpt2ForSequenceClassification {
    transformer: Gpt2,
    score: Linear,
}

impl Gpt2ForSequenceClassification {
    /// The model over `params`: `transformer.…` and `score`, without bias.
    pub fn new(params: &Params, config: &Config, init: InitPreset) -> Self {
        let transformer = Gpt2::new(&params.root().at("transformer"), config, init);
        let normal = Init::Normal { std: config.initializer_range };
        let score =
            Linear::new(&params.root().at("score"), config.n_embd, config.num_labels(), normal, Bias::No);
        Self { transformer, score }
    }

    /// The logits of each sequence, (sequences, labels), read at row `rows[i]` of the batch: the last real token.
    pub fn forward(&self, tape: &Tape, batch: &Batch, rows: &[u32]) -> Tensor {
        let hidden = self.transformer.forward(tape, batch);
        self.score.forward(&ops::gather_rows(&hidden, rows))
    }

    /// The row that [`Self::forward`] reads for each sequence when all of its tokens are real: the last.
    pub fn last_rows(batch: &Batch) -> Vec<u32> {
        batch.sequences.ranges().iter().map(|r| (r.end - 1) as u32).collect()
    }
}

/// GPT-2 with a class for each token.
#[derive(Clone)]
pub struct Gpt2ForTokenClassification {
    transformer: Gpt2,
    drop: Dropout,
    classifier: Linear,
}

impl Gpt2ForTokenClassification {
    /// The model over `params`: `transformer.…` and `classifier`.
    pub fn new(params: &Params, config: &Config, init: InitPreset) -> Self {
        let transformer = Gpt2::new(&params.root().at("transformer"), config, init);
        let scope = params.root().at("classifier");
        let normal = Init::Normal { std: config.initializer_range };
        let classifier = Linear::new(&scope, config.n_embd, config.num_labels(), normal, Bias::Yes);
        // Hugging Face reads `classifier_dropout`, then `hidden_dropout`, and falls back to 0.1.
        let stated = ["classifier_dropout", "hidden_dropout"]
            .iter()
            .find_map(|name| config.other.get(*name)?.as_f64());
        Self { transformer, drop: Dropout::new(stated.map_or(0.1, |p| p as f32)), classifier }
    }

    /// The logits of each token, (N, labels).
    pub fn forward(&self, tape: &Tape, batch: &Batch) -> Tensor {
        self.classifier.forward(&self.drop.forward(&self.transformer.forward(tape, batch)))
    }
}

/// GPT-2 with a start and an end score for each token: extractive question answering.
#[derive(Clone)]
pub struct Gpt2ForQuestionAnswering {
    transformer: Gpt2,
    qa_outputs: Linear,
}

impl Gpt2ForQuestionAnswering {
    /// The model over `params`: `transformer.…` and `qa_outputs`.
    pub fn new(params: &Params, config: &Config, init: InitPreset) -> Self {
        let transformer = Gpt2::new(&params.root().at("transformer"), config, init);
        let normal = Init::Normal { std: config.initializer_range };
        let qa_outputs = Linear::new(&params.root().at("qa_outputs"), config.n_embd, 2, normal, Bias::Yes);
        Self { transformer, qa_outputs }
    }

    /// Start and end logits of each token, (N, 2).
    pub fn forward(&self, tape: &Tape, batch: &Batch) -> Tensor {
        self.qa_outputs.forward(&self.transformer.forward(tape, batch))
    }
}
