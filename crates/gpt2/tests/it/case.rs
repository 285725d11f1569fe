//! Reads the cases of the reference folder: inputs, outputs and gradients of the reference implementation.

use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use tercet_tensor::Params;

/// Name and class of a case, and its arrays.
pub struct Case {
    pub folder: PathBuf,
    pub class: String,
    json: Value,
    bytes: Vec<u8>,
}

/// An array of the case, as f64 or i64 converted to it.
pub struct Array {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl Array {
    pub fn ids(&self) -> Vec<i64> {
        self.data.iter().map(|x| *x as i64).collect()
    }
}

/// `$TERCET_REFERENCE`, or the folder beside the workspace; `None`, with a printed line, where it is missing.
pub fn reference() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference");
    let folder = std::env::var_os("TERCET_REFERENCE").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    if !folder.is_dir() {
        println!("skipped: no reference values at {}", folder.display());
        return None;
    }
    Some(folder)
}

/// Every case below `folder` whose class starts with GPT2.
pub fn cases(folder: &Path) -> Vec<Case> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|e| e.expect("an entry").path()).collect(),
        Err(_) => return found,
    };
    entries.sort();
    for entry in entries.into_iter().filter(|e| e.is_dir()) {
        if entry.join("case.json").is_file() && entry.join("config.json").is_file() {
            let case = Case::read(&entry);
            if case.class.starts_with("GPT2") {
                found.push(case);
            }
        } else {
            found.extend(cases(&entry));
        }
    }
    found
}

impl Case {
    fn read(folder: &Path) -> Self {
        let text = std::fs::read(folder.join("case.json")).expect("case.json");
        let json: Value = serde_json::from_slice(&text).expect("JSON");
        let class = json["class"].as_str().unwrap_or_default().to_owned();
        let bytes = std::fs::read(folder.join("case.safetensors")).expect("case.safetensors");
        Self { folder: folder.to_owned(), class, json, bytes }
    }

    pub fn name(&self) -> String {
        self.folder.file_name().expect("a name").to_string_lossy().into_owned()
    }

    pub fn get(&self, name: &str) -> Option<Array> {
        let tensors = SafeTensors::deserialize(&self.bytes).expect("safetensors");
        let tensor = tensors.tensor(name).ok()?;
        let bytes = tensor.data();
        let data = match tensor.dtype() {
            Dtype::F64 => bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
            Dtype::F32 => {
                bytes.as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect()
            }
            Dtype::I64 => bytes.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
            other => panic!("{name} is {other:?}"),
        };
        Some(Array { shape: tensor.shape().to_vec(), data })
    }

    pub fn input(&self, name: &str) -> Array {
        self.get(&format!("in.{name}")).unwrap_or_else(|| panic!("{}: no input {name}", self.name()))
    }

    /// The output in float64.
    pub fn output(&self, name: &str) -> Array {
        self.get(&format!("out.{name}.f64")).unwrap_or_else(|| panic!("{}: no output {name}", self.name()))
    }

    pub fn scalar(&self, name: &str) -> Option<f64> {
        self.json["scalars"][name].as_f64()
    }

    fn tolerance(&self, of: &str, kind: &str) -> f64 {
        self.json["tolerance"][of][kind].as_f64().unwrap_or(0.0)
    }

    /// Compares outputs under the case's own tolerance. `rows` picks the rows of `expected` that `found` holds.
    pub fn compare(&self, what: &str, found: &[f32], expected: &Array, rows: Option<&[usize]>) {
        let width = expected.shape.last().copied().unwrap_or(1).max(1);
        let picked: Vec<f64> = match rows {
            None => expected.data.clone(),
            Some(rows) => rows.iter().flat_map(|r| &expected.data[r * width..][..width]).copied().collect(),
        };
        self.close(what, found, &picked, "float32_outputs");
    }

    fn close(&self, what: &str, found: &[f32], expected: &[f64], of: &str) {
        assert_eq!(found.len(), expected.len(), "{}: {what}", self.name());
        let (atol, rtol) = (self.tolerance(of, "atol"), self.tolerance(of, "rtol"));
        assert!(atol + rtol > 0.0, "{}: no tolerance for {of}", self.name());
        for (i, (f, e)) in found.iter().zip(expected).enumerate() {
            let difference = (f64::from(*f) - e).abs();
            let allowed = atol + rtol * e.abs();
            assert!(difference <= allowed, "{}: {what}[{i}] is {f}, expected {e} ± {allowed}", self.name());
        }
    }

    pub fn compare_loss(&self, name: &str, found: f32) {
        let expected = self.scalar(&format!("{name}.f64")).expect("a loss");
        self.close(name, &[found], &[expected], "float32_loss");
    }

    /// Every gradient that the case holds, and the norm of every gradient.
    pub fn compare_gradients(&self, params: &Params) {
        let norms = self.json["scalars"]["grad_norms.f64"].as_object().expect("gradient norms");
        assert_eq!(norms.len(), params.entries().len(), "{}: parameters", self.name());
        for (name, norm) in norms {
            let found =
                params.grad(name).unwrap_or_else(|| panic!("{}: {name} has no gradient", self.name()));
            if let Some(expected) = self.get(&format!("grad.{name}.f64")) {
                assert_eq!(found.shape(), expected.shape);
                self.close(name, &found, &expected.data, "float32_grads");
            }
            let square: f64 = found.iter().map(|g| f64::from(*g).powi(2)).sum();
            let (expected, length) = (norm.as_f64().expect("a number"), (found.len() as f64).sqrt());
            let allowed = self.tolerance("float32_grads", "atol") * length
                + self.tolerance("float32_grads", "rtol") * expected.abs();
            assert!((square.sqrt() - expected).abs() <= allowed, "{}: norm of {name}", self.name());
        }
    }
}
