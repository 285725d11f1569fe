//! Walks the reference folder and holds every BERT case in it against this crate.

use tercet_attention::Padded;
use tercet_bert::{
    Bert, BertBatch, BertForMaskedLm, BertForMultipleChoice, BertForNextSentencePrediction,
    BertForPreTraining, BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification,
    Config, Pooler,
};
use tercet_reference::{Array, Case, cases, classes, mean, reference};
use tercet_tensor::ops::{self, Target};
use tercet_tensor::{OnMissing, Params, Tape, Tensor};

fn inputs(case: &Case) -> (Padded, BertBatch) {
    let (padded, ids) = (case.padded(), case.input("input_ids").ids());
    let types = case.get("in.token_type_ids").map_or_else(|| vec![0; ids.len()], |t| t.ids());
    let batch = BertBatch::padded(&padded, &ids, &types);
    (padded, batch)
}

fn config(case: &Case) -> Config {
    Config::read(&case.folder).expect("a configuration").without_dropout()
}

fn load(case: &Case, config: &Config, params: &Params) {
    let report = config.load_weights(&case.folder, params, OnMissing::Fail).expect("weights");
    assert!(report.unexpected.is_empty(), "{}: {report:?}", case.name());
}

/// The real positions that have a label.
fn labelled(padded: &Padded, labels: &Array) -> Vec<Target> {
    let labels = labels.ids();
    let rows = padded.rows().iter().zip(0..).filter(|(at, _)| labels[**at] != -100);
    mean(rows.map(|(&at, row)| Target { row, id: labels[at] as u32, weight: 1.0 }).collect())
}

fn all_rows(batch: &BertBatch) -> Vec<u32> {
    (0..batch.ids.len() as u32).collect()
}

fn encoder(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let bert = Bert::new(&params.root(), &config);
    let pooler = Pooler::new(&params.root().at("pooler"), &config);
    load(case, &config, &params);
    let (padded, batch) = inputs(case);
    let tape = Tape::off();
    let output = bert.hidden_states(&tape, &batch);
    case.compare("last_hidden_state", output.last(), &case.output("last_hidden_state"), Some(padded.rows()));
    assert_eq!(&bert.forward(&tape, &batch)[..], &output.last()[..]);
    if case.get("out.hidden_states.0").is_some() {
        for (i, state) in output.hidden_states.iter().enumerate() {
            let name = format!("hidden_states.{i}");
            case.compare(&name, state, &case.output(&name), Some(padded.rows()));
        }
    }
    if case.get("out.attentions.0").is_some() {
        for (layer, found) in bert.attentions(&tape, &batch).iter().enumerate() {
            case.compare_attentions(&format!("attentions.{layer}"), found, &padded);
        }
    }
    let pool = |prefix: &str, hidden: &Tensor, batch: &BertBatch| {
        // The pooler reads the first position of the padded array: where that is padding there is nothing to compare.
        let expected = case.output(&format!("{prefix}pooler_output"));
        let (width, length) = (config.hidden_size, *case.input("input_ids").shape.last().expect("a length"));
        for (b, found) in pooler.forward(hidden, batch).chunks_exact(width).enumerate() {
            if padded.rows().contains(&(b * length)) {
                case.compare("pooler_output", found, &expected, Some(&[b]));
            }
        }
    };
    pool("", output.last(), &batch);
    if let Some(positions) = case.get("in.position_ids") {
        let positions = positions.ids();
        let positions = padded.rows().iter().map(|at| positions[at % positions.len()] as u32).collect();
        let placed = BertBatch { positions, ..batch };
        let hidden = bert.forward(&tape, &placed);
        let expected = case.output("with_position_ids.last_hidden_state");
        case.compare("with_position_ids", &hidden, &expected, Some(padded.rows()));
        pool("with_position_ids.", &hidden, &placed);
    }
}

fn pretraining(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let model = BertForPreTraining::new(&params, &config);
    load(case, &config, &params);
    let (padded, batch) = inputs(case);
    let (masked, next) = model.logits(&Tape::off(), &batch, &all_rows(&batch));
    case.compare("prediction_logits", &masked, &case.output("prediction_logits"), Some(padded.rows()));
    case.compare("seq_relationship_logits", &next, &case.output("seq_relationship_logits"), None);
    let tape = Tape::train(1);
    let targets = labelled(&padded, &case.input("labels"));
    let loss = model.loss(&tape, &batch, &targets, &classes(&case.input("next_sentence_label")));
    case.finish(&params, &tape, &(&loss.masked.total + &loss.next_sentence));
}

fn masked_lm(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let model = BertForMaskedLm::new(&params, &config);
    load(case, &config, &params);
    let (padded, batch) = inputs(case);
    let logits = model.logits(&Tape::off(), &batch, &all_rows(&batch));
    case.compare("logits", &logits, &case.output("logits"), Some(padded.rows()));
    let tape = Tape::train(1);
    case.finish(&params, &tape, &model.loss(&tape, &batch, &labelled(&padded, &case.input("labels"))).total);
}

fn next_sentence(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let model = BertForNextSentencePrediction::new(&params, &config);
    load(case, &config, &params);
    let tape = Tape::train(1);
    let logits = model.forward(&tape, &inputs(case).1);
    case.compare("logits", &logits, &case.output("logits"), None);
    case.finish(&params, &tape, &ops::cross_entropy(&logits, &classes(&case.input("labels"))));
}

fn sequence_classification(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let model = BertForSequenceClassification::new(&params, &config);
    load(case, &config, &params);
    let tape = Tape::train(1);
    let logits = model.forward(&tape, &inputs(case).1);
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

fn multiple_choice(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let model = BertForMultipleChoice::new(&params, &config);
    load(case, &config, &params);
    let tape = Tape::train(1);
    let logits = model.forward(&tape, &inputs(case).1, case.input("input_ids").shape[1]);
    case.compare("logits", &logits, &case.output("logits"), None);
    case.finish(&params, &tape, &ops::cross_entropy(&logits, &classes(&case.input("labels"))));
}

fn token_classification(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let model = BertForTokenClassification::new(&params, &config);
    load(case, &config, &params);
    let (padded, batch) = inputs(case);
    let tape = Tape::train(1);
    let logits = model.forward(&tape, &batch);
    case.compare("logits", &logits, &case.output("logits"), Some(padded.rows()));
    case.finish(&params, &tape, &ops::cross_entropy(&logits, &labelled(&padded, &case.input("labels"))));
}

fn question_answering(case: &Case) {
    let (config, params) = (config(case), Params::new());
    let model = BertForQuestionAnswering::new(&params, &config);
    load(case, &config, &params);
    let (padded, batch) = inputs(case);
    case.compare_question_answering(&model.forward(&Tape::off(), &batch), &padded);
}

#[test]
fn every_reference_case() {
    let Some(folder) = reference() else { return };
    let mut ran = 0;
    for case in cases(&folder.join("bert"), "Bert") {
        match case.class.as_str() {
            "BertModel" => encoder(&case),
            "BertForPreTraining" => pretraining(&case),
            "BertForMaskedLM" => masked_lm(&case),
            "BertForNextSentencePrediction" => next_sentence(&case),
            "BertForSequenceClassification" => sequence_classification(&case),
            "BertForMultipleChoice" => multiple_choice(&case),
            "BertForTokenClassification" => token_classification(&case),
            "BertForQuestionAnswering" => question_answering(&case),
            other => panic!("{}: no test for class {other}", case.name()),
        }
        println!("{}: {}", case.name(), case.class);
        ran += 1;
    }
    println!("{ran} BERT reference cases ran");
    assert!(ran > 0, "no case below {}", folder.display());
}
