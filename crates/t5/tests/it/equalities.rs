//! What must be equal: packed and alone, cached and whole, one thread and many.

use tercet_attention::Batch;
use tercet_t5::{Config, InitPreset, Preset, T5Batch, T5ForConditionalGeneration, Version};
use tercet_tensor::ops::LossTerms;
use tercet_tensor::{Params, Pool, Tape};

const VERSIONS: [Version; 2] = [Version::V1_0, Version::V1_1];

fn config(version: Version) -> Config {
    Config {
        vocab_size: 97,
        d_model: 24,
        num_heads: 3,
        d_kv: 10,
        d_ff: 40,
        num_decoder_layers: Some(3),
        relative_attention_num_buckets: 8,
        relative_attention_max_distance: 12,
        ..Preset::Tiny.config(version)
    }
}

fn small(version: Version) -> (Config, Params, T5ForConditionalGeneration) {
    let (config, params) = (config(version), Params::new());
    let model = T5ForConditionalGeneration::new(&params, &config, InitPreset::T5x);
    params.init(4);
    (config, params, model)
}

fn texts(lengths: [u32; 4], seed: u32) -> Vec<Vec<u32>> {
    let text = |(i, length): (u32, u32)| (0..length).map(|t| (t * 31 + i * 17 + seed) % 97).collect();
    (0..).zip(lengths).map(text).collect()
}

fn batch() -> T5Batch {
    T5Batch::new(&texts([24, 1, 7, 16], 3), &texts([5, 20, 1, 9], 8), 0)
}

/// Loss, with every term, and all gradients of one pass.
fn pass(model: &T5ForConditionalGeneration, params: &Params, tape: &Tape) -> (f32, Vec<f32>) {
    let batch = batch();
    let terms = LossTerms { label_smoothing: 0.1, z_loss: 1e-2 };
    let loss = model.loss(tape, &batch, &batch.targets(1.0 / 35.0), terms).total;
    params.zero_grad();
    tape.backward(&loss);
    assert_eq!(params.untouched(), Vec::<String>::new());
    let grads =
        params.entries().iter().flat_map(|e| params.grad(&e.name).expect("a gradient").to_vec()).collect();
    (loss.item(), grads)
}

#[test]
fn packed_sequences_are_what_they_are_alone() {
    for version in VERSIONS {
        let (_, _, model) = small(version);
        let together = model.logits(&Tape::off(), &batch());
        let pairs = texts([24, 1, 7, 16], 3).into_iter().zip(texts([5, 20, 1, 9], 8));
        let alone: Vec<f32> = pairs
            .flat_map(|(text, answer)| {
                model.logits(&Tape::off(), &T5Batch::new(&[text], &[answer], 0)).to_vec()
            })
            .collect();
        assert_eq!(&together[..], &alone[..]);
    }
}

#[test]
fn a_cached_step_is_what_reading_everything_gives() {
    for version in VERSIONS {
        let (config, _, model) = small(version);
        let (text, answer) = (&texts([24, 1, 7, 16], 3)[0], &texts([5, 20, 1, 9], 8)[1]);
        let batch = T5Batch::new(&[text], &[answer], 0);
        let whole = model.logits(&Tape::off(), &batch);
        let mut session = model.session(&config, &batch.inputs, answer.len());
        for (i, id) in batch.decoder_inputs.ids.iter().enumerate() {
            let step = session.step(&[], &[[*id]]);
            let worst = step.iter().zip(&whole[i * 97..]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-5, "position {i}: {worst}");
        }
    }
}

#[test]
fn reordered_answers_keep_their_past_and_their_text() {
    let (config, _, model) = small(Version::V1_1);
    let texts = [vec![5, 6, 7, 1], vec![9, 1]];
    let mut session = model.session(&config, &Batch::new(&texts), 8);
    session.step(&[], &[[0], [0]]);
    session.step(&[0, 1, 1], &[[11], [12], [13]]);
    let step = session.step(&[2, 2, 0], &[[21], [22], [23]]);
    let reread = [&texts[1], &texts[1], &texts[0]];
    let answers = [[13, 21, 0], [13, 22, 0], [11, 23, 0]];
    let whole = model.logits(&Tape::off(), &T5Batch::new(&reread, &answers, 0));
    let last = [2, 5, 8].map(|row| &whole[row * 97..][..97]).concat();
    let worst = step.iter().zip(&last).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 2e-5, "{worst}");
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            VERSIONS.map(|version| {
                let (_, params, model) = small(version);
                pass(&model, &params, &Tape::train(5))
            })
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
}

#[test]
fn every_parameter_gets_a_gradient_that_is_not_zero() {
    for version in VERSIONS {
        let (_, params, model) = small(version);
        pass(&model, &params, &Tape::train(5));
        for entry in params.entries() {
            let gradient = params.grad(&entry.name).expect("a gradient");
            assert!(gradient.iter().any(|g| g.abs() > 1e-9), "{}", entry.name);
        }
    }
}

#[test]
fn after_the_first_step_nothing_large_is_allocated() {
    let config = Config { vocab_size: 3000, ..Preset::Tiny.config(Version::V1_1) };
    let (params, pool) = (Params::new(), Pool::new());
    let model = T5ForConditionalGeneration::new(&params, &config, InitPreset::T5x);
    params.init(1);
    let text = (0..64).collect::<Vec<u32>>();
    let step = |seed| {
        let batch = T5Batch::new(&[&text[..]; 8], &[&text[..40]; 8], 0);
        let tape = Tape::train_in(&pool, seed);
        let loss = model.loss(&tape, &batch, &batch.targets(1.0 / 320.0), LossTerms::default()).total;
        params.zero_grad();
        tape.backward(&loss);
    };
    step(0);
    let first = pool.large_allocations();
    assert!(first > 10, "{first}");
    (1..4).for_each(step);
    assert_eq!(pool.large_allocations(), first);
}

#[test]
fn one_batch_is_learned_by_heart() {
    for version in VERSIONS {
        let config = Config { d_model: 48, d_ff: 96, d_kv: 16, ..config(version).without_dropout() };
        let params = Params::new();
        let model = T5ForConditionalGeneration::new(&params, &config, InitPreset::T5x);
        params.init(8);
        let mut losses = Vec::new();
        for _ in 0..150 {
            let batch = batch();
            let tape = Tape::train(0);
            let loss = model.loss(&tape, &batch, &batch.targets(1.0 / 35.0), LossTerms::default()).total;
            params.zero_grad();
            tape.backward(&loss);
            losses.push(loss.item());
            drop((loss, tape));
            params.update(|values, grads| {
                let norm = grads.iter().map(|g| g * g).sum::<f32>().sqrt().max(1.0);
                values.iter_mut().zip(grads).for_each(|(v, g)| *v -= 0.5 * *g / norm);
            });
        }
        // A softmax over logits of variance 1 begins half a nat above the even one.
        let start = 97f32.ln() + 0.5;
        assert!((losses[0] - start).abs() < 0.5, "{version:?}: {}", losses[0]);
        assert!(losses[149] < 0.3, "{version:?}: {}", losses[149]);
    }
}

#[test]
fn presets_have_as_many_parameters_as_the_published_models() {
    let count = |preset: Preset, version| {
        let (config, params) = (preset.config(version), Params::new());
        T5ForConditionalGeneration::new(&params, &config, InitPreset::T5x);
        assert_eq!(config.cost(1, 1, 1).parameters, params.len() as u64, "{preset:?}");
        params.len()
    };
    let published = [
        (Preset::Small, 60_506_624, 76_961_152),
        (Preset::Base, 222_903_552, 247_577_856),
        (Preset::Large, 737_668_096, 783_150_080),
        (Preset::B3, 2_851_598_336, 2_849_757_184),
        (Preset::B11, 11_307_321_344, 11_135_332_352),
    ];
    for (preset, v1_0, v1_1) in published {
        assert_eq!(count(preset, Version::V1_0), v1_0, "{preset:?}");
        assert_eq!(count(preset, Version::V1_1), v1_1, "{preset:?}");
    }
}

#[test]
fn products_are_counted_by_their_shapes() {
    // 2 texts of 5 tokens, answers of 3 rows; C = 24, heads·d_kv = 30, F = 40, V = 97; 2 + 3 layers.
    let product = |n: u64, k: u64, m: u64| 2 * n * k * m;
    let attention = |pairs: u64| 2 * product(1, 30, pairs);
    let feed_forward = |n, gates| gates * product(n, 24, 40) + product(n, 40, 24);
    for (version, gates) in [(Version::V1_0, 1), (Version::V1_1, 2)] {
        let encoder = 4 * product(5, 24, 30) + attention(25) + feed_forward(5, gates);
        let itself = 4 * product(3, 24, 30) + attention(6) + feed_forward(3, gates);
        let cross = 2 * product(3, 24, 30) + 2 * product(5, 24, 30) + attention(15);
        let one = 2 * encoder + 3 * (itself + cross) + product(3, 24, 97);
        assert_eq!(config(version).cost(2, 5, 3).forward_flops, 2 * one);
    }
}

#[test]
fn initial_spreads_are_those_of_the_original() {
    let config = Config { vocab_size: 4000, ..Preset::Mini.config(Version::V1_1) };
    let spreads = |init| {
        let params = Params::new();
        T5ForConditionalGeneration::new(&params, &config, init);
        params.init(3);
        move |name: &str| {
            let values = params.get(name).unwrap_or_else(|| panic!("no {name}"));
            (values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
        }
    };
    let (t5x, hf) = (spreads(InitPreset::T5x), spreads(InitPreset::Hf));
    let attention = "decoder.block.1.layer.1.EncDecAttention";
    let cases = [
        ("shared.weight".to_owned(), 1.0, 1.0),
        (format!("{attention}.q.weight"), 1.0 / 128.0, 1.0 / 128.0),
        (format!("{attention}.k.weight"), 1.0 / 16.0, 1.0 / 16.0),
        (format!("{attention}.v.weight"), 1.0 / 16.0, 1.0 / 16.0),
        (format!("{attention}.o.weight"), 1.0 / 16.0, 1.0 / 16.0),
        ("encoder.block.3.layer.1.DenseReluDense.wi_1.weight".to_owned(), 1.0 / 16.0, 1.0 / 16.0),
        ("encoder.block.3.layer.1.DenseReluDense.wo.weight".to_owned(), 704f64.powf(-0.5), 704f64.powf(-0.5)),
        ("lm_head.weight".to_owned(), 1.0 / 16.0, 1.0),
    ];
    for (name, original, hugging_face) in cases {
        assert!((t5x(&name) / original - 1.0).abs() < 0.02, "{name}: {}", t5x(&name));
        assert!((hf(&name) / hugging_face - 1.0).abs() < 0.02, "{name}: {}", hf(&name));
    }
    // Few values, so a wide margin: uniform in ±√(6/36), and normal 1/16.
    let scores = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
    assert!((t5x(scores) / (2f64 / 36.0).sqrt() - 1.0).abs() < 0.2, "{}", t5x(scores));
    assert!((hf(scores) * 16.0 - 1.0).abs() < 0.3, "{}", hf(scores));
}
