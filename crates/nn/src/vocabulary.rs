use tercet_tensor::ops::{self, Layout, LossTerms, Target, VocabLoss};
use tercet_tensor::{Param, Tensor};

/// The output layer of a language model: hidden rows against the embedding of every token (Press and Wolf 2017 tie
/// it to the input embedding; whoever passes the table decides).
#[derive(Clone)]
pub struct Vocabulary {
    table: Param,
    bias: Option<Param>,
}

impl Vocabulary {
    /// An output layer over `table` (V, C), with a bias (V) if there is one.
    pub fn new(table: &Param, bias: Option<&Param>) -> Self {
        Self { table: table.clone(), bias: bias.cloned() }
    }

    /// The logits (N, V) of `hidden` (N, C), all held at once: for the few rows that a generation step or a test looks
    /// at. Training uses [`Vocabulary::loss`].
    pub fn logits(&self, hidden: &Tensor) -> Tensor {
        let bias = self.bias.as_ref().map(|b| b.on(hidden.tape()));
        ops::linear(hidden, &self.table.on(hidden.tape()), Layout::OutIn, bias.as_ref())
    }

    /// The cross-entropy of the rows that have a target, without ever holding the logits.
    pub fn loss(&self, hidden: &Tensor, targets: &[Target], terms: LossTerms) -> VocabLoss {
        let bias = self.bias.as_ref().map(|b| b.on(hidden.tape()));
        ops::vocab_loss(hidden, &self.table.on(hidden.tape()), bias.as_ref(), targets, terms)
    }
}
