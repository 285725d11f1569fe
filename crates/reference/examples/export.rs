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
use tercet_generate::{EarlyStopping, GenerationConfig, generate};
use tercet_gpt2::{Gpt2LmHead, InitPreset};
use tercet_t5::{T5Batch, T5ForConditionalGeneration, Version};
use tercet_tensor::{Params, Tape};

const LENGTH: usize = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::args().nth(1).ok_or("usage: export FOLDER")?);
    for (name, tie_word_embeddings) in [("gpt2_tied", true), ("gpt2_untied", false)] {
        gpt2(&root.join(name), tie_word_embeddings)?;
    }
    bert(&root.join("bert"))?;
    for (name, version) in [("t5_tied", Version::V1_0), ("t5_untied", Version::V1_1)] {
        t5(&root.join(name), version)?;
    }
    println!("wrote gpt2_tied, gpt2_untied, bert, t5_tied and t5_untied to {}", root.display());
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
    expect(folder, &[("input_ids", &ids(211))], &[("logits", &logits)])
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
    let outputs: [(&str, &[f32]); 2] = [("prediction_logits", &masked), ("seq_relationship_logits", &next)];
    expect(folder, &[("input_ids", &ids(211))], &outputs)
}

fn t5(folder: &Path, version: Version) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let config = tercet_t5::Config {
        vocab_size: 211,
        d_model: 48,
        d_kv: 20,
        d_ff: 96,
        initializer_factor: 1.5,
        ..tercet_t5::Preset::Tiny.config(version)
    };
    let params = Params::new();
    let model = T5ForConditionalGeneration::new(&params, &config, tercet_t5::InitPreset::T5x);
    params.init(7);
    config.save(folder, &params, "T5ForConditionalGeneration")?;
    let batch = T5Batch::new(&[ids(211)], &[[5, 80, 7, 1]], config.decoder_start());
    let logits = model.logits(&Tape::off(), &batch);

    // The settings of `check_export.py`, so that both sides search alike.
    let search = GenerationConfig {
        num_beams: 4,
        num_return_sequences: 4,
        max_new_tokens: Some(10),
        length_penalty: 0.6,
        early_stopping: EarlyStopping::AtEnoughFinished,
        eos_token_id: vec![1],
        ..GenerationConfig::default()
    };
    let mut session = model.session(&config, &batch.inputs, 16);
    let found = generate(|s| session.step(s.parents, s.ids), &[[config.decoder_start()]], &search)?;
    let beams: Vec<u32> = found.into_iter().flatten().flat_map(|output| output.ids).collect();
    let decoder = &batch.decoder_inputs.ids;
    let ids: [(&str, &[u32]); 3] =
        [("input_ids", &batch.inputs.ids), ("decoder_input_ids", decoder), ("beams", &beams)];
    expect(folder, &ids, &[("logits", &logits)])
}

/// Writes ids and the outputs to expect beside the model.
fn expect(folder: &Path, ids: &[(&str, &[u32])], outputs: &[(&str, &[f32])]) -> Result<(), Box<dyn Error>> {
    let bytes = |floats: &[f32]| floats.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let mut arrays: HashMap<String, (Dtype, Vec<u8>)> = HashMap::new();
    for (name, ids) in ids {
        let bytes = ids.iter().flat_map(|id| i64::from(*id).to_le_bytes()).collect();
        arrays.insert((*name).to_owned(), (Dtype::I64, bytes));
    }
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
