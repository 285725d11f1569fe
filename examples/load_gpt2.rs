//! The features of a text, from a Hugging Face folder.
//!
//! `cargo run -p tercet-examples --bin load_gpt2 [FOLDER]`; without a folder, an untrained model is made to be loaded.

use std::error::Error;
use std::path::{Path, PathBuf};

use tercet_attention::Batch;
use tercet_gpt2::{Config, Gpt2LmHead, InitPreset, Preset};
use tercet_tensor::{Params, Tape};
use tercet_tokenizer::{Special, Tokenizer, Training};

const TEXT: &str = "The cat sat on the mat, and the dog on the log.";

fn main() -> Result<(), Box<dyn Error>> {
    let made = tempfile::tempdir()?;
    let folder = match std::env::args().nth(1) {
        Some(folder) => PathBuf::from(folder),
        None => make_model(made.path())?,
    };

    // The four lines.
    let loaded = Gpt2LmHead::load(&folder)?;
    let tokenizer = Tokenizer::open(&folder)?;
    let ids = tokenizer.encode(TEXT, Special::Without)?;
    let features = loaded.model.transformer.forward(&Tape::off(), &Batch::new(&[ids])); // (N, C)

    println!("{} tokens, {} features each", features.rows(), features.cols());
    let mean_square = features.iter().map(|x| x * x).sum::<f32>() / features.len() as f32;
    println!("root mean square {:.3}", mean_square.sqrt());
    Ok(())
}

/// An untrained model with its tokenizer, as a folder that Hugging Face's transformers would load too.
fn make_model(folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let tokenizer = Training::byte_level_bpe(280).run([TEXT].iter())?;
    let config = Config { vocab_size: tokenizer.vocab_size(), n_positions: 64, ..Preset::Tiny.config() };
    let params = Params::new();
    Gpt2LmHead::new(&params, &config, InitPreset::Hf);
    params.init(0);
    config.save(folder, &params, "GPT2LMHeadModel")?;
    tokenizer.save(folder)?;
    Ok(folder.to_owned())
}
