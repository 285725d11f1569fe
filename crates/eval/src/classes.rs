//! Metrics of a choice among classes.

use crate::assert_paired;

/// The share of predictions that are the target; 0 where there are none.
///
/// # Panics
/// There is not one prediction for each target.
pub fn accuracy<T: PartialEq>(targets: &[T], predictions: &[T]) -> f64 {
    assert_paired(targets, predictions);
    let right = targets.iter().zip(predictions).filter(|(target, prediction)| target == prediction).count();
    ratio(right as f64, targets.len() as f64)
}

/// 2·tp / (2·tp + fp + fn) of one class against all others; 0 where it never occurs.
///
/// # Panics
/// There is not one prediction for each target.
pub fn f1<T: PartialEq>(targets: &[T], predictions: &[T], class: &T) -> f64 {
    assert_paired(targets, predictions);
    let count = |values: &[T]| values.iter().filter(|value| *value == class).count();
    let both = targets.iter().zip(predictions).filter(|(t, p)| *t == class && *p == class).count();
    ratio(2.0 * both as f64, (count(targets) + count(predictions)) as f64)
}

/// The mean over the classes of the F1 of each.
///
/// # Panics
/// There is not one prediction for each target.
pub fn macro_f1<T: PartialEq>(targets: &[T], predictions: &[T], classes: &[T]) -> f64 {
    let sum: f64 = classes.iter().map(|class| f1(targets, predictions, class)).sum();
    ratio(sum, classes.len() as f64)
}

/// Matthews' correlation coefficient, for any number of classes (Gorodkin 2004): −1 to 1, and 0 where the targets or
/// the predictions are all of one class.
///
/// # Panics
/// There is not one prediction for each target.
pub fn matthews<T: PartialEq>(targets: &[T], predictions: &[T]) -> f64 {
    assert_paired(targets, predictions);
    let mut classes: Vec<&T> = Vec::new();
    for value in targets.iter().chain(predictions) {
        if !classes.contains(&value) {
            classes.push(value);
        }
    }
    let count = |values: &[T], class: &T| values.iter().filter(|value| *value == class).count() as f64;
    let [mut both, mut of_targets, mut of_predictions] = [0.0; 3];
    for class in classes {
        let (t, p) = (count(targets, class), count(predictions, class));
        both += t * p;
        of_targets += t * t;
        of_predictions += p * p;
    }
    let all = targets.len() as f64;
    let right = accuracy(targets, predictions) * all;
    ratio(right * all - both, (all * all - of_targets).sqrt() * (all * all - of_predictions).sqrt())
}

/// `a / b`, and 0 where there is nothing to divide by.
pub(crate) fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}
