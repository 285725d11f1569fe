//! Hugging Face folders: written, read, in every form they come in, and bad ones.

use std::fs;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use tercet_reference::{cases, reference};
use tercet_t5::{
    Config, Error, FeedForwardProj, InitPreset, Preset, T5Batch, T5EncoderModel, T5ForConditionalGeneration,
    T5ForSequenceClassification, Version,
};
use tercet_tensor::{Activation, OnMissing, Params, Tape, Weights};

fn tiny(version: Version) -> Config {
    Config { vocab_size: 61, d_model: 16, d_kv: 8, d_ff: 24, ..Preset::Tiny.config(version) }
}

fn batch() -> T5Batch {
    T5Batch::new(&[[3, 1, 4, 1, 5]], &[[9, 2, 6]], 0)
}

fn saved(config: &Config) -> (tempfile::TempDir, Vec<f32>) {
    let (folder, params) = (tempfile::tempdir().expect("a folder"), Params::new());
    let model = T5ForConditionalGeneration::new(&params, config, InitPreset::T5x);
    params.init(2);
    config.save(folder.path(), &params, "T5ForConditionalGeneration").expect("saved");
    (folder, model.logits(&Tape::off(), &batch()).to_vec())
}

fn logits(folder: &Path) -> Result<Vec<f32>, Error> {
    let loaded = T5ForConditionalGeneration::load(folder)?;
    Ok(loaded.model.logits(&Tape::off(), &batch()).to_vec())
}

/// Changes the weights of a folder, as (name, shape, bytes).
fn rewrite(folder: &Path, change: impl FnOnce(&mut Vec<(String, Vec<usize>, Vec<u8>)>)) {
    let weights = Weights::open(folder).expect("opened");
    let bytes = |name: &str| weights.read(name).expect("read").iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut tensors = weights.tensors().map(|(n, shape)| (n.to_owned(), shape.to_vec(), bytes(n))).collect();
    change(&mut tensors);
    let views: Vec<(String, TensorView<'_>)> = tensors
        .iter()
        .map(|(n, shape, data)| {
            (n.clone(), TensorView::new(Dtype::F32, shape.clone(), data).expect("a view"))
        })
        .collect();
    safetensors::serialize_to_file(views, None, &folder.join("model.safetensors")).expect("written");
}

fn edit_config(folder: &Path, change: &str) {
    let path = folder.join("config.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    let change: serde_json::Value = serde_json::from_str(change).expect("JSON");
    for (key, value) in change.as_object().expect("an object") {
        json[key] = value.clone();
    }
    fs::write(path, json.to_string()).expect("written");
}

#[test]
fn what_is_saved_is_loaded() {
    for version in [Version::V1_0, Version::V1_1] {
        let (folder, expected) = saved(&tiny(version));
        assert_eq!(logits(folder.path()).expect("loaded"), expected);
        let read = Config::of_checkpoint(folder.path()).expect("read");
        assert_eq!(read.tie_word_embeddings, version == Version::V1_0);
    }
}

#[test]
fn the_weights_say_whether_the_output_layer_is_tied() {
    // What transformers 5 writes for v1.1.
    let (folder, expected) = saved(&tiny(Version::V1_1));
    edit_config(folder.path(), r#"{"tie_word_embeddings": true, "scale_decoder_outputs": false}"#);
    assert_eq!(logits(folder.path()).expect("loaded"), expected);

    // A tied one with its copies written out, and what transformers 5 says of it.
    let (folder, expected) = saved(&tiny(Version::V1_0));
    rewrite(folder.path(), |tensors| {
        let (_, shape, bytes) =
            tensors.iter().find(|t| t.0 == "shared.weight").expect("the embedding").clone();
        for copy in ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"] {
            tensors.push((copy.to_owned(), shape.clone(), bytes.clone()));
        }
    });
    edit_config(folder.path(), r#"{"scale_decoder_outputs": true}"#);
    assert_eq!(logits(folder.path()).expect("loaded"), expected);

    // Old files have scores that nothing reads, and may know the embedding by a copy's name alone.
    rewrite(folder.path(), |tensors| {
        tensors.retain(|t| t.0 != "shared.weight" && t.0 != "lm_head.weight");
        let unused = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";
        tensors.push((unused.to_owned(), vec![32, 2], vec![0; 256]));
    });
    assert_eq!(logits(folder.path()).expect("loaded"), expected);

    // Untied by its configuration, tied by its weights: still not scaled.
    edit_config(folder.path(), r#"{"tie_word_embeddings": false, "scale_decoder_outputs": null}"#);
    let read = Config::of_checkpoint(folder.path()).expect("read");
    assert!(read.tie_word_embeddings && !read.scales_decoder_outputs());
    let unscaled: Vec<f32> = expected.iter().map(|x| x * 4.0).collect();
    let worst = logits(folder.path()).expect("loaded").into_iter().zip(unscaled).map(|(a, b)| (a - b).abs());
    assert!(worst.fold(0.0, f32::max) < 1e-4);
}

#[test]
fn both_published_forms_give_the_reference_logits() {
    let Some(root) = reference() else { return };
    let mut compared = 0;
    for case in cases(&root.join("t5"), "T5ForConditionalGeneration") {
        let Ok(newer) = fs::read(case.folder.join("config.transformers5.json")) else { continue };
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("config.json"), newer).expect("written");
        let weights = "model.safetensors";
        fs::copy(case.folder.join(weights), folder.path().join(weights)).expect("copied");
        assert_eq!(logits(folder.path()).expect("loaded"), logits(&case.folder).expect("loaded"));
        let again = tempfile::tempdir().expect("a folder");
        let loaded = T5ForConditionalGeneration::load(folder.path()).expect("loaded");
        loaded.config.save(again.path(), &loaded.params, "T5ForConditionalGeneration").expect("saved");
        assert_eq!(logits(again.path()).expect("loaded"), logits(&case.folder).expect("loaded"));
        compared += 1;
    }
    println!("{compared} configurations in both forms");
}

#[test]
fn heads_take_the_weights_of_a_language_model() {
    let config = tiny(Version::V1_0);
    let (folder, _) = saved(&config);
    let params = Params::new();
    T5ForSequenceClassification::new(&params, &config, InitPreset::T5x);
    let report = config.load_weights(folder.path(), &params, OnMissing::Init { seed: 1 }).expect("loaded");
    assert!(report.missing.iter().all(|name| name.starts_with("classification_head.")), "{report:?}");
    assert_eq!((report.missing.len(), report.unexpected.len()), (4, 0));
    let params = Params::new();
    T5EncoderModel::new(&params.root(), &config, InitPreset::T5x);
    let report = config.load_weights(folder.path(), &params, OnMissing::Fail).expect("loaded");
    assert!(!report.unexpected.is_empty() && report.unexpected.iter().all(|n| n.starts_with("decoder.")));
}

#[test]
fn missing_and_unknown_tensors_are_named() {
    let (folder, _) = saved(&tiny(Version::V1_0));
    rewrite(folder.path(), |tensors| tensors.retain(|t| t.0 != "encoder.final_layer_norm.weight"));
    let error = logits(folder.path()).expect_err("a missing tensor").to_string();
    assert!(error.contains("missing 1 tensors: encoder.final_layer_norm.weight"), "{error}");
    let (folder, _) = saved(&tiny(Version::V1_1));
    edit_config(folder.path(), r#"{"num_decoder_layers": 1}"#);
    let error = logits(folder.path()).expect_err("tensors too many").to_string();
    assert!(error.contains("14 tensors have no place in this model: decoder.block.1."), "{error}");
}

#[test]
fn impossible_configurations_name_the_field() {
    let refused = |change: &str| {
        let (folder, _) = saved(&tiny(Version::V1_0));
        edit_config(folder.path(), change);
        logits(folder.path()).expect_err("refused").to_string()
    };
    assert!(
        refused(r#"{"feed_forward_proj": "gated-gelo"}"#).contains("feed_forward_proj is \"gated-gelo\"")
    );
    assert!(refused(r#"{"feed_forward_proj": "open-gelu"}"#).contains("feed_forward_proj"));
    assert!(refused(r#"{"feed_forward_proj": "gated-gelu-new"}"#).contains("feed_forward_proj"));
    assert!(refused(r#"{"dropout_rate": 1.5}"#).contains("dropout_rate is 1.5"));
    assert!(refused(r#"{"d_kv": 0}"#).contains("d_kv is 0"));
    assert!(
        refused(r#"{"relative_attention_num_buckets": 2}"#).contains("relative_attention_num_buckets is 2")
    );
    assert_eq!(
        refused(r#"{"relative_attention_max_distance": 16}"#),
        "config: relative_attention_max_distance is 16, expected more than half of relative_attention_num_buckets 32"
    );
    assert!(refused(r#"{"model_type": "bart"}"#).contains("model_type is \"bart\""));
    assert!(refused(r#"{"d_model": "wide"}"#).contains("config.json"));
    assert!(refused(r#"{"d_model": 32}"#).contains("has shape"));
    assert!("giant".parse::<Preset>().is_err() && "11b".parse::<Preset>().is_ok());
}

#[test]
fn feed_forward_layers_are_named_as_hugging_face_names_them() {
    let parsed =
        |name: &str| Config { feed_forward_proj: name.to_owned(), ..Config::default() }.feed_forward();
    assert_eq!(parsed("relu"), FeedForwardProj::Dense(Activation::Relu));
    assert_eq!(parsed("gelu"), FeedForwardProj::Dense(Activation::Gelu));
    assert_eq!(parsed("gated-gelu"), FeedForwardProj::Gated(Activation::GeluNew));
    assert_eq!(parsed("gated-silu"), FeedForwardProj::Gated(Activation::Silu));
    assert_eq!(parsed("gated-relu"), FeedForwardProj::Gated(Activation::Relu));
}

#[test]
fn unknown_fields_survive() {
    let mut config = tiny(Version::V1_1);
    config.other.insert("n_positions".to_owned(), 512.into());
    let (folder, _) = saved(&config);
    assert_eq!(Config::read(folder.path()).expect("read").other["n_positions"], 512);
}
