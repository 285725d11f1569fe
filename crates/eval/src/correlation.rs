//! Metrics of a number.

use crate::assert_paired;

/// Pearson's correlation coefficient; none where one side is constant.
///
/// # Panics
/// There is not one prediction for each target.
pub fn pearson(targets: &[f64], predictions: &[f64]) -> Option<f64> {
    assert_paired(targets, predictions);
    let [x, y] = [centred(targets), centred(predictions)];
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scale = (product(&x, &x) * product(&y, &y)).sqrt();
    (scale > 0.0).then(|| (product(&x, &y) / scale).clamp(-1.0, 1.0))
}

/// Spearman's: Pearson's of the ranks, where equal values share the mean of their ranks.
///
/// # Panics
/// There is not one prediction for each target.
pub fn spearman(targets: &[f64], predictions: &[f64]) -> Option<f64> {
    assert_paired(targets, predictions);
    pearson(&ranks(targets), &ranks(predictions))
}

fn centred(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| value - mean).collect()
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = first as f64 + (equal.len() - 1) as f64 / 2.0;
        for &i in equal {
            ranks[i] = mean;
        }
        first += equal.len();
    }
    ranks
}
