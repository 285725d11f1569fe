//! Walks the reference folder and holds every GPT-2 case in it against this crate.

use tercet_attention::{Batch, Padded};
use tercet_gpt2::{
    Config, Gpt2DoubleHeads, Gpt2ForQuestionAnswering, Gpt2ForSequenceClassification,
    Gpt2ForTokenClassification, Gpt2LmHead, InitPreset,
};
use tercet_tensor::ops::{self, Target};
use tercet_tensor::{Params, Tape};

use tercet_reference::{Array, Case, cases, classes, reference, row_of};

/// The real positions of a case's padded input, and their ragged batch.
fn inputs(case: &Case) -> (Padded, Batch) {
    let padded = case.padded();
    let batch = padded.batch(&case.input("input_ids").ids());
    (padded, batch)
}

fn config(case: &Case) -> Config {
    Config::read(&case.folder).expect("a configuration").without_dropout()
}

fn load(case: &Case, config: &Config, params: &Params) {
    let report = config.load_weights(&case.folder, params, 0).expect("weights");
    assert!(report.missing.is_empty() && report.unexpected.is_empty(), "{}: {report:?}", case.name());
}

/// The label of each position's successor, if it has one, over the padded array.
fn successors(labels: &Array) -> Vec<Option<u32>> {
    let length = *labels.shape.last().expect("a length");
    let rows = labels.data.chunks(length);
    rows.flat_map(|row| row[1..].iter().chain([&-100.0]).map(|l| (*l >= 0.0).then_some(*l as u32))).collect()
}

/// The real positions whose successor has a label, weighted for the mean over all labelled positions.
fn shifted(padded: &Padded, labels: &Array) -> Vec<Target> {
    let next = successors(labels);
    let weight = 1.0 / next.iter().flatten().count() as f32;
    let rows = padded.rows().iter().zip(0..);
    rows.filter_map(|(&at, row)| next[at].map(|id| Target { row, id, weight })).collect()
}

/// What padded positions contribute to Hugging Face's mean loss: before a left-padded text there is one that is asked
/// for the first real token. It does not exist here; what it costs is taken from the reference's own logits.
fn loss_of_padding(case: &Case, padded: &Padded, labels: &Array) -> Option<f32> {
    let (logits, next) = (case.output("logits"), successors(labels));
    let vocab = *logits.shape.last().expect("a vocabulary");
    let nll = |(at, id): (usize, &Option<u32>)| {
        let row = &logits.data[at * vocab..][..vocab];
        let id = (*id)?;
        Some(row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[id as usize])
    };
    let padding = next.iter().enumerate().filter(|(at, _)| !padded.rows().contains(at));
    let extra: Vec<f64> = padding.filter_map(nll).collect();
    (!extra.is_empty()).then(|| (extra.iter().sum::<f64>() / next.iter().flatten().count() as f64) as f32)
}

fn lm_head(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let model = Gpt2LmHead::new(&params, &config, InitPreset::Hf);
    load(case, &config, &params);
    let (padded, batch) = inputs(case);
    let off = Tape::off();
    case.compare("logits", &model.logits(&off, &batch), &case.output("logits"), Some(padded.rows()));
    if case.get("out.hidden_states.0").is_some() {
        let states = model.transformer.hidden_states(&off, &batch).states;
        for (i, state) in states.iter().enumerate() {
            let name = format!("hidden_states.{i}");
            case.compare(&name, state, &case.output(&name), Some(padded.rows()));
        }
        assert!(case.get(&format!("out.hidden_states.{}", states.len())).is_none());
    }
    if case.get("out.attentions.0").is_some() {
        for (layer, found) in model.transformer.attentions(&off, &batch).iter().enumerate() {
            case.compare_attentions(&format!("attentions.{layer}"), found, &padded);
        }
    }
    if let Some(labels) = case.get("in.labels") {
        let tape = Tape::train(1);
        let loss = model.loss(&tape, &batch, &shifted(&padded, &labels)).total;
        match loss_of_padding(case, &padded, &labels) {
            Some(extra) => case.compare_loss("loss", loss.item() + extra),
            None => case.finish(&params, &tape, &loss),
        }
    }
    if case.get("out.logits_step_by_step").is_some() {
        cached(case, &model, &config);
    }
}

/// One token at a time, and in chunks of different sizes, through the cache.
fn cached(case: &Case, model: &Gpt2LmHead, config: &Config) {
    let ids = case.input("input_ids");
    let [count, length] = ids.shape[..] else { panic!("ids of shape {:?}", ids.shape) };
    let rows: Vec<Vec<u32>> =
        ids.ids().chunks(length).map(|r| r.iter().map(|i| *i as u32).collect()).collect();
    let expected = case.output("logits_step_by_step");
    let vocab = expected.shape[2];
    for chunks in [vec![1; length], vec![length], vec![5, 1, length - 6]] {
        let mut session = model.session(config, count, length);
        let mut end = 0;
        for chunk in chunks {
            let new: Vec<&[u32]> = rows.iter().map(|r| &r[end..end + chunk]).collect();
            let logits = session.step(&[], &new);
            end += chunk;
            let last: Vec<usize> = (0..count).map(|b| b * length + end - 1).collect();
            assert_eq!(logits.len(), count * vocab);
            case.compare("logits_step_by_step", &logits, &expected, Some(&last));
        }
        for layer in 0..config.n_layer {
            for b in 0..count {
                let (k, v) = session.cache().keys_values(layer, b);
                for (name, found) in [("key", k), ("value", v)] {
                    let expected = case.output(&format!("past.{layer}.{name}"));
                    let [_, heads, length, dim] = expected.shape[..] else { panic!("{:?}", expected.shape) };
                    let at = |t: usize, h: usize, d: usize| ((b * heads + h) * length + t) * dim + d;
                    let order = (0..length)
                        .flat_map(|t| (0..heads).flat_map(move |h| (0..dim).map(move |d| at(t, h, d))));
                    let data = order.map(|i| expected.data[i]).collect();
                    case.compare(name, &found, &Array::flat(data), None);
                }
            }
        }
    }
}

fn double_heads(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let model = Gpt2DoubleHeads::new(&params, &config, InitPreset::Hf);
    load(case, &config, &params);
    let (padded, batch) = inputs(case);
    let mc_ids = case.input("mc_token_ids");
    let [count, choices] = mc_ids.shape[..] else { panic!("mc_token_ids of shape {:?}", mc_ids.shape) };
    let length = *case.input("input_ids").shape.last().expect("a length");
    let mc_rows: Vec<u32> =
        mc_ids.ids().iter().enumerate().map(|(i, t)| row_of(&padded, i * length + *t as usize)).collect();
    let tape = Tape::train(1);
    let out = model.forward(&tape, &batch, &mc_rows);
    case.compare("logits", &model.lm_logits(&out.hidden), &case.output("logits"), Some(padded.rows()));
    case.compare("mc_logits", &out.mc_logits, &case.output("mc_logits"), None);
    let lm = model.lm_loss(&out.hidden, &shifted(&padded, &case.input("labels"))).total;
    let scores = ops::reshape(&out.mc_logits, &[count, choices]);
    let mc = ops::cross_entropy(&scores, &classes(&case.input("mc_labels")));
    case.compare_loss("loss", lm.item());
    case.compare_loss("mc_loss", mc.item());
    tape.backward(&(&lm + &mc));
    case.compare_gradients(&params);
}

fn sequence_classification(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let model = Gpt2ForSequenceClassification::new(&params, &config, InitPreset::Hf);
    load(case, &config, &params);
    let (padded, batch) = inputs(case);
    let ids = case.input("input_ids");
    let length = ids.shape[1];
    let pad = i64::from(config.pad_token_id.expect("a padding id"));
    let rightmost = |(b, row): (usize, &[i64])| {
        let t = row.iter().rposition(|id| *id != pad).expect("a token");
        row_of(&padded, b * length + t)
    };
    let rows: Vec<u32> = ids.ids().chunks(length).enumerate().map(rightmost).collect();
    let tape = Tape::train(1);
    let logits = model.forward(&tape, &batch, &rows);
    case.compare("logits", &logits, &case.output("logits"), None);
    let labels = case.input("labels");
    let floats: Vec<f32> = labels.data.iter().map(|x| *x as f32).collect();
    let weight = 1.0 / logits.len() as f32;
    let loss = match config.other.get("problem_type").and_then(|p| p.as_str()) {
        Some("regression") => ops::mse(&logits, &floats, weight),
        Some("multi_label_classification") => ops::binary_cross_entropy(&logits, &floats, weight),
        _ => ops::cross_entropy(&logits, &classes(&labels)),
    };
    case.finish(&params, &tape, &loss);
}

fn token_classification(case: &Case) {
    let mut config = config(case);
    config.other.insert("classifier_dropout".to_owned(), 0.0.into());
    let params = Params::new();
    let model = Gpt2ForTokenClassification::new(&params, &config, InitPreset::Hf);
    load(case, &config, &params);
    let (padded, batch) = inputs(case);
    let tape = Tape::train(1);
    let logits = model.forward(&tape, &batch);
    case.compare("logits", &logits, &case.output("logits"), Some(padded.rows()));
    let labels = case.input("labels").ids();
    let real = padded.rows().iter().map(|&at| labels[at] as f64).collect();
    let targets = classes(&Array::flat(real));
    case.finish(&params, &tape, &ops::cross_entropy(&logits, &targets));
}

fn question_answering(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let model = Gpt2ForQuestionAnswering::new(&params, &config, InitPreset::Hf);
    load(case, &config, &params);
    let (padded, batch) = inputs(case);
    case.compare_question_answering(&model.forward(&Tape::off(), &batch), &padded);
}

#[test]
fn every_reference_case() {
    let Some(folder) = reference() else { return };
    let mut ran = 0;
    for case in cases(&folder.join("gpt2"), "GPT2") {
        match case.class.as_str() {
            _ if case.name() == "generation" => continue,
            "GPT2LMHeadModel" => lm_head(&case),
            "GPT2DoubleHeadsModel" => double_heads(&case),
            "GPT2ForSequenceClassification" => sequence_classification(&case),
            "GPT2ForTokenClassification" => token_classification(&case),
            "GPT2ForQuestionAnswering" => question_answering(&case),
            other => panic!("{}: no test for class {other}", case.name()),
        }
        println!("{}: {}", case.name(), case.class);
        ran += 1;
    }
    println!("{ran} GPT-2 reference cases ran");
    assert!(ran > 0, "no case below {}", folder.display());
}
