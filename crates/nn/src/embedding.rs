use tercet_tensor::{Init, Param, Scope, Tape, Tensor, ops};

/// A table of vectors, one for each id: parameter `weight` (V, C).
#[derive(Clone)]
pub struct Embedding {
    weight: Param,
}

impl Embedding {
    /// The table `scope.weight` of `count` vectors `width` wide.
    pub fn new(scope: &Scope, count: usize, width: usize, init: Init) -> Self {
        Self { weight: scope.param("weight", &[count, width], init) }
    }

    /// The vectors of `ids`, (N, C).
    ///
    /// # Panics
    /// When an id is not below V.
    pub fn forward(&self, tape: &Tape, ids: &[u32]) -> Tensor {
        ops::embedding(&self.weight.on(tape), ids)
    }

    /// The table itself, to be used as an output layer.
    pub fn weight(&self) -> &Param {
        &self.weight
    }
}
