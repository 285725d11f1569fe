//! Two trained checkpoints against outputs that another implementation computed from them.

use std::path::Path;

use serde_json::Value;
use tercet_bert::{
    Bert, BertBatch, BertForPreTraining, Config, FeatureExtractor, Layers, Pooler, Pooling, Scale, Sequence,
};
use tercet_reference::data;
use tercet_tensor::ops::Target;
use tercet_tensor::{OnMissing, Params, Tape};
use tercet_tokenizer::{Special, Tokenizer};

/// What a token is in the formulas of chemical reactions.
const SMILES: &str = r"(\%\([0-9]{3}\)|\[[^\]]+]|Br?|Cl?|N|O|S|P|F|I|b|c|n|o|s|p|\||\(|\)|\.|=|#|-|\+|\\|\/|:|~|@|\?|>>?|\*|\$|\%[0-9]{2}|[0-9])";

fn cases(folder: &Path, name: &str) -> Vec<Value> {
    let text = std::fs::read(folder.join("reference").join(name)).expect("reference outputs");
    let json: Value = serde_json::from_slice(&text).expect("JSON");
    json["cases"].as_array().expect("cases").clone()
}

fn floats(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(floats).collect(),
        other => vec![other.as_f64().expect("a number")],
    }
}

fn ids(value: &Value) -> Vec<u32> {
    floats(value).into_iter().map(|x| x as u32).collect()
}

fn close(what: &str, found: &[f32], expected: &[f64], atol: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (f, e) in found.iter().zip(expected) {
        assert!((f64::from(*f) - e).abs() <= atol + 1e-4 * e.abs(), "{what}: {f}, expected {e}");
    }
}

#[test]
fn sentence_embeddings_of_minilm() {
    let Some(folder) = data() else { return };
    let model = folder.join("models/all-MiniLM-L6-v2-f16");
    let (config, params) = (Config::read(&model).expect("a configuration"), Params::new());
    let bert = Bert::new(&params.root(), &config);
    let pooler = Pooler::new(&params.root().at("pooler"), &config);
    config.load_weights(&model, &params, OnMissing::Fail).expect("weights");
    let cases = cases(&folder, "all_minilm_l6_v2.json");
    // All sentences as one ragged batch.
    let tokenizer = Tokenizer::open(&model).expect("a tokenizer");
    let encode = |case: &Value| {
        let text = case["text"].as_str().expect("a text");
        let found = tokenizer.encode(text, Special::With).expect("encodes");
        assert_eq!(found, ids(&case["input_ids"]), "{text:?}");
        found
    };
    let batch = BertBatch::new(&cases.iter().map(encode).collect::<Vec<_>>());
    let hidden = bert.forward(&Tape::off(), &batch);
    let pooled = pooler.forward(&hidden, &batch);
    let width = config.hidden_size;
    for (i, (case, range)) in cases.iter().zip(batch.sequences.ranges()).enumerate() {
        let rows = &hidden[range.start * width..range.end * width];
        close("cls", &rows[..width], &floats(&case["last_hidden_cls_f16"]), 2e-5);
        close("pooler", &pooled[i * width..][..width], &floats(&case["pooler_output_f16"]), 2e-5);
        let mut mean: Vec<f32> = (0..width)
            .map(|c| rows.iter().skip(c).step_by(width).sum::<f32>() / range.len() as f32)
            .collect();
        let norm = mean.iter().map(|x| x * x).sum::<f32>().sqrt();
        mean.iter_mut().for_each(|x| *x /= norm);
        close("embedding", &mean, &floats(&case["embedding_f16"]), 2e-6);
    }
    println!("{} sentences", cases.len());
}

#[test]
fn masked_lm_and_next_sentence_of_rxnfp() {
    let Some(folder) = data() else { return };
    let path = folder.join("models/rxnfp-bert-pretrained");
    let (config, params) = (Config::read(&path).expect("a configuration"), Params::new());
    let model = BertForPreTraining::new(&params, &config);
    let report = config.load_weights(&path, &params, OnMissing::Fail).expect("weights");
    assert!(report.unexpected.is_empty(), "{report:?}");
    let tokenizer = Tokenizer::from_vocab_and_pattern(path.join("vocab.txt"), SMILES).expect("a tokenizer");
    let cases = cases(&folder, "rxnfp_bert_pretrained.json");
    for case in &cases {
        let rows = ids(&case["masked_positions"]);
        let mut masked =
            tokenizer.encode(case["reaction"].as_str().expect("a reaction"), Special::With).expect("encodes");
        let mask = tokenizer.token_to_id("[MASK]").expect("a mask");
        rows.iter().for_each(|&row| masked[row as usize] = mask);
        assert_eq!(masked, ids(&case["masked_ids"]));
        let batch = BertBatch::new(&[masked]);
        let (masked, next) = model.logits(&Tape::off(), &batch, &rows);
        close("mlm", &masked, &floats(&case["mlm_logits_at_masked"]), 2e-4);
        close("nsp", &next, &floats(&case["nsp_logits"]), 2e-4);
        let original = ids(&case["ids"]);
        let weight = 1.0 / rows.len() as f32;
        let target = |&row: &u32| Target { row, id: original[row as usize], weight };
        let targets: Vec<Target> = rows.iter().map(target).collect();
        let loss = model.loss(&Tape::off(), &batch, &targets, &[Target { row: 0, id: 1, weight: 1.0 }]);
        close("loss", &[loss.masked.total.item()], &floats(&case["mlm_loss_mean_over_masked"]), 1e-5);
    }
    println!("{} reactions", cases.len());
}

#[test]
fn what_the_extractor_gives_is_what_the_layers_hold() {
    let Some(folder) = data() else { return };
    let model = folder.join("models/all-MiniLM-L6-v2-f16");
    let (bert, tokenizer) =
        (FeatureExtractor::open(&model).expect("a model"), Tokenizer::open(&model).unwrap());
    let cases = cases(&folder, "all_minilm_l6_v2.json");
    let text = |case: &Value| tokenizer.encode(case["text"].as_str().unwrap(), Special::With).unwrap();
    let texts: Vec<Sequence> = cases.iter().map(text).map(Sequence::single).collect();
    let vectors = |pooling, scale| bert.vectors(&texts, pooling, scale, |_| ()).expect("vectors").to_vec();
    let stored = |name: &str| cases.iter().flat_map(|case| floats(&case[name])).collect::<Vec<f64>>();
    close("cls", &vectors(Pooling::Cls(Layers::Last), Scale::AsIs), &stored("last_hidden_cls_f16"), 2e-5);
    close("pooler", &vectors(Pooling::Pooler, Scale::AsIs), &stored("pooler_output_f16"), 2e-5);
    let mean = vectors(Pooling::Mean(Layers::Last), Scale::Unit);
    close("embedding", &mean, &stored("embedding_f16"), 2e-6);
    assert_eq!(vectors(Pooling::Mean(Layers::Concatenated(1)), Scale::Unit), mean);
    assert_eq!(vectors(Pooling::Mean(Layers::Summed(1)), Scale::Unit), mean);
    // Two layers beside each other: the last is the second half; their sum is the sum of the halves.
    let plain = vectors(Pooling::Cls(Layers::Last), Scale::AsIs);
    let two = vectors(Pooling::Cls(Layers::Concatenated(2)), Scale::AsIs);
    let sum = vectors(Pooling::Cls(Layers::Summed(2)), Scale::AsIs);
    for ((two, sum), last) in two.chunks_exact(768).zip(sum.chunks_exact(384)).zip(plain.chunks_exact(384)) {
        assert_eq!(&two[384..], last);
        assert!((0..384).all(|i| sum[i] == two[i] + two[384 + i]));
    }
    // Every text alone gives the bits that it gives among others.
    for (text, vector) in texts.iter().zip(mean.chunks_exact(384)) {
        let alone =
            bert.vectors(std::slice::from_ref(text), Pooling::Mean(Layers::Last), Scale::Unit, |_| ());
        assert_eq!(alone.expect("a vector").to_vec(), vector);
    }
    let refused = |pooling| bert.width(pooling).unwrap_err().to_string();
    let eight = "8 layers asked for, the model has 1 to 7 with its embeddings";
    assert_eq!(refused(Pooling::Mean(Layers::Summed(8))), eight);
}
