//! T5 against the reference values of PyTorch and transformers, and against itself.

mod equalities;
mod folders;
mod generation;
mod reference;
