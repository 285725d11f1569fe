//! Hugging Face folders: written, read, and bad ones.

use std::fs;

use tercet_attention::Batch;
use tercet_gpt2::{Config, Error, Gpt2LmHead, InitPreset, Preset};
use tercet_tensor::{Params, Tape, Weights};

fn tiny() -> Config {
    Config { vocab_size: 61, n_positions: 16, n_embd: 16, ..Preset::Tiny.config() }
}

fn saved(config: &Config) -> (tempfile::TempDir, Vec<f32>) {
    let (folder, params) = (tempfile::tempdir().expect("a folder"), Params::new());
    let model = Gpt2LmHead::new(&params, config, InitPreset::Hf);
    params.init(2);
    config.save(folder.path(), &params, "GPT2LMHeadModel").expect("saved");
    let logits = model.logits(&Tape::off(), &Batch::new(&[[3, 1, 4, 1, 5]]));
    (folder, logits.to_vec())
}

fn logits(folder: &std::path::Path) -> Result<Vec<f32>, Error> {
    let loaded = Gpt2LmHead::load(folder)?;
    Ok(loaded.model.logits(&Tape::off(), &Batch::new(&[[3, 1, 4, 1, 5]])).to_vec())
}

#[test]
fn what_is_saved_is_loaded() {
    for tie_word_embeddings in [true, false] {
        let config = Config { tie_word_embeddings, ..tiny() };
        let (folder, expected) = saved(&config);
        assert_eq!(logits(folder.path()).expect("loaded"), expected);
    }
}

/// Rewrites the weights with other names, in shards or in half precision.
fn rewrite(
    folder: &std::path::Path,
    shards: usize,
    dtype: safetensors::Dtype,
    name: impl Fn(&str) -> String,
) {
    let weights = Weights::open(folder).expect("opened");
    let convert = |x: &f32| match dtype {
        safetensors::Dtype::F16 => half::f16::from_f32(*x).to_le_bytes().to_vec(),
        safetensors::Dtype::BF16 => half::bf16::from_f32(*x).to_le_bytes().to_vec(),
        _ => x.to_le_bytes().to_vec(),
    };
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = weights
        .tensors()
        .map(|(n, shape)| {
            let bytes = weights.read(n).expect("read").iter().flat_map(convert).collect();
            (name(n), shape.to_vec(), bytes)
        })
        .collect();
    fs::remove_file(folder.join("model.safetensors")).expect("removed");
    let mut map = serde_json::Map::new();
    for shard in 0..shards {
        let file =
            if shards == 1 { "model.safetensors".to_owned() } else { format!("model-{shard}.safetensors") };
        let part = tensors.iter().skip(shard).step_by(shards);
        let views = part.map(|(n, shape, bytes)| {
            map.insert(n.clone(), file.clone().into());
            (n.clone(), safetensors::tensor::TensorView::new(dtype, shape.clone(), bytes).expect("a view"))
        });
        safetensors::serialize_to_file(views.collect::<Vec<_>>(), None, &folder.join(&file))
            .expect("written");
    }
    if shards > 1 {
        let index = serde_json::json!({ "metadata": {}, "weight_map": map });
        fs::write(folder.join("model.safetensors.index.json"), index.to_string()).expect("written");
    }
}

#[test]
fn shards_prefixes_and_half_precision_are_read() {
    use safetensors::Dtype::{BF16, F16, F32};
    for (shards, dtype, tolerance) in [(1, F32, 0.0), (3, F32, 0.0), (1, F16, 1e-4), (2, BF16, 2e-3)] {
        let (folder, expected) = saved(&tiny());
        rewrite(folder.path(), shards, dtype, |n| n.trim_start_matches("transformer.").to_owned());
        let found = logits(folder.path()).expect("loaded");
        let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= tolerance, "{shards} shards of {dtype:?}: {worst}");
    }
}

#[test]
fn old_files_with_masks_and_a_tied_copy_are_read() {
    let (folder, expected) = saved(&tiny());
    let weights = Weights::open(folder.path()).expect("opened");
    let wte: Vec<u8> =
        weights.read("transformer.wte.weight").expect("read").iter().flat_map(|x| x.to_le_bytes()).collect();
    let bytes = fs::read(folder.path().join("model.safetensors")).expect("read");
    let old = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut views: Vec<(String, safetensors::tensor::TensorView<'_>)> = old.tensors();
    let view =
        |shape: Vec<usize>, data| safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, data);
    views.push(("lm_head.weight".into(), view(vec![61, 16], &wte).expect("a view")));
    views.push(("transformer.h.0.attn.bias".into(), view(vec![1, 1, 1, 1], &wte[..4]).expect("a view")));
    safetensors::serialize_to_file(views, None, &folder.path().join("model.safetensors")).expect("written");
    assert_eq!(logits(folder.path()).expect("loaded"), expected);
}

#[test]
fn missing_and_unknown_tensors_are_named() {
    let (folder, _) = saved(&tiny());
    rewrite(folder.path(), 1, safetensors::Dtype::F32, |n| n.replace("ln_f.bias", "ln_x.bias"));
    let error = logits(folder.path()).expect_err("a missing tensor").to_string();
    assert!(error.contains("missing 1 tensors: transformer.ln_f.bias"), "{error}");
    let (folder, _) = saved(&Config { n_layer: 3, ..tiny() });
    let text = fs::read_to_string(folder.path().join("config.json")).expect("read");
    fs::write(folder.path().join("config.json"), text.replace("\"n_layer\": 3", "\"n_layer\": 2"))
        .expect("written");
    let error = logits(folder.path()).expect_err("tensors too many").to_string();
    assert!(error.contains("12 tensors have no place in this model: transformer.h.2."), "{error}");
}

#[test]
fn impossible_configurations_name_the_field() {
    let refused = |change: &str| {
        let (folder, _) = saved(&tiny());
        let mut json: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.path().join("config.json")).expect("read"))
                .expect("JSON");
        let change: serde_json::Value = serde_json::from_str(change).expect("JSON");
        for (key, value) in change.as_object().expect("an object") {
            json[key] = value.clone();
        }
        fs::write(folder.path().join("config.json"), json.to_string()).expect("written");
        logits(folder.path()).expect_err("refused").to_string()
    };
    assert_eq!(refused(r#"{"n_head": 3}"#), "config: n_head is 3, expected a divisor of n_embd 16");
    assert!(refused(r#"{"activation_function": "gelo"}"#).contains("activation_function is \"gelo\""));
    assert!(refused(r#"{"resid_pdrop": 1.5}"#).contains("resid_pdrop is 1.5"));
    assert!(refused(r#"{"n_embd": 0}"#).contains("n_embd is 0"));
    assert!(refused(r#"{"add_cross_attention": true}"#).contains("add_cross_attention"));
    assert!(refused(r#"{"model_type": "bert"}"#).contains("model_type is \"bert\""));
    assert!(refused(r#"{"n_embd": "wide"}"#).contains("config.json"));
    assert!(refused(r#"{"n_embd": 32}"#).contains("has shape"));
}

#[test]
fn unknown_fields_survive() {
    let mut config = tiny();
    config.other.insert("my_note".to_owned(), "kept".into());
    let (folder, _) = saved(&config);
    assert_eq!(Config::read(folder.path()).expect("read").other["my_note"], "kept");
}
