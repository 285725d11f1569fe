//! Each objective against its definition and against the original's output.

mod causal;
mod denoising;
mod masked;
mod masking;
mod random;
mod reference;
mod spans;
