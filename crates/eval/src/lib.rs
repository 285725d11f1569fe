#![doc = include_str!("../README.md")]

pub mod answers;
pub mod bleu;
pub mod classes;
pub mod correlation;
pub mod rouge;

/// Panics, and says both lengths, unless there is one prediction for each target.
#[track_caller]
fn assert_paired<A, B>(targets: &[A], predictions: &[B]) {
    let (targets, predictions) = (targets.len(), predictions.len());
    assert_eq!(targets, predictions, "{targets} targets with {predictions} predictions");
}
