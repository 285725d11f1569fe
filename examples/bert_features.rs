//! The features of a text from a BERT, out of a Hugging Face folder.
//!
//! `cargo run -p tercet-examples --bin bert_features [FOLDER]`; without a folder, an untrained model is made to be loaded.

use std::error::Error;
use std::path::{Path, PathBuf};

use tercet_bert::{Bert, BertBatch, Config, FeatureExtractor, Layers, Pooling, Preset, Scale, Sequence};
use tercet_tensor::Params;
use tercet_tokenizer::{Special, Tokenizer, Training};

const TEXT: &str = "The cat sat on the mat, and the dog on the log.";

fn main() -> Result<(), Box<dyn Error>> {
    let made = tempfile::tempdir()?;
    let folder = match std::env::args().nth(1) {
        Some(folder) => PathBuf::from(folder),
        None => make_model(made.path())?,
    };

    // The four lines.
    let bert = FeatureExtractor::open(&folder)?;
    let tokenizer = Tokenizer::open(&folder)?;
    let text = Sequence::single(tokenizer.encode(TEXT, Special::With)?);
    let features = bert.tokens(&BertBatch::of([&text])); // (N, C)

    println!("{} tokens, {} features each", features.rows(), features.cols());

    // One vector for each of many texts, whose dot products are cosines.
    let texts = [TEXT, "A cat lay upon a mat.", "Dividends rose by three per cent."];
    let ids = tokenizer.encode_batch(&texts, Special::With)?;
    let sequences: Vec<Sequence> = ids.into_iter().map(Sequence::single).collect();
    let vectors = bert.vectors(&sequences, Pooling::Mean(Layers::Last), Scale::Unit, |_| ())?;
    let rows: Vec<&[f32]> = vectors.chunks_exact(vectors.cols()).collect();
    let cosine = |other: &[f32]| rows[0].iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
    for (text, row) in texts.iter().zip(&rows).skip(1) {
        println!("cosine {:.3} to {text:?}", cosine(row));
    }
    println!("to itself {:.3}", cosine(rows[0]));
    Ok(())
}

/// An untrained model with its tokenizer, as a folder that Hugging Face's transformers would load too.
fn make_model(folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let tokenizer = Training::word_piece(100).run([TEXT].iter())?;
    let config = Config { vocab_size: tokenizer.vocab_size(), ..Preset::TINY.config() };
    let params = Params::new();
    Bert::new(&params.root(), &config);
    params.init(0);
    config.save(folder, &params, "BertModel")?;
    tokenizer.save(folder)?;
    Ok(folder.to_owned())
}
