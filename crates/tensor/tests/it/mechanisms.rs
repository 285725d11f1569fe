//! Equalities: recomputed = kept, recycled = fresh, one thread = many, and what must not pass in silence.

use std::panic::AssertUnwindSafe;

use std::time::{Duration, Instant};
use tercet_tensor::ops::{self, Layout, LossTerms, Target};

use tercet_tensor::{Activation, Init, Params, Part, Pool, Profiler, Tape, Tensor};

const WIDTH: usize = 96;
const VOCAB: usize = 331;

/// Two blocks of linear, GELU, dropout, norm and residual, with a tied embedding and vocabulary loss.
struct Model {
    params: Params,
}

impl Model {
    fn new() -> Self {
        let params = Params::new();
        let root = params.root();
        root.param("wte", &[VOCAB, WIDTH], Init::Normal { std: 0.1 });
        for i in 0..2 {
            let block = root.at("h").at(i);
            block.param("w", &[WIDTH, WIDTH], Init::Normal { std: 0.1 });
            block.param("b", &[WIDTH], Init::Zeros);
            block.param("ln.w", &[WIDTH], Init::Ones);
            block.param("ln.b", &[WIDTH], Init::Zeros);
        }
        params.init(5);
        Self { params }
    }

    /// Loss after one pass over 400 tokens; the gradients are in the parameters.
    fn pass(&self, tape: &Tape, recompute: bool) -> f32 {
        let scope = self.params.root();
        let ids: Vec<u32> = (0..400).map(|i| (i * 7 % VOCAB) as u32).collect();
        let wte = scope.param("wte", &[VOCAB, WIDTH], Init::Zeros).on(tape);
        let mut x = ops::embedding(&wte, &ids);
        for i in 0..2 {
            let block = scope.at("h").at(i);
            let forward = move |x: &Tensor| {
                let get = |name: &str, shape: &[usize]| block.param(name, shape, Init::Zeros).on(x.tape());
                let normed = ops::layer_norm(x, &get("ln.w", &[WIDTH]), &get("ln.b", &[WIDTH]), 1e-5);
                let y = ops::linear(
                    &normed,
                    &get("w", &[WIDTH, WIDTH]),
                    Layout::InOut,
                    Some(&get("b", &[WIDTH])),
                );
                x + ops::dropout(&ops::activation(&y, Activation::GeluNew), 0.2)
            };
            x = if recompute { ops::checkpoint(&x, forward) } else { forward(&x) };
        }
        let targets: Vec<Target> = ids
            .iter()
            .zip(0..)
            .map(|(&id, row)| Target { row, id: (id + 1) % VOCAB as u32, weight: 1.0 / 400.0 })
            .collect();
        let loss = ops::vocab_loss(&x, &wte, None, &targets, LossTerms::default()).total;
        if tape.records() {
            tape.backward(&loss);
        }
        loss.item()
    }

    fn gradients(&self) -> Vec<f32> {
        self.params.update(|_, grads| grads.to_vec())
    }
}

#[test]
fn a_recomputed_block_gives_the_same_bits() {
    let model = Model::new();
    let kept = model.pass(&Tape::train(9), false);
    assert_eq!(model.params.untouched(), Vec::<String>::new());
    let expected = model.gradients();
    model.params.zero_grad();
    assert_eq!(kept, model.pass(&Tape::train(9), true));
    assert_eq!(model.params.untouched(), Vec::<String>::new());
    assert_eq!(expected, model.gradients());
}

#[test]
fn a_profile_tells_of_each_half_of_each_operation_and_changes_no_bit() {
    let model = Model::new();
    let plain = model.pass(&Tape::train(9), false);
    for recompute in [false, true] {
        model.params.zero_grad();
        let begun = Instant::now();
        let profiler = Profiler::new();
        assert_eq!(plain, model.pass(&Tape::train(9).profiled(&profiler), recompute));
        let (rows, events, most) = (profiler.rows(), profiler.events(), begun.elapsed());
        let row = |name: &str, part| rows.iter().find(|row| row.name == name && row.part == part).unwrap();
        let (forward, backward) = (row("linear", Part::Forward), row("linear", Part::Backward));
        let product = 2 * 2 * (400 * WIDTH * WIDTH) as u64;
        // A recomputed block runs forward once more.
        let again = if recompute { 2 } else { 1 };
        assert_eq!((forward.calls, forward.work.flops), (2 * again, again as u64 * product));
        assert_eq!((backward.calls, backward.work.flops), (2, 2 * product));
        // So small a vocabulary has all three products at once.
        let logits = 2 * (400 * WIDTH * VOCAB) as u64;
        assert_eq!(row("vocab_loss", Part::Forward).work.flops, 3 * logits);
        assert_eq!(row("vocab_loss", Part::Backward).work.flops, 0);
        assert_eq!(row("embedding", Part::Forward).work.bytes, 2 * 4 * (400 * WIDTH) as u64);
        assert_eq!(rows.iter().any(|row| row.name == "checkpoint"), recompute);
        // No gaps, and nothing counted twice.
        assert!(events.windows(2).all(|pair| pair[0].begin + pair[0].duration == pair[1].begin));
        assert!(events.iter().map(|event| event.duration).sum::<Duration>() <= most);
        assert_eq!(rows.iter().map(|row| row.calls).sum::<usize>(), events.len());
        let mut trace = Vec::new();
        profiler.write_trace(&mut trace).unwrap();
        let trace: serde_json::Value = serde_json::from_slice(&trace).unwrap();
        assert_eq!(trace["traceEvents"].as_array().map(Vec::len), Some(events.len()));
        assert_eq!(trace["traceEvents"][0]["name"], "embedding");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let model = Model::new();
            (model.pass(&Tape::train(3), false), model.gradients())
        })
    };
    let one = run(1);
    for threads in [2, 3, 5] {
        assert_eq!(one, run(threads), "{threads} threads");
    }
}

#[test]
fn gradients_accumulate_until_they_are_zeroed() {
    let model = Model::new();
    model.pass(&Tape::train(1), false);
    let once = model.gradients();
    model.pass(&Tape::train(1), false);
    let twice = model.gradients();
    let worst = once.iter().zip(&twice).map(|(a, b)| (2.0 * a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-6, "{worst}");
}

#[test]
fn after_the_first_step_nothing_large_is_allocated() {
    let (model, pool) = (Model::new(), Pool::new());
    model.pass(&Tape::train_in(&pool, 0), false);
    let first = pool.large_allocations();
    assert!(first > 0);
    for seed in 1..4 {
        model.params.zero_grad();
        model.pass(&Tape::train_in(&pool, seed), false);
    }
    assert_eq!(pool.large_allocations(), first);
}

#[test]
fn dropout_keeps_the_mean_and_its_backward_has_the_same_mask() {
    let tape = Tape::train(11);
    let x = tape.variable(&[100, 100], vec![1.0; 10_000]);
    let y = ops::dropout(&x, 0.3);
    let kept = y.iter().filter(|v| **v != 0.0).count();
    assert!((6800..7200).contains(&kept), "{kept} of 10000 kept");
    assert!(y.iter().all(|v| *v == 0.0 || (*v - 1.0 / 0.7).abs() < 1e-6));
    let gradients = tape.backward(&ops::sum(&y));
    assert_eq!(&gradients.of(&x).expect("a gradient")[..], &y[..]);
    let other = ops::dropout(&Tape::train(12).constant(&[100, 100], vec![1.0; 10_000]), 0.3);
    assert_ne!(&other[..], &y[..]);
}

#[test]
fn a_parameter_without_a_gradient_is_named() {
    let params = Params::new();
    let used = params.root().param("used", &[2], Init::Ones);
    params.root().param("forgotten", &[2], Init::Ones);
    params.init(0);
    let tape = Tape::train(0);
    tape.backward(&ops::sum(&used.on(&tape)));
    assert_eq!(params.untouched(), ["forgotten"]);
    params.freeze(|name| name == "forgotten");
    assert_eq!(params.untouched(), Vec::<String>::new());
}

#[test]
fn a_frozen_parameter_gets_no_gradient() {
    let model = Model::new();
    model.params.freeze(|name| name.contains("ln."));
    model.pass(&Tape::train(0), false);
    assert!(model.params.grad("h.0.ln.w").is_none());
    assert!(model.params.grad("h.0.w").is_some());
}

#[test]
fn stepping_while_a_tensor_reads_the_parameters_panics() {
    let model = Model::new();
    let tape = Tape::off();
    let held = model.params.root().param("wte", &[VOCAB, WIDTH], Init::Zeros).on(&tape);
    let step = || model.params.update(|values, _| values[0] = 1.0);
    assert!(std::panic::catch_unwind(AssertUnwindSafe(step)).is_err());
    drop(held);
}

#[test]
fn evaluation_gives_the_loss_of_training_without_dropout() {
    let model = Model::new();
    let (recorded, unrecorded) = (model.pass(&Tape::grad(), false), model.pass(&Tape::off(), false));
    assert!((recorded - unrecorded).abs() < 1e-6, "{recorded} {unrecorded}");
}
