//! Ten optimiser steps of GPT-2 against PyTorch's: loss, gradient norm and rate of each step, and every final weight.

use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use tercet_attention::{Batch, Padded};
use tercet_gpt2::{Config, Gpt2LmHead, InitPreset};
use tercet_tensor::{Params, ops::Target};
use tercet_train::{
    Batches, Decay, Decays, Event, Failure, MicroBatch, Rule, Schedule, StepReport, TrainConfig, Trainer,
};

use crate::reference;

/// A ragged batch, and its targets as (row, id).
struct Sequences {
    batch: Batch,
    targets: Vec<(u32, u32)>,
}

impl MicroBatch for Sequences {
    fn tokens(&self) -> usize {
        self.batch.ids.len()
    }

    fn targets(&self) -> Vec<usize> {
        vec![self.targets.len()]
    }
}

/// The batches of a case, in their order.
struct Recorded<'a> {
    file: &'a SafeTensors<'a>,
    given: usize,
}

impl Batches for Recorded<'_> {
    type Batch = Sequences;

    fn next(&mut self) -> Result<Sequences, Failure> {
        let input = |name: &str| integers(self.file, &format!("in.batch{}.{name}", self.given));
        let ((shape, ids), (_, mask), (_, labels)) =
            (input("input_ids"), input("attention_mask"), input("labels"));
        self.given += 1;
        let padded = Padded::from_mask(&mask, [shape[0], shape[1]]);
        // The label of a position's successor, where it has one.
        let next = |at: usize| {
            let inside = !(at + 1).is_multiple_of(shape[1]);
            inside.then(|| u32::try_from(labels[at + 1]).ok()).flatten()
        };
        let targets =
            padded.rows().iter().zip(0..).filter_map(|(&at, row)| next(at).map(|id| (row, id))).collect();
        Ok(Sequences { batch: padded.batch(&ids), targets })
    }

    fn cursor(&self) -> Value {
        self.given.into()
    }

    fn restore(&mut self, _: &Value) -> Result<(), Failure> {
        Err("recorded batches are read once".into())
    }
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

fn train(folder: &Path, case: &Value, file: &SafeTensors, accumulate: usize) -> (Params, Vec<StepReport>) {
    let loaded = Gpt2LmHead::load(folder).expect("a model");
    let config: Config = loaded.config.without_dropout();
    let params = Params::new();
    let model = Gpt2LmHead::new(&params, &config, InitPreset::Hf);
    params.set_values(&loaded.params.values());
    let mut reports = Vec::new();
    Trainer::new(&params, settings(case, accumulate))
        .observe(|event| {
            if let Event::Step(report) = event {
                reports.push(*report);
            }
        })
        .run(&mut Recorded { file, given: 0 }, |tape, batch, weights| {
            let target = |&(row, id): &(u32, u32)| Target { row, id, weight: weights[0] };
            let targets: Vec<_> = batch.targets.iter().map(target).collect();
            Ok(model.loss(tape, &batch.batch, &targets).total)
        })
        .expect("a run");
    (params, reports)
}

fn compare(name: &str, found: f64, expected: &Value, relative: f64) {
    let expected = expected.as_f64().expect("a number");
    let difference = (found - expected).abs();
    assert!(difference <= relative * expected.abs(), "{name}: expected {expected}, found {found}");
}

#[test]
fn ten_steps_of_gpt2_go_where_pytorch_goes() {
    let Some(folder) = reference("train") else { return };
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(text) = std::fs::read(folder.join("case.json")) else { continue };
        let case: Value = serde_json::from_slice(&text).unwrap();
        if case["class"] != "GPT2LMHeadModel" {
            continue;
        }
        let bytes = std::fs::read(folder.join("case.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        for (mode, accumulate) in [("plain", 1), ("accumulate2", 2)] {
            let (params, reports) = train(&folder, &case, &file, accumulate);
            let expected = &case["results"][format!("{mode}.f64")];
            let tolerance = &case["tolerance"]["float32"];
            for (t, report) in reports.iter().enumerate() {
                let name = |what: &str| format!("{} {mode}, step {}: {what}", folder.display(), t + 1);
                let losses = tolerance["losses_rtol"].as_f64().unwrap();
                compare(&name("loss"), report.loss, &expected["losses"][t], losses);
                let norms = &expected["grad_norms_before_clipping"][t];
                compare(&name("gradient norm"), report.grad_norm, norms, 1e-4);
                compare(&name("rate"), report.lr, &expected["lrs"][t], 1e-12);
            }
            assert_eq!(reports.len() as u64, case["steps"].as_u64().unwrap());
            compare_weights(&params, &file, mode, tolerance["parameters_atol"].as_f64().unwrap());
            compared += 1;
        }
        same_groups(&case);
    }
    println!("{compared} trajectories compared");
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
