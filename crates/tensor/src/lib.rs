#![doc = include_str!("../README.md")]

mod buffer;

mod error;
mod gradcheck;
mod init;
mod op;
pub mod ops;
mod params;
mod profile;
mod rng;
mod tape;
mod tensor;
mod value;
mod weights;

pub use buffer::{Buffer, Pool};
pub use error::Error;
pub use gradcheck::{Gradcheck, gradcheck};
pub use init::Init;
pub use op::{Op, Wrt};
pub use params::{Entry, Param, Params, Scope};
pub use profile::{Event, Part, Profiler, Row, Work};
pub use rng::Rng;
pub use tape::{Gradients, Tape};
pub use tensor::Tensor;
pub use tercet_kernels as kernels;
pub use value::Value;
pub use weights::{LoadReport, OnMissing, Weights, save_safetensors};

pub use tercet_kernels::activation::Activation;
pub use tercet_kernels::attention::{Mask, Span};
pub use tercet_kernels::gemm::Precision;
pub use tercet_kernels::{Accum, Out, elementwise, optim};
