use super::mse::KnownGradient;
use crate::tensor::Tensor;
use crate::value::Value;

/// `weight·Σᵢ −(tᵢ·log σ(xᵢ) + (1 − tᵢ)·log(1 − σ(xᵢ)))`, a scalar: the loss of multi-label heads on logits `x`.
///
/// # Panics
/// When there is not one target for each element.
pub fn binary_cross_entropy(x: &Tensor, targets: &[f32], weight: f32) -> Tensor {
    assert_eq!(x.len(), targets.len(), "binary_cross_entropy: {} targets for {:?}", targets.len(), x.shape());
    let mut dx = x.tape().pool().take(x.len());
    let mut total = 0.0;
    for ((d, x), target) in dx.iter_mut().zip(x.iter()).zip(targets) {
        let (x, t, weight) = (f64::from(*x), f64::from(*target), f64::from(weight));
        // log(1 + eˣ) − t·x, written so that eˣ cannot overflow.
        total += weight * (x.max(0.0) - t * x + (-x.abs()).exp().ln_1p());
        *d = (weight * (1.0 / (1.0 + (-x).exp()) - t)) as f32;
    }
    x.tape().record(
        &[x],
        Value::new(&[], vec![total as f32]),
        KnownGradient { name: "binary_cross_entropy", dx },
    )
}
