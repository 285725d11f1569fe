//! What must be equal: packed and alone, one thread and many, saved and loaded, old names and new.

use tercet_bert::{BertBatch, BertForPreTraining, Config, Error, Preset};
use tercet_tensor::ops::Target;
use tercet_tensor::{OnMissing, Params, Precision, Tape, save_safetensors};

fn small() -> (Config, Params, BertForPreTraining) {
    let config = Config {
        vocab_size: 97,
        max_position_embeddings: 24,
        hidden_size: 24,
        num_attention_heads: 3,
        intermediate_size: 48,
        ..Preset::TINY.config()
    };
    let params = Params::new();
    let model = BertForPreTraining::new(&params, &config);
    params.init(4);
    (config, params, model)
}

fn batch() -> BertBatch {
    let ids: Vec<u32> = (0..40).map(|i| i * 31 % 97).collect();
    let types = (0..40).map(|i| u32::from(i % 20 > 11)).collect();
    BertBatch::packed(ids, types, &[20, 1, 12, 7])
}

fn gradients(precision: Precision, params: &Params, model: &BertForPreTraining) -> (f32, Vec<f32>) {
    let masked = [3, 9, 22, 38].map(|row| Target { row, id: row * 2, weight: 0.25 });
    let next: Vec<Target> = (0..4).map(|row| Target { row, id: row % 2, weight: 0.25 }).collect();
    let tape = Tape::train(7).precision(precision);
    let loss = model.loss(&tape, &batch(), &masked, &next);
    let total = &loss.masked.total + &loss.next_sentence;
    params.zero_grad();
    tape.backward(&total);
    assert_eq!(params.untouched(), Vec::<String>::new());
    let grads =
        params.entries().iter().flat_map(|e| params.grad(&e.name).expect("a gradient").to_vec()).collect();
    (total.item(), grads)
}

#[test]
fn packed_sequences_are_what_they_are_alone() {
    let (_, _, model) = small();
    let packed = batch();
    for precision in [Precision::F32, Precision::Bf16] {
        let read = |batch: &BertBatch| model.bert.forward(&Tape::off().precision(precision), batch).to_vec();
        let mut alone = Vec::new();
        for range in packed.sequences.ranges() {
            let (ids, types) =
                (packed.ids[range.clone()].to_vec(), packed.token_types[range.clone()].to_vec());
            alone.extend(read(&BertBatch::packed(ids, types, &[range.len()])));
        }
        assert_eq!(read(&packed), alone, "{precision:?}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let run = |precision, threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let (_, params, model) = small();
            gradients(precision, &params, &model)
        })
    };
    for precision in [Precision::F32, Precision::Bf16] {
        let one = run(precision, 1);
        assert_eq!(one, run(precision, 2), "{precision:?}");
        assert_eq!(one, run(precision, 5), "{precision:?}");
    }
    assert_ne!(run(Precision::F32, 1), run(Precision::Bf16, 1));
}

#[test]
fn every_parameter_gets_a_gradient_that_is_not_zero() {
    let (_, params, model) = small();
    gradients(Precision::F32, &params, &model);
    for entry in params.entries() {
        let gradient = params.grad(&entry.name).expect("a gradient");
        // A key's bias adds the same to every score of a row, which the softmax cancels: only rounding is left.
        let cancels = entry.name.ends_with("key.bias");
        assert!(cancels || gradient.iter().any(|g| g.abs() > 1e-9), "{}", entry.name);
    }
}

#[test]
fn what_is_saved_is_loaded_under_any_name() {
    let (config, params, _) = small();
    let folder = tempfile::tempdir().expect("a folder");
    config.save(folder.path(), &params, "BertForPreTraining").expect("saved");
    let load = |path: &std::path::Path| {
        let again = Params::new();
        BertForPreTraining::new(&again, &config);
        config.load_weights(path, &again, OnMissing::Fail).expect("loaded");
        again.values()
    };
    assert_eq!(Config::read(folder.path()).expect("read").num_hidden_layers, 2);
    assert_eq!(load(folder.path()), params.values());
    let old = folder.path().join("old.safetensors");
    let rename = |name: &str| {
        let name = name.strip_prefix("bert.").unwrap_or(name);
        Some(name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"))
    };
    save_safetensors(&params, &old, rename).expect("saved");
    assert_eq!(load(&old), params.values());
}

#[test]
fn impossible_configurations_name_the_field() {
    let refused = |config: Config| match config.validate() {
        Err(Error::Config { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    let base = || Preset::TINY.config();
    assert_eq!(refused(Config { num_attention_heads: 3, ..base() }), "num_attention_heads");
    assert_eq!(refused(Config { hidden_act: "gelo".to_owned(), ..base() }), "hidden_act");
    assert_eq!(refused(Config { is_decoder: true, ..base() }), "is_decoder");
    assert_eq!(refused(Config { hidden_size: 0, ..base() }), "hidden_size");
    assert!("7/512".parse::<Preset>().is_err());
    assert_eq!("6/512".parse::<Preset>().expect("one of the 24").config().num_attention_heads, 8);
}
