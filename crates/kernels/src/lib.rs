#![doc = include_str!("../README.md")]

pub mod activation;
pub mod attention;
pub mod cpu;
pub mod dropout;
pub mod elementwise;
pub mod embedding;
pub mod gemm;
pub mod loss;
pub mod math;
pub mod mmap;
pub mod norm;
pub mod optim;
pub mod peak;
pub mod softmax;
pub mod vocabulary;

/// Whether a kernel overwrites its destination or adds to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accum {
    /// The old contents are not read; they may be anything.
    Set,
    /// The result is added to the old contents.
    Add,
}

/// A destination slice together with what to do with its old contents.
#[derive(Debug)]
pub struct Out<'a> {
    /// Where the result goes.
    pub data: &'a mut [f32],
    /// Overwrite or add.
    pub accum: Accum,
}

impl<'a> Out<'a> {
    /// A destination that is overwritten.
    pub fn set(data: &'a mut [f32]) -> Self {
        Self { data, accum: Accum::Set }
    }

    /// A destination that is added to.
    pub fn add(data: &'a mut [f32]) -> Self {
        Self { data, accum: Accum::Add }
    }

    /// The same destination, borrowed for a shorter time.
    pub fn reborrow(&mut self) -> Out<'_> {
        Out { data: self.data, accum: self.accum }
    }
}
