//! Walks the reference folder and holds every T5 case in it against this crate.

use serde_json::Value;
use tercet_attention::{Batch, Padded};
use tercet_reference::{Case, cases, classes, mean, reference, row_of};
use tercet_t5::{
    Config, Direction, InitPreset, T5Batch, T5EncoderModel, T5ForConditionalGeneration,
    T5ForQuestionAnswering, T5ForSequenceClassification, T5ForTokenClassification, relative_position_bucket,
};
use tercet_tensor::ops::{self, LossTerms, Target};
use tercet_tensor::{OnMissing, Params, Tape, Tensor};

const INIT: InitPreset = InitPreset::T5x;

/// The real positions of a case's padded input, and their ragged batch.
fn inputs(case: &Case) -> (Padded, Batch) {
    let padded = case.padded();
    let batch = padded.batch(&case.input("input_ids").ids());
    (padded, batch)
}

fn config(case: &Case) -> Config {
    Config::of_checkpoint(&case.folder).expect("a configuration").without_dropout()
}

fn load(case: &Case, config: &Config, params: &Params) {
    let report = config.load_weights(&case.folder, params, OnMissing::Fail).expect("weights");
    assert!(report.unexpected.is_empty(), "{}: {report:?}", case.name());
}

fn compare_states(case: &Case, side: &str, found: &[Tensor], padded: &Padded) {
    for (i, state) in found.iter().enumerate() {
        let name = format!("{side}hidden_states.{i}");
        case.compare(&name, state, &case.output(&name), Some(padded.rows()));
    }
    assert!(case.get(&format!("out.{side}hidden_states.{}", found.len())).is_none());
}

fn conditional_generation(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let model = T5ForConditionalGeneration::new(&params, &config, INIT);
    load(case, &config, &params);
    let (padded, inputs) = inputs(case);
    let labels = case.input("labels");
    let [count, length] = labels.shape[..] else { panic!("labels of shape {:?}", labels.shape) };
    let labelled: Vec<i64> = labels.ids().iter().map(|l| i64::from(*l != -100)).collect();
    let answers = Padded::from_mask(&labelled, [count, length]);
    let batch = T5Batch::teacher_forced(inputs, answers.batch(&labels.ids()), config.decoder_start());
    assert_eq!(
        batch.decoder_inputs.ids,
        answers.batch(&case.get("out.decoder_input_ids").expect("ids").ids()).ids
    );

    let off = Tape::off();
    case.compare("logits", &model.logits(&off, &batch), &case.output("logits"), Some(answers.rows()));
    let states = model.transformer.hidden_states(&off, &batch);
    compare_states(case, "encoder_", &states.encoder, &padded);
    compare_states(case, "decoder_", &states.decoder, &answers);
    let encoded = model.transformer.encode(&off, &batch.inputs);
    let name = "encoder_last_hidden_state";
    case.compare(name, &encoded, &case.output(name), Some(padded.rows()));

    let attentions = model.transformer.attentions(&off, &batch);
    for (i, found) in attentions.encoder.iter().enumerate() {
        case.compare_attentions(&format!("encoder_attentions.{i}"), found, &padded);
    }
    for (i, found) in attentions.decoder.iter().enumerate() {
        case.compare_attentions(&format!("decoder_attentions.{i}"), found, &answers);
    }
    for (i, found) in attentions.cross.iter().enumerate() {
        case.compare_cross_attentions(&format!("cross_attentions.{i}"), found, &answers, &padded);
    }

    let tape = Tape::train(1);
    let targets = batch.targets(1.0 / batch.labels.len() as f32);
    let loss = model.loss(&tape, &batch, &targets, LossTerms::default()).total;
    case.finish(&params, &tape, &loss);
}

fn encoder(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let model = T5EncoderModel::new(&params.root(), &config, INIT);
    load(case, &config, &params);
    let (padded, inputs) = inputs(case);
    let states = model.hidden_states(&Tape::off(), &inputs);
    assert_eq!(&model.forward(&Tape::off(), &inputs)[..], &states[config.num_layers][..]);
    // Where the mask hides a token inside a text, the distances of the others count it; in a ragged batch that token
    // does not exist. Such a text has nothing to be compared with but its embeddings.
    let width = config.d_model;
    for (range, text) in inputs.sequences.ranges().iter().zip(texts(&padded, &inputs)) {
        let whole = text.last().is_some_and(|last| last - text[0] + 1 == text.len());
        for (i, state) in states.iter().enumerate().take(if whole { states.len() } else { 1 }) {
            let name = format!("hidden_states.{i}");
            let rows = &state[range.start * width..range.end * width];
            case.compare(&name, rows, &case.output(&name), Some(text));
        }
    }
}

/// The positions of each text in the padded array.
fn texts<'a>(padded: &'a Padded, inputs: &Batch) -> Vec<&'a [usize]> {
    inputs.sequences.ranges().iter().map(|range| &padded.rows()[range.clone()]).collect()
}

fn sequence_classification(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let model = T5ForSequenceClassification::new(&params, &config, INIT);
    load(case, &config, &params);
    let (padded, inputs) = inputs(case);
    let ids = case.input("input_ids");
    let length = ids.shape[1];
    let eos = i64::from(config.eos_token_id.expect("an end id"));
    let last = |(b, row): (usize, &[i64])| {
        row_of(&padded, b * length + row.iter().rposition(|id| *id == eos).expect("an end"))
    };
    let rows: Vec<u32> = ids.ids().chunks(length).enumerate().map(last).collect();
    assert_eq!(rows, T5ForSequenceClassification::last_rows(&inputs));
    let tape = Tape::train(1);
    let logits = model.forward(&tape, &inputs, &rows);
    case.compare("logits", &logits, &case.output("logits"), None);
    case.finish(&params, &tape, &ops::cross_entropy(&logits, &classes(&case.input("labels"))));
}

fn token_classification(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let model = T5ForTokenClassification::new(&params, &config, INIT);
    load(case, &config, &params);
    let (padded, inputs) = inputs(case);
    let tape = Tape::train(1);
    let logits = model.forward(&tape, &inputs);
    case.compare("logits", &logits, &case.output("logits"), Some(padded.rows()));
    let labels = case.input("labels").ids();
    let rows = padded.rows().iter().zip(0..).filter(|(at, _)| labels[**at] != -100);
    let targets = mean(rows.map(|(&at, row)| Target { row, id: labels[at] as u32, weight: 1.0 }).collect());
    case.finish(&params, &tape, &ops::cross_entropy(&logits, &targets));
}

fn question_answering(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let model = T5ForQuestionAnswering::new(&params, &config, INIT);
    load(case, &config, &params);
    let (padded, inputs) = inputs(case);
    case.compare_question_answering(&model.forward(&Tape::off(), &inputs), &padded);
}

#[test]
fn every_reference_case() {
    let Some(folder) = reference() else { return };
    let mut ran = 0;
    for case in cases(&folder.join("t5"), "T5") {
        match case.class.as_str() {
            "T5ForConditionalGeneration" if case.get("in.labels").is_none() => continue,
            "T5ForConditionalGeneration" => conditional_generation(&case),
            "T5EncoderModel" => encoder(&case),
            "T5ForSequenceClassification" => sequence_classification(&case),
            "T5ForTokenClassification" => token_classification(&case),
            "T5ForQuestionAnswering" => question_answering(&case),
            other => panic!("{}: no test for class {other}", case.name()),
        }
        println!("{}: {}", case.name(), case.class);
        ran += 1;
    }
    println!("{ran} T5 reference cases ran");
    assert!(ran > 0, "no case below {}", folder.display());
}

#[test]
fn every_bucket_is_the_original_one() {
    let Some(folder) = reference() else { return };
    let text = std::fs::read(folder.join("t5/relative_position_buckets.json")).expect("buckets");
    let json: Value = serde_json::from_slice(&text).expect("JSON");
    let integers = |value: &Value| -> Vec<i64> { serde_json::from_value(value.clone()).expect("integers") };
    let tables = json["tables"].as_array().expect("tables");
    for table in tables {
        let size = |name: &str| table[name].as_u64().expect("a number") as usize;
        let both = table["bidirectional"].as_bool().expect("a truth value");
        let direction = if both { Direction::Both } else { Direction::Past };
        for (distance, expected) in integers(&json["distances"]).into_iter().zip(integers(&table["buckets"]))
        {
            let (buckets, farthest) = (size("num_buckets"), size("max_distance"));
            let found = relative_position_bucket(distance as isize, direction, buckets, farthest);
            assert_eq!(found as i64, expected, "{distance}, {direction:?}, {buckets}, {farthest}");
        }
    }
    println!("{} tables of buckets", tables.len());
}
