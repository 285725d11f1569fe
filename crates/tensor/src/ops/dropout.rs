use tercet_kernels::{Out, dropout as kernel};

use crate::op::{Op, Wrt};
use crate::tensor::Tensor;
use crate::value::Value;

/// Sets each element to 0 with probability `p` and multiplies the others by 1/(1 − p); the identity where the tape
/// does not train (Srivastava et al. 2014, with the scaling moved to training).
///
/// No mask is stored: whether element i stays is a function of a seed and i, computed again in the backward.
///
/// # Panics
/// When `p` is not in [0, 1).
pub fn dropout(x: &Tensor, p: f32) -> Tensor {
    assert!((0.0..1.0).contains(&p), "dropout probability {p} is not in [0, 1)");
    if p == 0.0 {
        return x.clone();
    }
    let Some(seed) = x.tape().next_dropout_seed() else { return x.clone() };
    let mut y = x.tape().pool().take(x.len());
    kernel::dropout(seed, p, x, Out::set(&mut y));
    x.tape().record(&[x], Value::new(x.shape(), y), Dropout { seed, p })
}

struct Dropout {
    seed: u64,
    p: f32,
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn backward(&self, dy: &Value, wrt: &mut Wrt<'_>) {
        wrt.update([0], |[dx]| {
            if let Some(dx) = dx {
                kernel::dropout(self.seed, self.p, dy, dx);
            }
        });
    }
}
