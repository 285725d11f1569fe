//! Integration tests of the tensor crate.

mod gradchecks;
mod mechanisms;
mod weights;
