//! The loop: accumulation, skipped steps, early stopping, what it refuses.

use std::{
    cell::{Cell, RefCell},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tercet_tensor::{Init, ops};
use tercet_train::{Batches, End, Error, Evaluation, Event, Failure, TrainConfig, Trainer};

use crate::toy::{Pairs, Stream, Toy, config};

/// Gives the batches of [`Stream`] joined in twos.
struct Joined(Stream);

impl Batches for Joined {
    type Batch = Pairs;

    fn next(&mut self) -> Result<Pairs, Failure> {
        let (mut first, second) = (self.0.next()?, self.0.next()?);
        first.inputs.extend(second.inputs);
        first.targets.extend(second.targets);
        Ok(first)
    }

    fn cursor(&self) -> serde_json::Value {
        self.0.cursor()
    }

    fn restore(&mut self, cursor: &serde_json::Value) -> Result<(), Failure> {
        self.0.restore(cursor)
    }
}

#[test]
fn training_learns_the_rule_of_the_stream() {
    let toy = Toy::new();
    let outcome = Trainer::new(&toy.params, config(300))
        .run(&mut Stream::new(), |tape, batch, weights| toy.loss(tape, batch, weights))
        .unwrap();
    assert_eq!((outcome.end, outcome.step, outcome.skipped), (End::Finished, 300, 0));
    assert!(outcome.mean_loss.unwrap() < 1.4, "{outcome:?} against log 13 = 2.56 at the start");
}

#[test]
fn accumulating_two_batches_is_training_on_both_at_once() {
    let train = |accumulate: usize| {
        let mut toy = Toy::new();
        toy.dropout = 0.0;
        let settings = TrainConfig { accumulate, ..config(20) };
        let trainer = Trainer::new(&toy.params, settings);
        let loss = |tape: &_, batch: &_, weights: &[f32]| toy.loss(tape, batch, weights);
        match accumulate {
            1 => trainer.run(&mut Joined(Stream::new()), loss).unwrap(),
            _ => trainer.run(&mut Stream::new(), loss).unwrap(),
        };
        toy.params.values().to_vec()
    };
    let (whole, accumulated) = (train(1), train(2));
    for (i, (a, b)) in whole.iter().zip(&accumulated).enumerate() {
        assert!((a - b).abs() < 1e-4, "weight {i}: {a} as a whole, {b} accumulated");
    }
}

#[test]
fn a_step_that_is_not_finite_is_skipped_and_told() {
    let toy = Toy::new();
    let (calls, skipped) = (Cell::new(0), RefCell::new(Vec::new()));
    let before = RefCell::new(Vec::new());
    let outcome = Trainer::new(&toy.params, TrainConfig { accumulate: 1, ..config(6) })
        .observe(|event| match event {
            Event::Step(report) if report.step == 2 => *before.borrow_mut() = toy.bits(),
            Event::Skipped { step, what, row } => {
                assert_eq!(*before.borrow(), toy.bits(), "a skipped step moved a weight");
                skipped.borrow_mut().push((*step, what.to_string(), *row));
            }
            _ => {}
        })
        .run(&mut Stream::new(), |tape, batch, weights| {
            calls.set(calls.get() + 1);
            let loss = toy.loss(tape, batch, weights)?;
            Ok(if calls.get() == 3 { ops::scale(&loss, f32::NAN) } else { loss })
        })
        .unwrap();
    let skipped = skipped.take();
    assert_eq!((outcome.step, outcome.skipped, skipped.len()), (6, 1, 1));
    assert_eq!((skipped[0].0, skipped[0].2), (3, 1));
    assert!(skipped[0].1.contains("NaN") && skipped[0].1.contains("wte.weight"), "{}", skipped[0].1);
    assert!(toy.params.values().iter().all(|value| value.is_finite()));
}

#[test]
fn persistent_infinities_end_the_run_and_name_the_parameter() {
    let toy = Toy::new();
    let error = Trainer::new(&toy.params, TrainConfig { max_skips: 2, ..config(50) })
        .run(&mut Stream::new(), |tape, batch, weights| {
            Ok(ops::scale(&toy.loss(tape, batch, weights)?, f32::INFINITY))
        })
        .unwrap_err();
    assert!(matches!(error, Error::NotFinite { step: 3, row: 3, .. }), "{error}");
    assert!(error.to_string().contains("gradient of wte.weight"), "{error}");
}

#[test]
fn a_parameter_without_a_gradient_is_an_error_unless_it_is_frozen() {
    let toy = Toy::new();
    let train = |freeze: bool| {
        let params = tercet_tensor::Params::new();
        let used = params.root().param("used", &[2], Init::Ones);
        params.root().param("forgotten.weight", &[2], Init::Ones);
        params.init(0);
        if freeze {
            params.freeze(|name| name.starts_with("forgotten"));
        }
        Trainer::new(&params, config(1)).run(&mut Stream::new(), |tape, _, _| Ok(ops::sum(&used.on(tape))))
    };
    let error = train(false).unwrap_err();
    assert!(
        matches!(&error, Error::NoGradient { step: 1, names } if names == &["forgotten.weight"]),
        "{error}"
    );
    train(true).unwrap();
    drop(toy);
}

#[test]
fn early_stopping_waits_for_its_patience() {
    let toy = Toy::new();
    let losses = RefCell::new(vec![3.0, 2.0, 2.5, 2.1, 1.0].into_iter());
    let outcome = Trainer::new(&toy.params, TrainConfig { eval_every: 4, patience: Some(2), ..config(100) })
        .evaluate(|_| Ok(Evaluation::of_loss(losses.borrow_mut().next().unwrap())))
        .run(&mut Stream::new(), |tape, batch, weights| toy.loss(tape, batch, weights))
        .unwrap();
    assert_eq!((outcome.end, outcome.step), (End::StoppedEarly, 16));
    assert_eq!(outcome.best.map(|best| (best.step, best.loss)), Some((8, 2.0)));
}

#[test]
fn losses_of_another_stage_are_not_compared() {
    let toy = Toy::new();
    let losses = [(0, 3.0), (0, 2.0), (1, 5.0), (1, 4.0), (1, 4.5)];
    let patient = TrainConfig { eval_every: 4, patience: Some(2), ..config(20) };
    let outcome = Trainer::new(&toy.params, patient)
        .evaluate(|step| {
            let (stage, loss) = losses[step as usize / 4 - 1];
            Ok(Evaluation { stage, ..Evaluation::of_loss(loss) })
        })
        .run(&mut Stream::new(), |tape, batch, weights| toy.loss(tape, batch, weights))
        .unwrap();
    assert_eq!((outcome.end, outcome.step), (End::Finished, 20));
    assert_eq!(outcome.best.map(|best| (best.step, best.loss, best.stage)), Some((16, 4.0, 1)));
}

#[test]
fn the_stop_flag_ends_the_run_after_its_step() {
    let toy = Toy::new();
    let flag = Arc::new(AtomicBool::new(false));
    let raised = flag.clone();
    let outcome = Trainer::new(&toy.params, config(100))
        .stop_on(flag)
        .observe(move |event| {
            if matches!(event, Event::Step(report) if report.step == 5) {
                raised.store(true, Ordering::Relaxed);
            }
        })
        .run(&mut Stream::new(), |tape, batch, weights| toy.loss(tape, batch, weights))
        .unwrap();
    assert_eq!((outcome.end, outcome.step), (End::Interrupted, 5));
}

#[test]
fn failures_of_closures_and_impossible_settings_are_named() {
    let toy = Toy::new();
    let error = Trainer::new(&toy.params, config(3))
        .run(&mut Stream::new(), |_, _, _| Err("the positions end at 64".into()))
        .unwrap_err();
    assert_eq!(error.to_string(), "step 1: computing the loss: the positions end at 64");
    let settings = TrainConfig { accumulate: 0, ..config(3) };
    let error = Trainer::new(&toy.params, settings)
        .run(&mut Stream::new(), |tape, batch, weights| toy.loss(tape, batch, weights))
        .unwrap_err();
    assert_eq!(error.to_string(), "accumulate is 0; it must be at least 1");
}
