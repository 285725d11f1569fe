use tercet_attention::Batch;
use tercet_nn::{Bias, Dropout, Embedding, Linear, Vocabulary};
use tercet_tensor::ops::{LossTerms, Target, VocabLoss};
use tercet_tensor::{Activation, Params, Scope, Tape, Tensor, ops};

use crate::batch::T5Batch;
use crate::config::Config;
use crate::decoder::Memory;
use crate::encoder::Encoder;
use crate::init::{InitPreset, Inits};
use crate::model::T5;

/// T5 with its output layer: text to text.
#[derive(Clone)]
pub struct T5ForConditionalGeneration {
    /// The encoder-decoder.
    pub transformer: T5,
    lm_head: Vocabulary,
    /// d_model^−½ where the output layer is the embedding, whose vectors are that much too long for it.
    scale: Option<f32>,
}

impl T5ForConditionalGeneration {
    /// The model over `params`: `shared`, `encoder.…`, `decoder.…`, and `lm_head.weight` unless it is tied to the
    /// embedding.
    pub fn new(params: &Params, config: &Config, init: InitPreset) -> Self {
        let root = params.root();
        let transformer = T5::new(&root, config, init);
        let lm_head = if config.tie_word_embeddings {
            Vocabulary::new(transformer.shared().weight(), None)
        } else {
            let (shape, init) = ([config.vocab_size, config.d_model], Inits::new(config, init).lm_head());
            Vocabulary::new(&root.at("lm_head").param("weight", &shape, init), None)
        };
        let scale = config.scales_decoder_outputs().then(|| 1.0 / (config.d_model as f32).sqrt());
        Self { transformer, lm_head, scale }
    }

    /// The logits (M, V) of what follows each row of the decoder, held whole.
    pub fn logits(&self, tape: &Tape, batch: &T5Batch) -> Tensor {
        self.lm_head.logits(&self.scaled(self.transformer.forward(tape, batch)))
    }

    /// The logits of what follows each sequence of the decoder, (sequences, V): a generation step.
    pub fn next_token_logits(&self, tape: &Tape, decoder_inputs: &Batch, memory: &Memory) -> Tensor {
        let hidden = self.transformer.decode(tape, decoder_inputs, memory);
        let last: Vec<u32> = decoder_inputs.sequences.ranges().iter().map(|r| (r.end - 1) as u32).collect();
        self.lm_head.logits(&self.scaled(ops::gather_rows(&hidden, &last)))
    }

    /// The loss of the decoder's rows that have a target; the logits never exist as a whole.
    pub fn loss(&self, tape: &Tape, batch: &T5Batch, targets: &[Target], terms: LossTerms) -> VocabLoss {
        self.lm_head.loss(&self.scaled(self.transformer.forward(tape, batch)), targets, terms)
    }

    fn scaled(&self, hidden: Tensor) -> Tensor {
        match self.scale {
            Some(scale) => ops::scale(&hidden, scale),
            None => hidden,
        }
    }
}

/// T5's encoder alone: features of a text.
#[derive(Clone)]
pub struct T5EncoderModel {
    shared: Embedding,
    encoder: Encoder,
}

impl T5EncoderModel {
    /// The model whose parameters are those of `scope`: `shared` and `encoder.…`.
    ///
    /// # Panics
    /// When the configuration is not valid.
    pub fn new(scope: &Scope, config: &Config, init: InitPreset) -> Self {
        config.validate().expect("a valid configuration");
        let inits = Inits::new(config, init);
        Self {
            shared: Embedding::new(&scope.at("shared"), config.vocab_size, config.d_model, inits.embedding()),
            encoder: Encoder::new(&scope.at("encoder"), config, &inits),
        }
    }

    /// The hidden state of every token, after the final norm: (N, C).
    ///
    /// # Panics
    /// When an id is not in the vocabulary.
    pub fn forward(&self, tape: &Tape, inputs: &Batch) -> Tensor {
        self.encoder.forward(&self.shared.forward(tape, &inputs.ids), &inputs.sequences)
    }

    /// The residual stream at every depth: num_layers + 1 tensors (N, C), the last after the final norm.
    ///
    /// # Panics
    /// As [`T5EncoderModel::forward`].
    pub fn hidden_states(&self, tape: &Tape, inputs: &Batch) -> Vec<Tensor> {
        self.encoder.hidden_states(&self.shared.forward(tape, &inputs.ids), &inputs.sequences)
    }
}

/// T5 with a class for each text. The decoder reads the text itself, one position late; its state at the text's last
/// id, the end id, is judged.
#[derive(Clone)]
pub struct T5ForSequenceClassification {
    transformer: T5,
    drop: Dropout,
    dense: Linear,
    out_proj: Linear,
    start: u32,
}

impl T5ForSequenceClassification {
    /// The model over `params`: `transformer.…` and `classification_head.…`.
    pub fn new(params: &Params, config: &Config, init: InitPreset) -> Self {
        let (head, width) = (params.root().at("classification_head"), config.d_model);
        let layer = |name, outputs| {
            Linear::new(&head.at(name), width, outputs, Inits::new(config, init).head(), Bias::Yes)
        };
        Self {
            transformer: T5::new(&params.root().at("transformer"), config, init),
            drop: Dropout::new(config.classifier_dropout),
            dense: layer("dense", width),
            out_proj: layer("out_proj", config.num_labels()),
            start: config.decoder_start(),
        }
    }

    /// The logits of each text, (texts, labels), read at row `rows[i]` of the inputs: the last end id.
    pub fn forward(&self, tape: &Tape, inputs: &Batch, rows: &[u32]) -> Tensor {
        let batch = T5Batch::teacher_forced(inputs.clone(), inputs.clone(), self.start);
        let hidden = ops::gather_rows(&self.transformer.forward(tape, &batch), rows); // (texts, C)
        let inner = self.dense.forward(&self.drop.forward(&hidden));
        self.out_proj.forward(&self.drop.forward(&ops::activation(&inner, Activation::Tanh)))
    }

    /// The row that [`Self::forward`] reads for each text when it ends in its end id: the last.
    pub fn last_rows(inputs: &Batch) -> Vec<u32> {
        inputs.sequences.ranges().iter().map(|r| (r.end - 1) as u32).collect()
    }
}

/// T5's encoder with a class for each token.
#[derive(Clone)]
pub struct T5ForTokenClassification {
    transformer: T5EncoderModel,
    drop: Dropout,
    classifier: Linear,
}

impl T5ForTokenClassification {
    /// The model over `params`: `transformer.…` and `classifier`.
    pub fn new(params: &Params, config: &Config, init: InitPreset) -> Self {
        let (scope, labels) = (params.root().at("classifier"), config.num_labels());
        let start = Inits::new(config, init).head();
        Self {
            transformer: T5EncoderModel::new(&params.root().at("transformer"), config, init),
            drop: Dropout::new(config.classifier_dropout),
            classifier: Linear::new(&scope, config.d_model, labels, start, Bias::Yes),
        }
    }

    /// The logits of each token, (N, labels).
    pub fn forward(&self, tape: &Tape, inputs: &Batch) -> Tensor {
        self.classifier.forward(&self.drop.forward(&self.transformer.forward(tape, inputs)))
    }
}

/// T5 with a start and an end score for each token: extractive question answering. The decoder reads the text itself,
/// one position late.
#[derive(Clone)]
pub struct T5ForQuestionAnswering {
    transformer: T5,
    qa_outputs: Linear,
    start: u32,
}

impl T5ForQuestionAnswering {
    /// The model over `params`: `shared`, `encoder.…`, `decoder.…` and `qa_outputs`.
    pub fn new(params: &Params, config: &Config, init: InitPreset) -> Self {
        let (root, start) = (params.root(), Inits::new(config, init).head());
        Self {
            transformer: T5::new(&root, config, init),
            qa_outputs: Linear::new(&root.at("qa_outputs"), config.d_model, 2, start, Bias::Yes),
            start: config.decoder_start(),
        }
    }

    /// Start and end logits of each token, (N, 2).
    pub fn forward(&self, tape: &Tape, inputs: &Batch) -> Tensor {
        let batch = T5Batch::teacher_forced(inputs.clone(), inputs.clone(), self.start);
        self.qa_outputs.forward(&self.transformer.forward(tape, &batch))
    }
}
