//! Weights through files, and what is said of bad ones.

use std::fs;
use std::path::Path;

use tercet_tensor::{Error, Init, OnMissing, Params, Weights, save_safetensors};

fn model() -> Params {
    let params = Params::new();
    params.root().at("a").param("weight", &[3, 4], Init::Normal { std: 1.0 });
    params.root().at("b").param("bias", &[5], Init::Normal { std: 1.0 });
    params
}

fn same(name: &str) -> Option<String> {
    Some(name.to_owned())
}

fn saved(folder: &Path) -> (Params, std::path::PathBuf) {
    let params = model();
    params.init(1);
    let path = folder.join("model.safetensors");
    save_safetensors(&params, &path, same).expect("written");
    (params, path)
}

#[test]
fn what_is_saved_is_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let (params, path) = saved(folder.path());
    for at in [path.as_path(), folder.path()] {
        let again = model();
        let report = Weights::open(at).expect("opened").load(&again, same, OnMissing::Fail).expect("loaded");
        assert!(report.missing.is_empty() && report.unexpected.is_empty());
        assert_eq!(params.values(), again.values());
    }
}

#[test]
fn names_that_differ_are_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, path) = saved(folder.path());
    let rename = |name: &str| Some(name.replace("b.bias", "c.bias"));
    let weights = Weights::open(&path).expect("opened");
    let report = weights.load(&model(), rename, OnMissing::Init { seed: 3 }).expect("loaded");
    assert_eq!((report.missing, report.unexpected), (vec!["b.bias".to_owned()], vec!["b.bias".to_owned()]));
    let error = weights.load(&model(), rename, OnMissing::Fail).expect_err("b.bias is missing");
    assert!(matches!(&error, Error::Missing { names, .. } if names == &["b.bias"]), "{error}");
}

#[test]
fn a_shape_that_differs_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, path) = saved(folder.path());
    let other = Params::new();
    other.root().at("a").param("weight", &[4, 3], Init::Zeros);
    let error =
        Weights::open(&path).expect("opened").load(&other, same, OnMissing::Fail).expect_err("another shape");
    let text = error.to_string();
    assert!(text.contains("a.weight has shape [3, 4], the model expects [4, 3]"), "{text}");
}

#[test]
fn every_truncation_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, path) = saved(folder.path());
    let whole = fs::read(&path).expect("read");
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).expect("written");
        assert!(Weights::open(&path).is_err(), "{length} of {} bytes", whole.len());
    }
}

#[test]
fn a_header_that_claims_too_much_is_not_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let header = |json: &str, length: u64| {
        fs::write(&path, [&length.to_le_bytes()[..], json.as_bytes()].concat()).expect("written");
        Weights::open(&path).expect_err("a bad header").to_string()
    };
    assert!(header("{}", u64::MAX).contains("claims 18446744073709551615 bytes"));
    let huge = r#"{"w":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,16]}}"#;
    assert!(header(huge, huge.len() as u64).contains("safetensors"));
    let beyond = r#"{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#;
    assert!(header(beyond, beyond.len() as u64).contains("does not fit"));
}
