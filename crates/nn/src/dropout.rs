use tercet_tensor::{Tensor, ops};

/// Sets elements to 0 with probability `p` while training and scales the others by 1/(1 − p).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    p: f32,
}

impl Dropout {
    /// Dropout with probability `p`.
    ///
    /// # Panics
    /// When `p` is not in [0, 1).
    pub fn new(p: f32) -> Self {
        assert!((0.0..1.0).contains(&p), "dropout probability {p} is not in [0, 1)");
        Self { p }
    }

    /// The identity where the tape does not train.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        ops::dropout(x, self.p)
    }
}
