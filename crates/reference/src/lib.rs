#![doc = include_str!("../README.md")]

use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use tercet_attention::Padded;
use tercet_tensor::ops::Target;
use tercet_tensor::{Params, Tape, Tensor};

/// Name and class of a case, and its arrays.
pub struct Case {
    /// Where it lies.
    pub folder: PathBuf,
    /// The reference implementation's class, such as `GPT2LMHeadModel`.
    pub class: String,
    json: Value,
    bytes: Vec<u8>,
}

/// An array of the case, in f64 whatever it is stored as.
pub struct Array {
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// The elements, row-major.
    pub data: Vec<f64>,
}

impl Array {
    /// The same elements without a shape of their own.
    pub fn flat(data: Vec<f64>) -> Self {
        Self { shape: vec![1], data }
    }

    /// The elements as whole numbers.
    pub fn ids(&self) -> Vec<i64> {
        self.data.iter().map(|x| *x as i64).collect()
    }
}

/// `$TERCET_REFERENCE`, or the folder beside the workspace; `None`, with a printed line, where it is missing.
pub fn reference() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference");
    let folder = std::env::var_os("TERCET_REFERENCE").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    existing(folder, "reference values")
}

/// The folder of real data beside the workspace; `None`, with a printed line, where it is missing.
pub fn data() -> Option<PathBuf> {
    existing(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")), "data")
}

fn existing(folder: PathBuf, what: &str) -> Option<PathBuf> {
    if !folder.is_dir() {
        println!("skipped: no {what} at {}", folder.display());
        return None;
    }
    Some(folder)
}

/// Every case below `folder` whose class starts with `family`.
pub fn cases(folder: &Path, family: &str) -> Vec<Case> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|e| e.expect("an entry").path()).collect(),
        Err(_) => return found,
    };
    entries.sort();
    for entry in entries.into_iter().filter(|e| e.is_dir()) {
        if entry.join("case.json").is_file() && entry.join("config.json").is_file() {
            let case = Case::read(&entry);
            if case.class.starts_with(family) {
                found.push(case);
            }
        } else {
            found.extend(cases(&entry, family));
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

    /// The name of its folder.
    pub fn name(&self) -> String {
        self.folder.file_name().expect("a name").to_string_lossy().into_owned()
    }

    /// An array by its full name.
    ///
    /// # Panics
    /// When it is stored in a type that no case uses.
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

    /// The input `in.NAME`.
    ///
    /// # Panics
    /// When there is none.
    pub fn input(&self, name: &str) -> Array {
        self.get(&format!("in.{name}")).unwrap_or_else(|| panic!("{}: no input {name}", self.name()))
    }

    /// The output `out.NAME` in float64.
    ///
    /// # Panics
    /// When there is none.
    pub fn output(&self, name: &str) -> Array {
        self.get(&format!("out.{name}.f64")).unwrap_or_else(|| panic!("{}: no output {name}", self.name()))
    }

    /// A scalar of case.json.
    pub fn scalar(&self, name: &str) -> Option<f64> {
        self.json["scalars"][name].as_f64()
    }

    fn tolerance(&self, of: &str, kind: &str) -> f64 {
        self.json["tolerance"][of][kind].as_f64().unwrap_or(0.0)
    }

    /// Compares outputs under the case's own tolerance. `rows` picks the rows of `expected` that `found` holds.
    ///
    /// # Panics
    /// When an element is too far off, with its index and both values.
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

    /// Compares a loss with the scalar `name`.
    ///
    /// # Panics
    /// When it is too far off.
    pub fn compare_loss(&self, name: &str, found: f32) {
        let expected = self.scalar(&format!("{name}.f64")).expect("a loss");
        self.close(name, &[found], &[expected], "float32_loss");
    }

    /// Compares every gradient that the case holds, and the norm of every gradient.
    ///
    /// # Panics
    /// When one is too far off, or the parameters are not those of the case.
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

    /// Runs the backward pass of `loss` after comparing it with the scalar `loss`, then compares the gradients.
    ///
    /// # Panics
    /// When something is too far off.
    pub fn finish(&self, params: &Params, tape: &Tape, loss: &Tensor) {
        self.compare_loss("loss", loss.item());
        tape.backward(loss);
        self.compare_gradients(params);
    }

    /// The real positions of the padded inputs `in.input_ids`, which may have more than two dimensions.
    ///
    /// # Panics
    /// When there are none.
    pub fn padded(&self) -> Padded {
        let ids = self.input("input_ids");
        let length = *ids.shape.last().expect("a length");
        let shape = [ids.data.len() / length, length];
        match self.get("in.attention_mask") {
            Some(mask) => Padded::from_mask(&mask.ids(), shape),
            None => Padded::full(shape),
        }
    }

    /// Compares attention probabilities (heads, T, T) of each sequence with `out.NAME` (B, heads, T, T), at the real
    /// positions.
    ///
    /// # Panics
    /// When one is too far off.
    pub fn compare_attentions(&self, name: &str, found: &[Vec<f32>], padded: &Padded) {
        self.compare_cross_attentions(name, found, padded, padded);
    }

    /// Compares attention probabilities (heads, Tq, Tk) of each sequence with `out.NAME` (B, heads, Tq, Tk), at the real
    /// positions of queries and keys.
    ///
    /// # Panics
    /// When one is too far off.
    pub fn compare_cross_attentions(&self, name: &str, found: &[Vec<f32>], queries: &Padded, keys: &Padded) {
        let expected = self.output(name);
        let [_, heads, tq, tk] = expected.shape[..] else { panic!("{name} of shape {:?}", expected.shape) };
        let real = |padded: &Padded, b: usize, length: usize| -> Vec<usize> {
            let inside = padded.rows().iter().filter(|at| **at / length == b);
            inside.map(|at| at % length).collect()
        };
        for (b, found) in found.iter().enumerate() {
            let (queries, keys) = (&real(queries, b, tq), &real(keys, b, tk));
            let at = |h: usize, i: usize, j: usize| expected.data[((b * heads + h) * tq + i) * tk + j];
            let pairs = (0..heads)
                .flat_map(|h| queries.iter().flat_map(move |&i| keys.iter().map(move |&j| at(h, i, j))));
            self.compare(name, found, &Array::flat(pairs.collect()), None);
        }
    }

    /// The loss of a question-answering head, (start + end)/2, from `logits` (N, 2) of the real positions, compared with
    /// the case. Hugging Face takes its softmax over padded positions as well, which a ragged batch does not have: they
    /// are filled in from the reference, and gradients are not compared.
    ///
    /// # Panics
    /// When something is too far off.
    pub fn compare_question_answering(&self, logits: &Tensor, padded: &Padded) {
        let tape = Tape::off();
        let mut total = 0.0;
        for (column, name) in ["start", "end"].into_iter().enumerate() {
            let expected = self.output(&format!("{name}_logits"));
            let [count, length] = expected.shape[..] else {
                panic!("{name}_logits of shape {:?}", expected.shape)
            };
            let found: Vec<f32> = logits.chunks_exact(2).map(|row| row[column]).collect();
            let real = padded.rows().iter().map(|&at| expected.data[at]).collect();
            self.compare(name, &found, &Array::flat(real), None);
            let mut whole: Vec<f32> = expected.data.iter().map(|x| *x as f32).collect();
            padded.rows().iter().zip(&found).for_each(|(&at, f)| whole[at] = *f);
            // A position beyond the last is clamped to the length, and the length itself is ignored.
            let positions = self.input(&format!("{name}_positions")).ids();
            let kept = positions.iter().map(|p| if *p >= length as i64 { -100.0 } else { *p as f64 });
            let targets = classes(&Array::flat(kept.collect()));
            total +=
                tercet_tensor::ops::cross_entropy(&tape.constant(&[count, length], whole), &targets).item();
        }
        self.compare_loss("loss", total / 2.0);
    }
}

/// Targets for the labels that are not −100, weighted for their mean.
pub fn classes(labels: &Array) -> Vec<Target> {
    let known = labels.ids().into_iter().enumerate().filter(|(_, l)| *l != -100);
    mean(known.map(|(row, l)| Target { row: row as u32, id: l as u32, weight: 1.0 }).collect())
}

/// The targets with equal weights that add up to 1.
pub fn mean(mut targets: Vec<Target>) -> Vec<Target> {
    let weight = 1.0 / targets.len() as f32;
    targets.iter_mut().for_each(|t| t.weight = weight);
    targets
}

/// The ragged row of position b·T + t.
///
/// # Panics
/// When that position is padding.
pub fn row_of(padded: &Padded, position: usize) -> u32 {
    padded.rows().iter().position(|&at| at == position).expect("a real position") as u32
}
