//! Every task on a small file of its own: the text that comes of it, and the messages for files that are wrong.

use tercet_tasks::{Example, Reference, Result, Split, Task};

use crate::folder;

fn read(task: &str, split: Split, file: &str, text: &str) -> Result<Vec<Example>> {
    let folder = folder(file, text);
    Task::named(task).unwrap().examples(folder.path(), split)
}

/// The inputs and targets of a validation file.
#[track_caller]
fn forms(task: &str, file: &str, text: &str) -> Vec<(String, String)> {
    let examples = read(task, Split::Validation, file, text).unwrap();
    examples.into_iter().map(|example| (example.inputs, example.targets)).collect()
}

#[track_caller]
fn assert_form(task: &str, file: &str, text: &str, inputs: &str, targets: &str) {
    assert_eq!(forms(task, file, text), [(inputs.to_owned(), targets.to_owned())]);
}

#[test]
fn the_tables_of_glue() {
    assert_form("cola", "dev.tsv", "gj04\t0\t*\tHe go.\n", "cola sentence: He go.", "unacceptable");
    assert_form(
        "sst2",
        "dev.tsv",
        "sentence\tlabel\na fine film \t1\n",
        "sst2 sentence: a fine film ",
        "positive",
    );
    assert_form(
        "mrpc",
        "dev.tsv",
        "\u{feff}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t7\t8\tHe said \"no.\t\"No.\r\n",
        "mrpc sentence1: He said \"no. sentence2: \"No.",
        "equivalent",
    );
    let row = "3\tnews\tf\t2012\t9\tnone\tnone\tA cat.\tA dog.\t1.25\n";
    let columns = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n";
    let table = format!("{columns}{row}");
    assert_form("stsb", "dev.tsv", &table, "stsb sentence1: A cat. sentence2: A dog.", "1.2");
    let table = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\tWhy?\tHow?\t0\n";
    assert_form("qqp", "dev.tsv", table, "qqp question1: Why? question2: How?", "not_duplicate");
    let table =
        "index\tsentence1\tsentence2\tlabel1\tgold_label\n0\tIt rained.\tIt was wet.\tneutral\tentailment\n";
    assert_form(
        "mnli",
        "dev_matched.tsv",
        table,
        "mnli hypothesis: It was wet. premise: It rained.",
        "entailment",
    );
    let table = "index\tquestion\tsentence\tlabel\n0\tWho?\tHe did.\tnot_entailment\n";
    assert_form("qnli", "dev.tsv", table, "qnli question: Who? sentence: He did.", "not_entailment");
    let table = "index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\tentailment\n";
    assert_form("rte", "dev.tsv", table, "rte sentence1: A. sentence2: B.", "entailment");
}

#[test]
fn similarities_are_in_steps_of_a_fifth() {
    let row = |score: &str| format!("a\tb\tc\t1\t{score}\tx\ty\n");
    let table: String = ["0", "2.5", "3.5", "2.615", "4.250", "5.000", "0.1"].map(row).concat();
    let said: Vec<String> = forms("stsb", "sts-dev.csv", &table).into_iter().map(|(_, said)| said).collect();
    assert_eq!(said, ["0.0", "2.4", "3.6", "2.6", "4.2", "5.0", "0.0"]);
}

#[test]
fn a_test_split_without_labels_has_no_answers() {
    let examples = read("cola", Split::Test, "test.tsv", "index\tsentence\n0\tHe goes.\n").unwrap();
    assert_eq!((&*examples[0].inputs, &*examples[0].targets), ("cola sentence: He goes.", "<unk>"));
    let line = "{\"sentence1\": \"a\", \"sentence2\": \"b\", \"word\": \"c\", \"idx\": 1}\n";
    assert_eq!(read("wic", Split::Test, "test.jsonl", line).unwrap()[0].targets, "<unk>");
}

#[test]
fn the_json_lines_of_super_glue() {
    let line = r#"{"question": "is it so", "passage": "It is.", "idx": 0, "label": true}"#;
    assert_form("boolq", "val.jsonl", line, "boolq passage: It is. question: is it so", "True");
    let line = line.replace("true", "\"false\"");
    assert_form("boolq", "val.jsonl", &line, "boolq passage: It is. question: is it so", "False");
    let line = r#"{"premise": "P.", "hypothesis": "H", "label": "neutral", "idx": 0}"#;
    assert_form("cb", "val.jsonl", line, "cb hypothesis: H premise: P.", "neutral");
    let line =
        r#"{"premise": "P.", "choice1": "A.", "choice2": "B.", "question": "cause", "label": 1, "idx": 0}"#;
    assert_form(
        "copa",
        "val.jsonl",
        line,
        "copa choice1: A. choice2: B. premise: P. question: cause",
        "choice2",
    );
    let line = r#"{"word": "bank", "sentence1": "S.", "sentence2": "T.", "idx": 0, "label": false}"#;
    assert_form("wic", "val.jsonl", line, "wic sentence1: S. sentence2: T. word: bank", "False");
}

#[test]
fn multirc_asks_of_every_answer() {
    let line = r#"{"idx": 0, "passage": {"text": "<b>Sent 1: </b>It rained.<br>It was wet.", "questions": [
        {"question": "Why?", "answers": [{"text": "Rain", "idx": 0, "label": 1}, {"text": "Sun", "idx": 1, "label": 0}],
         "idx": 0},
        {"question": "How?", "answers": [{"text": "Wet", "idx": 0, "label": 1}], "idx": 1}]}}"#
        .replace('\n', "");
    let examples = read("multirc", Split::Validation, "val.jsonl", &line).unwrap();
    let paragraph = "paragraph: Sent 1: It rained. It was wet.";
    assert_eq!(examples[0].inputs, format!("multirc question: Why? answer: Rain {paragraph}"));
    assert_eq!(examples[1].inputs, format!("multirc question: Why? answer: Sun {paragraph}"));
    assert_eq!(examples.iter().map(|e| e.targets.as_str()).collect::<Vec<_>>(), ["True", "False", "True"]);
    assert_eq!(examples[0].reference, examples[1].reference);
    assert_ne!(examples[0].reference, examples[2].reference);
}

#[test]
fn record_learns_from_every_answer_and_is_tested_once() {
    let line = concat!(
        r#"{"source": "Daily mail", "passage": {"text": "Zoë met Bob.\n@highlight\nBob left\n@highlight\nEnd","#,
        r#" "entities": [{"start": 8, "end": 10}, {"start": 0, "end": 2}, {"start": 24, "end": 26}]}, "idx": 0,"#,
        r#" "qas": [{"query": "@placeholder left", "answers": [{"start": 0, "end": 2, "text": "Zoë"},"#,
        r#" {"start": 8, "end": 10, "text": "Bob"}, {"start": 24, "end": 26, "text": "Bob"}], "idx": 0}]}"#
    );
    let inputs = "record query: @placeholder left entities: Bob, Zoë passage: Zoë met Bob. Bob left. End";
    let learnt = read("record", Split::Train, "train.jsonl", line).unwrap();
    assert_eq!(learnt.iter().map(|e| e.targets.as_str()).collect::<Vec<_>>(), ["Bob", "Zoë"]);
    let tested = read("record", Split::Validation, "val.jsonl", line).unwrap();
    assert_eq!(tested.len(), 1);
    assert_eq!(tested[0].inputs, inputs);
    assert_eq!(tested[0].reference, Reference::Answers(vec!["Bob".into(), "Zoë".into()]));
    let wrong = line.replace("\"end\": 26}]}, \"idx\"", "\"end\": 2600}]}, \"idx\"");
    let message = read("record", Split::Train, "train.jsonl", &wrong).unwrap_err().to_string();
    assert!(message.contains("train.jsonl:1: expected entities that lie in the passage"), "{message}");
}

#[test]
fn wsc_marks_the_pronoun() {
    let line = |index: usize, label: &str| {
        format!(
            r#"{{"text": "Tom asked Sam if he was \"all right,\" he said.", "idx": 0, "label": {label},
            "target": {{"span1_index": 0, "span1_text": "Tom", "span2_index": {index}, "span2_text": "he"}}}}"#
        )
        .replace('\n', "")
    };
    let marked = "wsc: Tom asked Sam if *he* was \"all right,\" he said.";
    assert_form("wsc", "val.jsonl", &line(4, "true"), marked, "Tom");
    // An index before the pronoun.
    assert_form("wsc", "val.jsonl", &line(3, "false"), marked, "Tom");
    assert_eq!(read("wsc", Split::Train, "train.jsonl", &line(4, "false")).unwrap(), []);
    assert_eq!(read("wsc", Split::Train, "train.jsonl", &line(4, "true")).unwrap().len(), 1);
    let message = read("wsc", Split::Train, "train.jsonl", &line(9, "true")).unwrap_err().to_string();
    assert!(message.contains("expected the place of the pronoun at \"span2_index\""), "{message}");
    let together = line(4, "true").replace(" he was", " he, was");
    assert!(forms("wsc", "val.jsonl", &together)[0].0.contains(" *he* , was"));
}

#[test]
fn squad_sets_punctuation_apart() {
    let file = r#"{"version": "1.1", "data": [{"title": "x", "paragraphs": [{"context": "In 1,066 (A.D.)\n the  Café's_x.",
        "qas": [{"id": "1", "question": "When?", "answers": [{"text": "1,066", "answer_start": 3}, {"text": "A.D.",
        "answer_start": 10}]}, {"id": "2", "question": "Why?", "is_impossible": true, "answers": []}]}]}]}"#;
    let examples = read("squad", Split::Validation, "dev-v2.0.json", file).unwrap();
    assert_eq!(examples.len(), 1);
    assert_eq!(examples[0].inputs, "question: When ? context: In 1 , 066 ( A . D . ) the Café ' s_x . ");
    assert_eq!(examples[0].targets, "1 , 066");
    assert_eq!(examples[0].reference, Reference::Answers(vec!["1 , 066".into(), "A . D . ".into()]));
}

#[test]
fn summaries_and_translations() {
    let line = r#"{"article": "It rained . All day .", "highlights": "Rain ."}"#;
    assert_form("summarize", "val.json", line, "summarize: It rained . All day .", "Rain .");
    let line = r#"{"document": "It rained.", "summary": "Rain."}"#;
    assert_form("summarize", "val.jsonl", line, "summarize: It rained.", "Rain.");
    let line = r#"{"translation": {"en": "A cat.", "ro": "O pisică."}}"#;
    assert_form("translate_en_ro", "val.json", line, "translate English to Romanian: A cat.", "O pisică.");
    let folder = folder("train.en", "A cat.\nA dog.\n");
    std::fs::write(folder.path().join("train.de"), "Eine Katze.\nEin Hund.\n").unwrap();
    let examples = Task::named("translate_de_en").unwrap().examples(folder.path(), Split::Train).unwrap();
    assert_eq!(examples[1].inputs, "translate German to English: Ein Hund.");
    assert_eq!(examples[1].targets, "A dog.");
    std::fs::write(folder.path().join("train.de"), "Eine Katze.\n").unwrap();
    let e = Task::named("translate_en_de").unwrap().examples(folder.path(), Split::Train).unwrap_err();
    assert!(e.to_string().ends_with("train.de has 1: a translation has as many"), "{e}");
}

#[test]
fn a_table_without_its_columns_is_refused() {
    let message = |task, text| read(task, Split::Train, "train.tsv", text).unwrap_err().to_string();
    let table = "sentence\nfine\n";
    let expected = "train.tsv:1: expected the columns sentence, label, found sentence";
    assert!(message("sst2", table).ends_with(expected), "{}", message("sst2", table));
    let table = "index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\tentailment\n1\tC.\n";
    let expected = "train.tsv:3: expected the columns sentence1, sentence2, label, found 2 of 4 columns";
    assert!(message("rte", table).ends_with(expected), "{}", message("rte", table));
    let expected = "train.tsv:1: expected the columns sentence, label, found gj04, 1";
    assert!(message("cola", "gj04\t1\n").ends_with(expected), "{}", message("cola", "gj04\t1\n"));
    let expected = "train.tsv:2: expected 0 or 1 in column label, found \"2\"";
    let table = "sentence\tlabel\nfine\t2\n";
    assert!(message("sst2", table).ends_with(expected), "{}", message("sst2", table));
    assert!(message("sst2", "").ends_with("found "), "{}", message("sst2", ""));
}

#[test]
fn short_rows_of_qqp_are_left_out() {
    let table = "id\tquestion1\tquestion2\tis_duplicate\n1\tWhy?\n2\tHow?\tHow so?\t1\n";
    assert_form("qqp", "dev.tsv", table, "qqp question1: How? question2: How so?", "duplicate");
}

#[test]
fn wrong_records_are_named_by_file_and_line() {
    let message = |task, text: &str| read(task, Split::Train, "train.jsonl", text).unwrap_err().to_string();
    let good = r#"{"premise": "P.", "hypothesis": "H", "label": "neutral"}"#;
    let found = message("cb", &format!("{good}\n{{\"premise\": 3}}\n"));
    assert!(found.ends_with("train.jsonl:2: expected a string at \"hypothesis\", found nothing"), "{found}");
    let found = message("cb", &good.replace("neutral", "maybe"));
    assert!(found.contains("expected entailment or contradiction or neutral at \"label\""), "{found}");
    let found = message("cb", "{\"premise\": ");
    assert!(found.contains("train.jsonl:1: expected JSON, found EOF"), "{found}");
    let found = read("squad", Split::Train, "train-v1.1.json", "{\"data\": 3}").unwrap_err().to_string();
    assert!(found.ends_with("train-v1.1.json:1: expected a list at \"data\", found 3"), "{found}");
}

#[test]
fn unknown_tasks_and_missing_files_are_named() {
    let e = Task::named("colla").unwrap_err().to_string();
    assert!(e.starts_with("no task is called \"colla\"; the tasks are cola, sst2, mrpc,"), "{e}");
    let folder = folder("other.tsv", "");
    let e = Task::named("cola").unwrap().examples(folder.path(), Split::Validation).unwrap_err().to_string();
    assert!(e.contains("expected dev.tsv or in_domain_dev.tsv + out_of_domain_dev.tsv"), "{e}");
    let e = Task::named("cola").unwrap().open(None, Split::Train, 0).unwrap_err().to_string();
    assert_eq!(e, "task cola reads files: expected a path, found none");
    assert!(Task::named("sort").unwrap().examples(folder.path(), Split::Train).is_err());
    assert!(Task::named("cola").unwrap().examples("/nowhere/at/all", Split::Train).is_err());
}

#[test]
fn every_task_has_a_name_of_its_own() {
    let mut names: Vec<&str> = Task::all().iter().map(|task| task.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}
