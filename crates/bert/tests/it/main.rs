//! BERT against the reference values of PyTorch and transformers, against real weights, and against itself.

mod equalities;
mod real_weights;
mod reference;
