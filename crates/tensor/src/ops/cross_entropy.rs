use tercet_kernels::loss;

use super::mse::KnownGradient;
use super::vocab_loss::Target;
use crate::tensor::Tensor;
use crate::value::Value;

/// `Σᵣ wᵣ·(−log softmax(x)[r, class])` over the targets, a scalar, for logits `x` (N, classes) that are small enough
/// to exist: the loss of classification heads. For a vocabulary there is [`vocab_loss`](super::vocab_loss).
///
/// # Panics
/// When a target names a row or class that is not there.
pub fn cross_entropy(logits: &Tensor, targets: &[Target]) -> Tensor {
    let (rows, classes) = (logits.rows(), logits.cols());
    let mut class = vec![0; rows];
    let mut weight = vec![0.0; rows];
    for t in targets {
        assert!((t.row as usize) < rows, "target of row {} for logits {:?}", t.row, logits.shape());
        (class[t.row as usize], weight[t.row as usize]) = (t.id, t.weight);
    }
    let mut dx = logits.tape().pool().copy_of(logits);
    let mut nll = vec![0.0; rows];
    loss::cross_entropy_rows(&mut dx, classes, &class, &weight, 0.0, 0.0, &mut nll);
    let total: f64 = nll.iter().zip(&weight).map(|(l, w)| f64::from(*l) * f64::from(*w)).sum();
    logits.tape().record(
        &[logits],
        Value::new(&[], vec![total as f32]),
        KnownGradient { name: "cross_entropy", dx },
    )
}
