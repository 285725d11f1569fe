//! Ten optimiser steps of GPT-2 and of T5 against PyTorch's: loss, gradient norm and rate of each step, and every final weight.

use std::path::PathBuf;

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use tercet_attention::{Batch, Padded};
use tercet_gpt2::Gpt2LmHead;
use tercet_t5::{T5Batch, T5ForConditionalGeneration};
use tercet_tensor::ops::{LossTerms, Target};
use tercet_tensor::{Params, Tape, Tensor};
use tercet_train::{
    Batches, Decay, Decays, Event, Failure, MicroBatch, Rule, Schedule, StepReport, TrainConfig, Trainer,
};

use crate::reference;

/// A model's batch, and its targets as (row, id).
struct Sequences<B> {
    batch: B,
    tokens: usize,
    targets: Vec<(u32, u32)>,
}

impl<B> MicroBatch for Sequences<B> {
    fn tokens(&self) -> usize {
        self.tokens
    }

    fn targets(&self) -> Vec<usize> {
        vec![self.targets.len()]
    }
}

/// One recorded batch: padded inputs, their ids, and the labels with the length of a row.
struct Given {
    padded: Padded,
    ids: Vec<i64>,
    labels: Vec<i64>,
    length: usize,
}

/// How a model wants it.
type Form<B> = fn(&Given) -> Sequences<B>;

/// The batches of a case, in their order.
struct Recorded<'a, B> {
    file: &'a SafeTensors<'a>,
    form: Form<B>,
    given: usize,
}

impl<B> Batches for Recorded<'_, B> {
    type Batch = Sequences<B>;

    fn next(&mut self) -> Result<Sequences<B>, Failure> {
        let input = |name: &str| integers(self.file, &format!("in.batch{}.{name}", self.given));
        let ((shape, ids), (_, mask), (labels_shape, labels)) =
            (input("input_ids"), input("attention_mask"), input("labels"));
        self.given += 1;
        let padded = Padded::from_mask(&mask, [shape[0], shape[1]]);
        Ok((self.form)(&Given { padded, ids, labels, length: labels_shape[1] }))
    }

    fn cursor(&self) -> Value {
        self.given.into()
    }

    fn restore(&mut self, _: &Value) -> Result<(), Failure> {
        Err("recorded batches are read once".into())
    }
}

/// GPT-2's batch: the target of a position is the label of its successor, where it has one.
fn successors(given: &Given) -> Sequences<Batch> {
    let next = |at: usize| {
        let inside = !(at + 1).is_multiple_of(given.length);
        inside.then(|| u32::try_from(given.labels[at + 1]).ok()).flatten()
    };
    let rows = given.padded.rows().iter().zip(0..);
    let targets = rows.filter_map(|(&at, row)| next(at).map(|id| (row, id))).collect();
    let batch = given.padded.batch(&given.ids);
    Sequences { tokens: batch.ids.len(), batch, targets }
}

/// T5's batch: the decoder reads the labels one position late, after padding, its start.
fn answers(given: &Given) -> Sequences<T5Batch> {
    let labelled: Vec<i64> = given.labels.iter().map(|label| i64::from(*label != -100)).collect();
    let shape = [labelled.len() / given.length, given.length];
    let answers = Padded::from_mask(&labelled, shape).batch(&given.labels);
    let batch = T5Batch::teacher_forced(given.padded.batch(&given.ids), answers, 0);
    let targets = (0..).zip(batch.labels.iter().copied()).collect();
    Sequences { tokens: batch.inputs.ids.len() + batch.labels.len(), batch, targets }
}

fn integers(file: &SafeTensors, name: &str) -> (Vec<usize>, Vec<i64>) {
    let view = file.tensor(name).unwrap_or_else(|_| panic!("{name} is not in the case"));
    (view.shape().to_vec(), view.data().as_chunks::<8>().0.iter().map(|&b| i64::from_le_bytes(b)).collect())
}

fn floats(file: &SafeTensors, name: &str) -> Vec<f64> {
    let view = file.tensor(name).unwrap_or_else(|_| panic!("{name} is not in the case"));
    assert_eq!(view.dtype(), Dtype::F64, "{name}");
    view.data().as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b)).collect()
}

/// The run that a case describes.
fn settings(case: &Value, accumulate: usize) -> TrainConfig {
    let optimizer = &case["optimizer"];
    assert_eq!(optimizer["name"], "torch.optim.AdamW");
    let real = |value: &Value| value.as_f64().expect("a number");
    let schedule = &case["schedule"];
    let total = schedule["total"].as_u64().expect("a number of steps");
    TrainConfig {
        steps: case["steps"].as_u64().expect("a number of steps"),
        accumulate,
        lr: real(&optimizer["lr"]),
        schedule: Schedule::new(Decay::Linear { total, floor: 0.0 })
            .with_warmup(schedule["warmup"].as_u64().expect("a number of steps")),
        optimizer: Rule::AdamW {
            beta1: real(&optimizer["betas"][0]),
            beta2: real(&optimizer["betas"][1]),
            eps: real(&optimizer["eps"]),
            weight_decay: real(&optimizer["weight_decay"]),
            amsgrad: false,
        },
        decays: Decays::NotBiasOrNorm,
        clip: case["clip_global_norm"].as_f64(),
        ..TrainConfig::default()
    }
}

/// A case with its arrays.
struct Recording<'a> {
    folder: PathBuf,
    case: Value,
    file: SafeTensors<'a>,
}

/// Trains from a case's first weights.
fn train<B>(
    recording: &Recording<'_>,
    accumulate: usize,
    params: &Params,
    form: Form<B>,
    loss: impl Fn(&Tape, &B, &[Target]) -> Tensor,
) -> Vec<StepReport> {
    let mut reports = Vec::new();
    Trainer::new(params, settings(&recording.case, accumulate))
        .observe(|event| {
            if let Event::Step(report) = event {
                reports.push(*report);
            }
        })
        .run(&mut Recorded { file: &recording.file, form, given: 0 }, |tape, batch, weights| {
            let target = |&(row, id): &(u32, u32)| Target { row, id, weight: weights[0] };
            let targets: Vec<_> = batch.targets.iter().map(target).collect();
            Ok(loss(tape, &batch.batch, &targets))
        })
        .expect("a run");
    reports
}

fn gpt2(recording: &Recording<'_>, accumulate: usize) -> (Params, Vec<StepReport>) {
    let loaded = Gpt2LmHead::load(&recording.folder).expect("a model");
    let (config, params) = (loaded.config.without_dropout(), Params::new());
    let model = Gpt2LmHead::new(&params, &config, tercet_gpt2::InitPreset::Hf);
    params.set_values(&loaded.params.values());
    let loss = |tape: &Tape, batch: &Batch, targets: &[Target]| model.loss(tape, batch, targets).total;
    let reports = train(recording, accumulate, &params, successors, loss);
    (params, reports)
}

fn t5(recording: &Recording<'_>, accumulate: usize) -> (Params, Vec<StepReport>) {
    let loaded = T5ForConditionalGeneration::load(&recording.folder).expect("a model");
    let (config, params) = (loaded.config.without_dropout(), Params::new());
    let model = T5ForConditionalGeneration::new(&params, &config, tercet_t5::InitPreset::Hf);
    params.set_values(&loaded.params.values());
    let loss = |tape: &Tape, batch: &T5Batch, targets: &[Target]| {
        model.loss(tape, batch, targets, LossTerms::default()).total
    };
    let reports = train(recording, accumulate, &params, answers, loss);
    (params, reports)
}

fn compare(name: &str, found: f64, expected: &Value, relative: f64) {
    let expected = expected.as_f64().expect("a number");
    let difference = (found - expected).abs();
    assert!(difference <= relative * expected.abs(), "{name}: expected {expected}, found {found}");
}

#[test]
fn ten_steps_of_gpt2_go_where_pytorch_goes() {
    compare_class("GPT2LMHeadModel", gpt2);
}

#[test]
fn ten_steps_of_t5_go_where_pytorch_goes() {
    compare_class("T5ForConditionalGeneration", t5);
}

/// Compares every case of a class: loss, gradient norm and rate of each step, then the weights.
fn compare_class(class: &str, train: fn(&Recording<'_>, usize) -> (Params, Vec<StepReport>)) {
    let Some(folder) = reference("train") else { return };
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(text) = std::fs::read(folder.join("case.json")) else { continue };
        let case: Value = serde_json::from_slice(&text).unwrap();
        if case["class"] != class {
            continue;
        }
        let bytes = std::fs::read(folder.join("case.safetensors")).unwrap();
        let recording = Recording { folder, case, file: SafeTensors::deserialize(&bytes).unwrap() };
        let case = &recording.case;
        for (mode, accumulate) in [("plain", 1), ("accumulate2", 2)] {
            let (params, reports) = train(&recording, accumulate);
            let expected = &case["results"][format!("{mode}.f64")];
            let tolerance = &case["tolerance"]["float32"];
            for (t, report) in reports.iter().enumerate() {
                let name = |what: &str| format!("{class} {mode}, step {}: {what}", t + 1);
                let losses = tolerance["losses_rtol"].as_f64().unwrap();
                compare(&name("loss"), report.loss, &expected["losses"][t], losses);
                let norms = &expected["grad_norms_before_clipping"][t];
                compare(&name("gradient norm"), report.grad_norm, norms, 1e-4);
                compare(&name("rate"), report.lr, &expected["lrs"][t], 1e-12);
            }
            assert_eq!(reports.len() as u64, case["steps"].as_u64().unwrap());
            let tolerance = tolerance["parameters_atol"].as_f64().unwrap();
            compare_weights(&params, &recording.file, mode, tolerance);
            compared += 1;
        }
        same_groups(case);
    }
    println!("{compared} trajectories of {class} compared");
    assert!(compared >= 2);
}

fn compare_weights(params: &Params, file: &SafeTensors, mode: &str, tolerance: f64) {
    for entry in params.entries() {
        let expected = floats(file, &format!("final.{mode}.{}.f64", entry.name));
        let found = params.get(&entry.name).unwrap();
        // The bias of the keys has no gradient but rounding noise, which Adam turns into steps of full size.
        let third = expected.len() / 3;
        let keys = if entry.name.ends_with("c_attn.bias") { third..2 * third } else { 0..0 };
        for (i, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
            let difference = (f64::from(found) - expected).abs();
            let name = &entry.name;
            assert!(
                difference <= tolerance || keys.contains(&i),
                "{mode} {name}[{i}]: expected {expected}, found {found}"
            );
        }
    }
}

/// The names without decay are those that the case lists.
fn same_groups(case: &Value) {
    for name in case["optimizer"]["no_decay"].as_array().unwrap() {
        let name = name.as_str().unwrap();
        assert!(!Decays::NotBiasOrNorm.includes(name, 1), "{name}");
    }
}
