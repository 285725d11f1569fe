use std::fmt;
use std::ops::Deref;

use ndarray::ArrayD;

use crate::params::Params;
use crate::tape::Tape;
use crate::value::Value;

/// A value on its way through a model: f32, row-major, contiguous, with the [`Tape`] that made it.
///
/// Clones share the value. Dereferences to [`Value`], hence to a slice of floats.
#[derive(Clone)]
pub struct Tensor {
    value: Value,
    tape: Tape,
    source: Source,
}

/// Where the gradient of a tensor goes.
#[derive(Clone)]
pub(crate) enum Source {
    /// Nowhere.
    Constant,
    /// To the operation or variable with this number on the tape.
    Node(usize),
    /// Into the flat gradient, at this parameter's range.
    Param { params: Params, index: usize },
}

impl Tensor {
    pub(crate) fn new(value: Value, tape: Tape, source: Source) -> Self {
        Self { value, tape, source }
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// The value alone, without the tape: what an [`Op`](crate::Op) keeps.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The tape this tensor was made on.
    pub fn tape(&self) -> &Tape {
        &self.tape
    }

    /// The only element of a tensor that has one.
    ///
    /// # Panics
    /// When there is another number of elements.
    pub fn item(&self) -> f32 {
        assert_eq!(self.len(), 1, "item() of shape {:?}", self.shape());
        self[0]
    }

    /// A copy as an ndarray.
    pub fn to_array(&self) -> ArrayD<f32> {
        self.view().to_owned()
    }

    /// The same value, cut off from the tape: no gradient flows through it.
    pub fn detach(&self) -> Self {
        Self { value: self.value.clone(), tape: self.tape.clone(), source: Source::Constant }
    }
}

impl Deref for Tensor {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.value
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
