//! The tasks on the files that are distributed.

use std::collections::BTreeMap;

use tercet_tasks::{Example, Split, Task};

use crate::shared;

fn read(task: &str, path: &str, split: Split) -> Option<Vec<Example>> {
    Some(Task::named(task).unwrap().examples(shared(path)?, split).unwrap())
}

/// How often each target comes.
fn targets(examples: &[Example]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for example in examples {
        *counts.entry(example.targets.as_str()).or_default() += 1;
    }
    counts
}

#[track_caller]
fn assert_counts(task: &str, path: &str, split: Split, expected: &[(&str, usize)]) {
    let Some(examples) = read(task, path, split) else { return };
    assert_eq!(targets(&examples), BTreeMap::from_iter(expected.iter().copied()), "{task} {split}");
}

#[test]
fn glue_has_the_published_numbers_of_examples() {
    use Split::{Train, Validation};
    let count = |task, path, split| read(task, path, split).map(|examples| examples.len());
    assert!(count("cola", "finetune/glue/CoLA", Train).is_none_or(|count| count == 8551));
    assert!(count("cola", "finetune/glue/CoLA", Validation).is_none_or(|count| count == 1043));
    assert!(count("stsb", "finetune/glue/STS-B", Train).is_none_or(|count| count == 5749));
    assert!(count("stsb", "finetune/glue/STS-B", Validation).is_none_or(|count| count == 1500));
    assert_counts("sst2", "finetune/glue/SST-2", Train, &[("negative", 29780), ("positive", 37569)]);
    assert_counts("sst2", "finetune/glue/SST-2", Validation, &[("negative", 428), ("positive", 444)]);
    assert_counts("mrpc", "finetune/glue/MRPC", Train, &[("equivalent", 2474), ("not_equivalent", 1194)]);
    assert_counts("mrpc", "finetune/glue/MRPC", Validation, &[("equivalent", 279), ("not_equivalent", 129)]);
    assert_counts("rte", "finetune/glue/RTE", Train, &[("entailment", 1249), ("not_entailment", 1241)]);
    assert_counts("rte", "finetune/glue/RTE", Validation, &[("entailment", 146), ("not_entailment", 131)]);
}

#[test]
fn glue_becomes_the_text_of_the_original() {
    let first = |task, path, split| read(task, path, split).map(|mut examples| examples.swap_remove(0));
    if let Some(example) = first("cola", "finetune/glue/CoLA", Split::Train) {
        let inputs = "cola sentence: Our friends won't buy this analysis, let alone the next one we propose.";
        assert_eq!((&*example.inputs, &*example.targets), (inputs, "acceptable"));
    }
    if let Some(example) = first("stsb", "finetune/glue/STS-B", Split::Validation) {
        let inputs = "stsb sentence1: A man with a hard hat is dancing. sentence2: A man wearing a hard hat is dancing.";
        assert_eq!((&*example.inputs, &*example.targets), (inputs, "5.0"));
    }
    if let Some(example) = first("mrpc", "finetune/hf-tests-samples/MRPC", Split::Validation) {
        let inputs = "mrpc sentence1: He said the foodservice pie business doesn 't fit the company 's long-term \
                      growth strategy . sentence2: \" The foodservice pie business does not fit our long-term \
                      growth strategy .";
        assert_eq!((&*example.inputs, &*example.targets), (inputs, "equivalent"));
    }
    if let Some(example) = first("stsb", "finetune/hf-tests-samples/STS-B", Split::Validation) {
        assert_eq!(example.targets, "5.0");
    }
}

#[test]
fn super_glue_has_its_labels() {
    assert_counts("boolq", "finetune/superglue/BoolQ", Split::Validation, &[("False", 1237), ("True", 2033)]);
    let labels = [("contradiction", 28), ("entailment", 23), ("neutral", 5)];
    assert_counts("cb", "finetune/superglue/CB", Split::Validation, &labels);
    assert_counts("wic", "finetune/superglue/WiC", Split::Validation, &[("False", 245), ("True", 255)]);
    let Some(examples) = read("wsc", "finetune/superglue/WSC", Split::Validation) else { return };
    assert_eq!(examples.len(), 104);
    assert!(examples.iter().all(|example| example.inputs.matches('*').count() == 2));
    assert!(examples[0].inputs.ends_with("could take his claim away from *him* ."), "{}", examples[0].inputs);
    assert_eq!(examples[0].targets, "anyone");
    let learnt = Task::named("wsc").unwrap();
    let file = shared("finetune/superglue/WSC/val.jsonl").unwrap();
    assert_eq!(learnt.examples(file, Split::Train).unwrap().len(), 38);
}

#[test]
fn squad_summaries_and_translations_are_read() {
    let file = "finetune/squad-subset/dev-v2.0-5articles.json";
    if let Some(examples) = read("squad", file, Split::Validation) {
        assert!((500..1407).contains(&examples.len()), "{} answerable", examples.len());
        let start =
            "question: In what country is Normandy located ? context: The Normans ( Norman : Nourmands ;";
        assert!(examples[0].inputs.starts_with(start), "{}", examples[0].inputs);
        assert_eq!(examples[0].targets, "France");
        let said: Vec<&str> = examples.iter().map(|example| example.targets.as_str()).collect();
        let scores = Task::named("squad").unwrap().score(&examples, &said);
        assert!(scores.iter().all(|score| score.value == 100.0), "{scores:?}");
    }
    if let Some(examples) = read("summarize", "finetune/hf-tests-samples/xsum/sample.json", Split::Train) {
        assert!(examples[0].inputs.starts_with("summarize: The warning begins at 22:00 GMT on Saturday"));
        assert!(examples[0].targets.ends_with("ice across most of Wales."));
    }
    for (split, count) in [(Split::Train, 29000), (Split::Validation, 1014), (Split::Test, 1000)] {
        if let Some(examples) = read("translate_en_de", "finetune/multi30k", split) {
            assert_eq!(examples.len(), count);
        }
    }
    if let Some(examples) = read("translate_en_ro", "finetune/hf-tests-samples/wmt_en_ro", Split::Validation)
    {
        assert!(examples.iter().all(|e| e.inputs.starts_with("translate English to Romanian: ")));
    }
}
