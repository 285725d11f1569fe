//! Two trained checkpoints against outputs that another implementation computed from them.

use std::path::Path;

use serde_json::Value;
use tercet_bert::{Bert, BertBatch, BertForPreTraining, Config, Pooler};
use tercet_reference::data;
use tercet_tensor::ops::Target;
use tercet_tensor::{OnMissing, Params, Tape};

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
    let batch = BertBatch::new(&cases.iter().map(|c| ids(&c["input_ids"])).collect::<Vec<_>>());
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
    let cases = cases(&folder, "rxnfp_bert_pretrained.json");
    for case in &cases {
        let batch = BertBatch::new(&[ids(&case["masked_ids"])]);
        let rows = ids(&case["masked_positions"]);
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
