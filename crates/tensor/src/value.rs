use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use ndarray::ArrayViewD;

use crate::buffer::Buffer;

/// An immutable f32 array, row-major and contiguous, that is cheap to clone.
///
/// This is what an [`Op`](crate::Op) keeps for its backward: unlike a [`Tensor`](crate::Tensor) it holds no tape, so a
/// tape never holds itself.
#[derive(Clone)]
pub struct Value {
    data: Data,
    shape: Vec<usize>,
}

#[derive(Clone)]
enum Data {
    Owned(Arc<Buffer>),
    /// A parameter: a range of the flat buffer of all parameters.
    Flat(Arc<Vec<f32>>, Range<usize>),
}

impl Value {
    /// Gives `buffer` a shape.
    ///
    /// # Panics
    /// When the shape does not have as many elements as the buffer.
    pub fn new(shape: &[usize], buffer: impl Into<Buffer>) -> Self {
        Self::shared(shape, Arc::new(buffer.into()))
    }

    pub(crate) fn shared(shape: &[usize], buffer: Arc<Buffer>) -> Self {
        let elements: usize = shape.iter().product();
        assert_eq!(
            elements,
            buffer.len(),
            "shape {shape:?} holds {elements} floats, the buffer {}",
            buffer.len()
        );
        Self { data: Data::Owned(buffer), shape: shape.to_vec() }
    }

    pub(crate) fn flat(shape: &[usize], all: Arc<Vec<f32>>, range: Range<usize>) -> Self {
        Self { data: Data::Flat(all, range), shape: shape.to_vec() }
    }

    /// The same floats under another shape.
    ///
    /// # Panics
    /// When the number of elements differs.
    pub fn reshape(&self, shape: &[usize]) -> Self {
        let elements: usize = shape.iter().product();
        assert_eq!(elements, self.len(), "cannot reshape {:?} to {shape:?}", self.shape);
        Self { data: self.data.clone(), shape: shape.to_vec() }
    }

    /// Length of each dimension.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Elements of the last dimension; 1 for a scalar.
    pub fn cols(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Product of all dimensions but the last.
    pub fn rows(&self) -> usize {
        self.shape.split_last().map_or(1, |(_, rest)| rest.iter().product())
    }

    /// The value as an ndarray view.
    pub fn view(&self) -> ArrayViewD<'_, f32> {
        ArrayViewD::from_shape(self.shape.as_slice(), self).expect("a value is contiguous")
    }

    /// The buffer behind an owned value, shared; a copy of a parameter's range.
    pub(crate) fn to_shared(&self) -> Arc<Buffer> {
        match &self.data {
            Data::Owned(buffer) => Arc::clone(buffer),
            Data::Flat(..) => Arc::new(self.to_vec().into()),
        }
    }
}

impl Deref for Value {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &self.data {
            Data::Owned(buffer) => buffer,
            Data::Flat(all, range) => &all[range.clone()],
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.shape, self.view())
    }
}
