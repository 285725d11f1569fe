//! What must be equal: packed and alone, cached and whole, recomputed and kept, one thread and many.

use tercet_attention::Batch;
use tercet_gpt2::{Config, Gpt2LmHead, InitPreset, Preset, Recompute};
use tercet_tensor::ops::Target;
use tercet_tensor::{Params, Pool, Tape};

fn small() -> (Config, Params, Gpt2LmHead) {
    let config = Config { vocab_size: 97, n_positions: 24, n_embd: 24, n_head: 3, ..Preset::Tiny.config() };
    let params = Params::new();
    let model = Gpt2LmHead::new(&params, &config, InitPreset::Hf);
    params.init(4);
    (config, params, model)
}

fn texts() -> Vec<Vec<u32>> {
    let text = |length: u32, seed: u32| (0..length).map(|i| (i * 31 + seed * 17) % 97).collect();
    vec![text(24, 1), text(1, 2), text(7, 3), text(16, 4)]
}

fn targets(batch: &Batch) -> Vec<Target> {
    let rows = batch.sequences.ranges().iter().flat_map(|r| r.start..r.end - 1);
    let all: Vec<usize> = rows.collect();
    let weight = 1.0 / all.len() as f32;
    all.into_iter().map(|row| Target { row: row as u32, id: batch.ids[row + 1], weight }).collect()
}

#[test]
fn packed_sequences_are_what_they_are_alone() {
    let (_, _, model) = small();
    let (tape, texts) = (Tape::off(), texts());
    let packed = model.logits(&tape, &Batch::new(&texts));
    let alone: Vec<f32> =
        texts.iter().flat_map(|t| model.logits(&tape, &Batch::new(&[t])).to_vec()).collect();
    assert_eq!(&packed[..], &alone[..]);
}

#[test]
fn a_cached_step_is_what_reading_everything_gives() {
    let (config, _, model) = small();
    let text = &texts()[0];
    let whole = model.logits(&Tape::off(), &Batch::new(&[text]));
    let mut session = model.session(&config, 1, text.len());
    for (i, id) in text.iter().enumerate() {
        let step = session.step(&[], &[[*id]]);
        let worst = step.iter().zip(&whole[i * 97..]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 2e-6, "position {i}: {worst}");
    }
}

#[test]
fn reordered_sequences_keep_their_past() {
    let (config, _, model) = small();
    let texts = [vec![1, 2, 3], vec![4, 5, 6]];
    let mut session = model.session(&config, 2, 8);
    session.step(&[], &texts);
    let step = session.step(&[1, 1, 0], &[[7], [8], [9]]);
    let expected = [vec![4, 5, 6, 7], vec![4, 5, 6, 8], vec![1, 2, 3, 9]];
    let whole = model.next_token_logits(&Tape::off(), &Batch::new(&expected));
    let worst = step.iter().zip(whole.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 2e-6, "{worst}");
}

/// Loss and all gradients of one pass.
fn pass(model: &Gpt2LmHead, params: &Params, tape: &Tape) -> (f32, Vec<f32>) {
    let batch = Batch::new(&texts());
    let loss = model.loss(tape, &batch, &targets(&batch)).total;
    params.zero_grad();
    tape.backward(&loss);
    assert_eq!(params.untouched(), Vec::<String>::new());
    let item = loss.item();
    (
        item,
        (0..1)
            .flat_map(|_| params.entries())
            .flat_map(|e| params.grad(&e.name).expect("a gradient").to_vec())
            .collect(),
    )
}

#[test]
fn recomputed_blocks_give_the_same_bits() {
    let (_, params, model) = small();
    let kept = pass(&model, &params, &Tape::train(5));
    let forgetful = model.clone().recompute(Recompute::Blocks);
    assert_eq!(kept, pass(&forgetful, &params, &Tape::train(5)));
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let (_, params, model) = small();
            pass(&model, &params, &Tape::train(5))
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
}

#[test]
fn after_the_first_step_nothing_large_is_allocated() {
    let (_, params, model) = small();
    let config = Config { vocab_size: 3000, n_positions: 64, ..Preset::Tiny.config() };
    drop((params, model));
    let (params, pool) = (Params::new(), Pool::new());
    let model = Gpt2LmHead::new(&params, &config, InitPreset::Hf);
    params.init(1);
    let step = |seed| {
        let batch = Batch::new(&vec![(0..64).collect::<Vec<u32>>(); 8]);
        let tape = Tape::train_in(&pool, seed);
        let loss = model.loss(&tape, &batch, &targets(&batch)).total;
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
    let (config, _, _) = small();
    let (config, params) = (config.without_dropout(), Params::new());
    let model = Gpt2LmHead::new(&params, &config, InitPreset::Hf);
    params.init(8);
    let mut losses = Vec::new();
    for step in 0..120 {
        let (loss, _) = pass(&model, &params, &Tape::train(step));
        params.update(|values, grads| {
            let norm = grads.iter().map(|g| g * g).sum::<f32>().sqrt().max(1.0);
            values.iter_mut().zip(grads).for_each(|(v, g)| *v -= *g / norm);
        });
        losses.push(loss);
    }
    assert!((losses[0] - 97f32.ln()).abs() < 0.1, "{}", losses[0]);
    assert!(losses[119] < 0.3, "{}", losses[119]);
}

#[test]
fn the_counted_parameters_are_those_of_the_model() {
    for preset in [Preset::Tiny, Preset::Mini, Preset::Small] {
        for tie_word_embeddings in [true, false] {
            let config = Config { tie_word_embeddings, ..preset.config() };
            let params = Params::new();
            Gpt2LmHead::new(&params, &config, InitPreset::Hf);
            assert_eq!(config.cost(1, 1).parameters, params.len() as u64);
        }
    }
    assert_eq!(Preset::Small.config().cost(1, 1).parameters, 124_439_808);
}
