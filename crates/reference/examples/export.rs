//! Writes model folders with outputs to expect, for `python/check_export.py` to load in Hugging Face transformers.
//!
//! `cargo run -p tercet-reference --example export -- FOLDER`

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use tercet_attention::Batch;
use tercet_bert::{BertBatch, BertForPreTraining};
use tercet_gpt2::{Gpt2LmHead, InitPreset};
use tercet_tensor::{Params, Tape};

const LENGTH: usize = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::args().nth(1).ok_or("usage: export FOLDER")?);
    for (name, tie_word_embeddings) in [("gpt2_tied", true), ("gpt2_untied", false)] {
        gpt2(&root.join(name), tie_word_embeddings)?;
    }
    bert(&root.join("bert"))?;
    println!("wrote gpt2_tied, gpt2_untied and bert to {}", root.display());
    Ok(())
}

fn ids(vocab: u32) -> Vec<u32> {
    (0..LENGTH as u32).map(|i| (i * i * 7 + 3) % vocab).collect()
}

fn gpt2(folder: &Path, tie_word_embeddings: bool) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let config = tercet_gpt2::Config {
        vocab_size: 211,
        n_positions: 32,
        n_embd: 48,
        initializer_range: 0.2,
        tie_word_embeddings,
        ..tercet_gpt2::Preset::Tiny.config()
    };
    let params = Params::new();
    let model = Gpt2LmHead::new(&params, &config, InitPreset::Hf);
    params.init(7);
    config.save(folder, &params, "GPT2LMHeadModel")?;
    let logits = model.logits(&Tape::off(), &Batch::new(&[ids(211)]));
    expect(folder, &ids(211), &[("logits", &logits)])
}

fn bert(folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let config = tercet_bert::Config {
        vocab_size: 211,
        max_position_embeddings: 32,
        hidden_size: 48,
        num_attention_heads: 4,
        intermediate_size: 96,
        initializer_range: 0.2,
        ..tercet_bert::Preset::TINY.config()
    };
    let params = Params::new();
    let model = BertForPreTraining::new(&params, &config);
    params.init(7);
    config.save(folder, &params, "BertForPreTraining")?;
    let rows: Vec<u32> = (0..LENGTH as u32).collect();
    let (masked, next) = model.logits(&Tape::off(), &BertBatch::new(&[ids(211)]), &rows);
    expect(folder, &ids(211), &[("prediction_logits", &masked), ("seq_relationship_logits", &next)])
}

/// Writes the input and the outputs to expect beside the model.
fn expect(folder: &Path, ids: &[u32], outputs: &[(&str, &[f32])]) -> Result<(), Box<dyn Error>> {
    let bytes = |floats: &[f32]| floats.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let mut arrays: HashMap<String, (Dtype, Vec<u8>)> = HashMap::new();
    let id_bytes = ids.iter().flat_map(|id| i64::from(*id).to_le_bytes()).collect();
    arrays.insert("input_ids".to_owned(), (Dtype::I64, id_bytes));
    for (name, values) in outputs {
        arrays.insert((*name).to_owned(), (Dtype::F32, bytes(values)));
    }
    let views = arrays.iter().map(|(name, (dtype, bytes))| {
        let shape = vec![bytes.len() * 8 / dtype.bitsize()];
        TensorView::new(*dtype, shape, bytes).map(|view| (name.clone(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    safetensors::serialize_to_file(views, None, &folder.join("expected.safetensors"))?;
    Ok(())
}
