//! Optimiser steps against PyTorch's, and against the published algorithms in float64.

use safetensors::SafeTensors;
use serde_json::Value;
use tercet_tensor::{Init, Params, Rng, Tape, ops};
use tercet_train::{Adafactor, Decay, Decays, Optimizer, Rule, Schedule, clip_factor};

use crate::reference;

const NAMES: [&str; 4] = ["embed", "dense.weight", "dense.bias", "LayerNorm.weight"];

fn read(file: &SafeTensors, name: &str) -> (Vec<usize>, Vec<f64>) {
    let view = file.tensor(name).unwrap_or_else(|_| panic!("{name} is not in the reference file"));
    let values = match view.dtype() {
        safetensors::Dtype::F64 => {
            view.data().as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b)).collect()
        }
        _ => view.data().as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b).into()).collect(),
    };
    (view.shape().to_vec(), values)
}

/// The rule of a case; `None` for the rules that this crate does not have.
fn rule(name: &str, arguments: &Value) -> Option<Rule> {
    let real = |field: &str| arguments[field].as_f64().unwrap_or(0.0);
    let beta = |i: usize| arguments["betas"][i].as_f64().unwrap();
    let (eps, weight_decay) = (real("eps"), real("weight_decay"));
    Some(match name {
        _ if name.starts_with("adamw") => {
            let amsgrad = arguments["amsgrad"].as_bool().unwrap_or(false);
            Rule::AdamW { beta1: beta(0), beta2: beta(1), eps, weight_decay, amsgrad }
        }
        "adam_l2" => Rule::Adam { beta1: beta(0), beta2: beta(1), eps, weight_decay },
        "bert_adam_weight_decay" => {
            Rule::AdamWeightDecay { beta1: beta(0), beta2: beta(1), eps, weight_decay }
        }
        "lion" => Rule::Lion { beta1: beta(0), beta2: beta(1), weight_decay },
        _ if name.starts_with("sgd") => {
            let nesterov = arguments["nesterov"].as_bool().unwrap_or(false);
            Rule::Sgd { momentum: real("momentum"), nesterov, weight_decay }
        }
        _ if name.starts_with("adafactor") => Rule::Adafactor(adafactor(name, arguments)),
        _ => return None,
    })
}

fn adafactor(name: &str, arguments: &Value) -> Adafactor {
    let truth = |field: &str| arguments[field].as_bool().unwrap_or(true);
    let (beta1, real) = (arguments["beta1"].as_f64(), |field: &str| arguments[field].as_f64().unwrap_or(0.0));
    if name.starts_with("adafactor_hf") {
        return Adafactor {
            multiply_by_parameter_scale: truth("scale_parameter"),
            beta1,
            weight_decay: real("weight_decay"),
            ..Adafactor::hugging_face()
        };
    }
    Adafactor {
        multiply_by_parameter_scale: truth("multiply_by_parameter_scale"),
        beta1,
        weight_decay: real("weight_decay_rate"),
        min_dim_size_to_factor: arguments["min_dim_size_to_factor"].as_u64().unwrap_or(2) as usize,
        ..Adafactor::default()
    }
}

/// The rate of a step, counted from 0, where a case says it by a rule.
fn rate_by_rule(name: &str, arguments: &Value, step: usize) -> Option<f64> {
    let inverse_root = 1.0 / ((step + 1) as f64).sqrt();
    match name {
        "adafactor_t5x_rsqrt_lr" => {
            Some(Schedule::new(Decay::ReciprocalSqrt { plateau: 5 }).factor(step as u64))
        }
        _ if arguments["warmup_init"] == true => Some(inverse_root.min(1e-6 * (step + 1) as f64)),
        _ if arguments["relative_step"] == true => Some(inverse_root.min(1e-2)),
        _ => None,
    }
}

/// Parameters with the reference's starting values.
fn start(file: &SafeTensors) -> Params {
    let params = Params::new();
    let mut values = Vec::new();
    for name in NAMES {
        let (shape, start) = read(file, &format!("param0.{name}"));
        params.root().param(name, &shape, Init::Zeros);
        values.extend(start.into_iter().map(|x| x as f32));
    }
    params.init(0);
    params.set_values(&values);
    params
}

fn set_gradients(params: &Params, file: &SafeTensors, step: usize) {
    params.update(|_, grads| {
        let flat = NAMES.iter().flat_map(|name| read(file, &format!("grad{step}.{name}")).1);
        grads.iter_mut().zip(flat).for_each(|(slot, g)| *slot = g as f32);
    });
}

fn assert_close(found: &Params, file: &SafeTensors, prefix: &str) {
    for name in NAMES {
        let (_, expected) = read(file, &format!("{prefix}.{name}.f64"));
        let found = found.get(name).unwrap();
        for (i, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
            let difference = (f64::from(found) - expected).abs();
            assert!(
                difference <= 1e-6 + 1e-5 * expected.abs(),
                "{prefix}.{name}[{i}]: {found}, not {expected}"
            );
        }
    }
}

#[test]
fn ten_steps_of_every_rule_agree_with_the_reference() {
    let Some(folder) = reference("optim/steps") else { return };
    let case: Value = serde_json::from_slice(&std::fs::read(folder.join("case.json")).unwrap()).unwrap();
    let bytes = std::fs::read(folder.join("case.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut compared = 0;
    for (name, case) in case["cases"].as_object().unwrap() {
        let arguments = &case["arguments"];
        let Some(rule) = rule(name, arguments) else { continue };
        let grouped = name.contains("groups") || name.starts_with("bert");
        let params = start(&file);
        let decays = if grouped { Decays::NotBiasOrNorm } else { Decays::All };
        let mut optimizer = Optimizer::new(rule, decays, &params);
        let lrs = [&case["lrs"], &arguments["lrs"]].into_iter().find_map(Value::as_array);
        for step in 0..10 {
            let fixed = arguments["lr"].as_f64().unwrap_or(1e-3);
            let lr = lrs.map_or(fixed, |lrs| lrs[step].as_f64().unwrap());
            let lr = rate_by_rule(name, arguments, step).unwrap_or(lr);
            set_gradients(&params, &file, step);
            optimizer.step(&params, lr, 1.0);
            if [1, 6, 10].contains(&(step + 1)) {
                assert_close(&params, &file, &format!("{name}.step{}", step + 1));
            }
        }
        compared += 1;
    }
    println!("{compared} optimiser cases compared");
    assert!(compared >= 20, "{compared} cases");
}

#[test]
fn clipping_folds_into_the_step_with_torchs_factor() {
    let Some(folder) = reference("optim/steps") else { return };
    let bytes = std::fs::read(folder.join("case.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for max in ["0.5", "1", "1e+06"] {
        let params = start(&file);
        set_gradients(&params, &file, 5);
        let sgd = Rule::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
        let mut optimizer = Optimizer::new(sgd, Decays::All, &params);
        let norm = optimizer.grad_norm(&params);
        let (_, expected) = read(&file, &format!("clip_{max}.norm.f64"));
        assert!((norm - expected[0]).abs() < 1e-6 * expected[0], "norm {norm}, not {}", expected[0]);

        params.set_values(&vec![0.0; params.len()]);
        optimizer.step(&params, 1.0, clip_factor(norm, max.parse().unwrap()));
        for name in NAMES {
            let (_, clipped) = read(&file, &format!("clip_{max}.{name}.f64"));
            for (&moved, &g) in params.get(name).unwrap().iter().zip(&clipped) {
                assert!((f64::from(-moved) - g).abs() < 1e-6 * (1.0 + g.abs()), "{name}: {moved} for {g}");
            }
        }
    }
}

#[test]
fn decay_is_chosen_by_dimension_or_by_name() {
    let cases = [
        ("transformer.wte.weight", 2, true, true),
        ("transformer.h.0.ln_1.weight", 1, false, false),
        ("transformer.h.0.attn.c_attn.bias", 1, false, false),
        ("encoder.layer.0.output.LayerNorm.weight", 1, false, false),
        ("encoder.block.0.layer.0.layer_norm.weight", 1, false, false),
        ("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", 2, true, true),
        ("scores", 1, false, true),
    ];
    for (name, dims, matrices, by_name) in cases {
        assert_eq!(Decays::Matrices.includes(name, dims), matrices, "{name}");
        assert_eq!(Decays::NotBiasOrNorm.includes(name, dims), by_name, "{name}");
    }
    assert!(!Decays::Except(vec!["wte".into()]).includes("transformer.wte.weight", 2));
}

#[test]
fn every_trained_float_moves_once_and_frozen_parameters_stay() {
    let params = Params::new();
    let root = params.root();
    let (a, b) =
        (root.param("a", &[300, 700], Init::Normal { std: 1.0 }), root.param("b", &[10], Init::Ones));
    let c = root.param("c", &[100_000], Init::Normal { std: 1.0 });
    params.init(3);
    params.freeze(|name| name == "b");
    let mut optimizer = Optimizer::new(Rule::adam_w(0.1), Decays::Matrices, &params);
    let tape = Tape::train(0);
    let loss = ops::add(
        &ops::sum(&ops::mul(&a.on(&tape), &a.on(&tape))),
        &ops::sum(&ops::mul(&c.on(&tape), &c.on(&tape))),
    );
    tape.backward(&loss);
    drop((loss, tape));
    let before = (a.value().to_vec(), c.value().to_vec());
    optimizer.step(&params, 0.01, 1.0);
    assert_eq!(&b.value()[..], [1.0; 10]);
    // The first step of Adam moves every weight by the rate, against the sign of its gradient.
    for (name, before, after, decay) in [("a", before.0, a.value(), 0.1), ("c", before.1, c.value(), 0.0)] {
        for (&old, &new) in before.iter().zip(&after[..]) {
            let expected = old * (1.0 - 0.01 * decay) - 0.01 * old.signum();
            assert!(old.abs() < 1e-4 || (new - expected).abs() < 1e-5, "{name}: {old} became {new}");
        }
    }
}

/// Steps of Adafactor on a matrix of several tasks, a small one and a vector, with gradients from a stream.
fn adafactor_steps(rule: Adafactor, params: &Params, optimizer: &mut Optimizer, steps: std::ops::Range<u64>) {
    assert_eq!(optimizer.rule(), &Rule::Adafactor(rule));
    for step in steps {
        let mut rng = Rng::new(step);
        params.update(|_, grads| grads.iter_mut().for_each(|g| *g = rng.normal() as f32));
        optimizer.step(params, 0.01, 0.5);
    }
}

fn some_matrices() -> Params {
    let (params, normal) = (Params::new(), Init::Normal { std: 0.5 });
    for (name, shape) in [("large", &[300, 200][..]), ("narrow", &[300, 16]), ("vector", &[500])] {
        params.root().param(name, shape, normal);
    }
    params.init(9);
    params
}

#[test]
fn adafactor_keeps_the_sums_of_two_sides_where_both_are_long() {
    let params = some_matrices();
    let shapes = |rule: Adafactor| -> Vec<(String, Vec<usize>)> {
        let optimizer = Optimizer::new(Rule::Adafactor(rule), Decays::All, &params);
        optimizer.moments().into_iter().map(|moment| (moment.name, moment.shape)).collect()
    };
    let shape = |name: &str, shape: &[usize]| (name.to_owned(), shape.to_vec());
    let t5x = [
        shape("exp_avg_sq_row.large", &[300]),
        shape("exp_avg_sq_col.large", &[200]),
        shape("exp_avg_sq.narrow", &[300, 16]),
        shape("exp_avg_sq.vector", &[500]),
    ];
    assert_eq!(shapes(Adafactor::default()), t5x);
    let with_mean = shapes(Adafactor { beta1: Some(0.9), ..Adafactor::hugging_face() });
    assert_eq!(
        with_mean[3..6],
        [
            shape("exp_avg_sq_row.narrow", &[300]),
            shape("exp_avg_sq_col.narrow", &[16]),
            shape("exp_avg.narrow", &[300, 16]),
        ]
    );
}

#[test]
fn adafactor_goes_on_from_its_moments_with_any_number_of_threads() {
    let rule = Adafactor { beta1: Some(0.9), weight_decay: 0.01, ..Adafactor::default() };
    let run = |threads, stop: Option<u64>| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let params = some_matrices();
            let fresh = || Optimizer::new(Rule::Adafactor(rule), Decays::Matrices, &params);
            let mut optimizer = fresh();
            adafactor_steps(rule, &params, &mut optimizer, 0..stop.unwrap_or(6));
            if let Some(stop) = stop {
                let moments = optimizer.moments().iter().map(|moment| moment.values.to_vec()).collect();
                let mut again = fresh();
                again.restore(moments, optimizer.steps());
                assert_eq!(again, optimizer);
                adafactor_steps(rule, &params, &mut again, stop..6);
            }
            params.values()
        })
    };
    let whole = run(1, None);
    assert_ne!(whole, some_matrices().values());
    assert_eq!(whole, run(4, None));
    assert_eq!(whole, run(2, Some(3)));
}

#[test]
fn adafactor_is_written_down_by_what_differs_from_t5x() {
    let rule: Rule = serde_json::from_str(r#"{"name": "adafactor", "beta1": 0.9}"#).unwrap();
    assert_eq!(rule, Rule::Adafactor(Adafactor { beta1: Some(0.9), ..Adafactor::default() }));
    let text = serde_json::to_string(&rule).unwrap();
    assert_eq!(serde_json::from_str::<Rule>(&text).unwrap(), rule);
    assert!(serde_json::from_str::<Rule>(r#"{"name": "adafactor", "beta3": 0.9}"#).is_err());
}

/// Against the equations in f64: the rate of each matrix follows its own size, the decay does not.
#[test]
fn scaled_adam_w_moves_each_parameter_by_its_own_size() {
    let (params, rate, weight_decay) = (some_matrices(), 0.02, 0.1);
    let mut expected: Vec<f64> = params.values().iter().map(|p| f64::from(*p)).collect();
    let (mut m, mut v) = (vec![0.0; expected.len()], vec![0.0; expected.len()]);
    let rule = Rule::AdamWScaled { beta1: 0.9, beta2: 0.99, eps: 1e-6, weight_decay, least_scale: 1e-3 };
    let mut optimizer = Optimizer::new(rule, Decays::Matrices, &params);
    for step in 1..=5 {
        let mut rng = Rng::new(step);
        let gradient: Vec<f32> = expected.iter().map(|_| rng.normal() as f32).collect();
        params.update(|_, grads| grads.copy_from_slice(&gradient));
        optimizer.step(&params, rate, 1.0);
        for entry in params.entries() {
            let p = &mut expected[entry.range.clone()];
            let rms = (p.iter().map(|p| p * p).sum::<f64>() / p.len() as f64).sqrt();
            let decay = if entry.shape.len() == 2 { weight_decay } else { 0.0 };
            for (p, i) in p.iter_mut().zip(entry.range) {
                let g = f64::from(gradient[i]);
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.99 * v[i] + 0.01 * g * g;
                let t = step as f64;
                let direction =
                    m[i] / (1.0 - 0.9f64.powf(t)) / ((v[i] / (1.0 - 0.99f64.powf(t))).sqrt() + 1e-6);
                *p -= rate * decay * *p + rate * rms.max(1e-3) * direction;
            }
        }
    }
    for (i, (found, expected)) in params.values().iter().zip(&expected).enumerate() {
        assert!((f64::from(*found) - expected).abs() < 2e-6, "{i}: {found}, not {expected}");
    }
}
