//! Every task there is.

use tercet_data::stories::Exercise;

use crate::Task;
use crate::form::fields::{Fields, Format, Labels, TABLE};
use crate::form::pairs::{self, Language};
use crate::form::reading;
use crate::score::Metric;
use crate::source::{Alternatives, Files, ShortRows};
use crate::task::{Form, Source};

pub(crate) static TASKS: &[Task] = &[
    glue("cola", "is the sentence acceptable?", COLA, &[Metric::Matthews]),
    glue("sst2", "is the sentence positive?", SST2, &[Metric::Accuracy]),
    glue("mrpc", "do two sentences say the same?", MRPC, &[Metric::F1, Metric::Accuracy]),
    glue("stsb", "how alike are two sentences?", STSB, &[Metric::Pearson, Metric::Spearman]),
    glue("qqp", "do two questions ask the same?", QQP, &[Metric::F1, Metric::Accuracy]),
    glue("mnli", "does the hypothesis follow from the premise?", MNLI, &[Metric::Accuracy]),
    glue("qnli", "does the sentence answer the question?", QNLI, &[Metric::Accuracy]),
    glue("rte", "does the second sentence follow from the first?", RTE, &[Metric::Accuracy]),
    glue("boolq", "yes or no?", BOOLQ, &[Metric::Accuracy]),
    glue("cb", "does the hypothesis follow from the premise?", CB, &[Metric::MacroF1, Metric::Accuracy]),
    glue("copa", "which is the cause, or the effect?", COPA, &[Metric::Accuracy]),
    records(
        "multirc",
        "is this an answer to the question?",
        reading::multirc,
        &[Metric::F1, Metric::AllOfQuestion],
    ),
    records(
        "record",
        "which entity belongs in the gap?",
        reading::record,
        &[Metric::ExactMatch, Metric::AnswerF1],
    ),
    glue("wic", "has the word the same sense in both sentences?", WIC, &[Metric::Accuracy]),
    records("wsc", "what does the pronoun stand for?", reading::wsc, &[Metric::Referent]),
    Task {
        name: "squad",
        about: "the answer to a question, in the words of a paragraph",
        source: Source::Squad(Files {
            train: &[&["train-v1.1.json"], &["train-v2.0.json"]],
            validation: &[&["dev-v1.1.json"], &["dev-v2.0.json"]],
            test: &[],
        }),
        metrics: &[Metric::ExactMatch, Metric::AnswerF1],
    },
    Task {
        name: "summarize",
        about: "a summary of an article",
        source: Source::Records(SUMMARIES, pairs::summary),
        metrics: &[Metric::Rouge1, Metric::Rouge2, Metric::RougeLsum],
    },
    translation("translate_en_de", ENGLISH, GERMAN),
    translation("translate_en_fr", ENGLISH, FRENCH),
    translation("translate_en_ro", ENGLISH, ROMANIAN),
    translation("translate_de_en", GERMAN, ENGLISH),
    translation("translate_fr_en", FRENCH, ENGLISH),
    translation("translate_ro_en", ROMANIAN, ENGLISH),
    exercise(Exercise::Reverse),
    exercise(Exercise::Sort),
    exercise(Exercise::Count),
    exercise(Exercise::Topic),
    exercise(Exercise::Title),
    exercise(Exercise::Holder),
    exercise(Exercise::Place),
    exercise(Exercise::Number),
];

const fn glue(name: &'static str, about: &'static str, fields: Fields, metrics: &'static [Metric]) -> Task {
    Task { name, about, source: Source::Fields(fields), metrics }
}

const fn records(name: &'static str, about: &'static str, form: Form, metrics: &'static [Metric]) -> Task {
    Task { name, about, source: Source::Records(JSON_LINES, form), metrics }
}

const fn translation(name: &'static str, from: Language, to: Language) -> Task {
    Task {
        name,
        about: "a sentence in another language",
        source: Source::Translation(from, to),
        metrics: &[Metric::Bleu],
    }
}

const fn exercise(exercise: Exercise) -> Task {
    Task {
        name: exercise.name(),
        about: exercise.about(),
        source: Source::Exercise(exercise),
        metrics: &[Metric::Accuracy],
    }
}

const ENGLISH: Language = Language { code: "en", name: "English" };
const GERMAN: Language = Language { code: "de", name: "German" };
const FRENCH: Language = Language { code: "fr", name: "French" };
const ROMANIAN: Language = Language { code: "ro", name: "Romanian" };

const TSV: Files = tsv(&[&["dev.tsv"]]);

const fn tsv(validation: Alternatives) -> Files {
    Files { train: &[&["train.tsv"]], validation, test: &[&["test.tsv"]] }
}

const JSON_LINES: Files =
    Files { train: &[&["train.jsonl"]], validation: &[&["val.jsonl"]], test: &[&["test.jsonl"]] };

const SUMMARIES: Files = Files {
    train: &[&["train.jsonl"], &["train.json"]],
    validation: &[&["val.jsonl"], &["val.json"], &["validation.jsonl"], &["validation.json"]],
    test: &[&["test.jsonl"], &["test.json"]],
};

/// The sentences' columns and the label's, the same in three tables.
const SENTENCES: &[(&str, &str)] = &[("sentence1", "sentence1"), ("sentence2", "sentence2")];
const TRUTH: Labels = Labels::Classes(&[("false", "False"), ("true", "True")]);
const ENTAILMENT: Labels =
    Labels::Classes(&[("entailment", "entailment"), ("not_entailment", "not_entailment")]);

const COLA: Fields = Fields {
    files: Files {
        train: &[&["train.tsv"], &["in_domain_train.tsv"]],
        validation: &[&["dev.tsv"], &["in_domain_dev.tsv", "out_of_domain_dev.tsv"]],
        test: &[&["test.tsv"]],
    },
    format: Format::Table {
        headless: Some(&["source", "label", "mark", "sentence"]),
        short_rows: ShortRows::Refuse,
    },
    inputs: &[("sentence", "sentence")],
    label: "label",
    labels: Labels::Classes(&[("0", "unacceptable"), ("1", "acceptable")]),
};

const SST2: Fields = Fields {
    files: TSV,
    format: TABLE,
    inputs: &[("sentence", "sentence")],
    label: "label",
    labels: Labels::Classes(&[("0", "negative"), ("1", "positive")]),
};

const MRPC: Fields = Fields {
    files: Files {
        train: &[&["train.tsv"], &["msr_paraphrase_train.txt"]],
        validation: &[&["dev.tsv"]],
        test: &[&["test.tsv"], &["msr_paraphrase_test.txt"], &["test.labelled.txt"]],
    },
    format: TABLE,
    inputs: &[("sentence1", "#1 String"), ("sentence2", "#2 String")],
    label: "Quality",
    labels: Labels::Classes(&[("0", "not_equivalent"), ("1", "equivalent")]),
};

const STSB: Fields = Fields {
    files: Files {
        train: &[&["train.tsv"], &["sts-train.csv"]],
        validation: &[&["dev.tsv"], &["sts-dev.csv"]],
        test: &[&["test.tsv"], &["sts-test.csv"]],
    },
    format: Format::Table {
        headless: Some(&["genre", "filename", "year", "id", "score", "sentence1", "sentence2"]),
        short_rows: ShortRows::Refuse,
    },
    inputs: SENTENCES,
    label: "score",
    labels: Labels::Similarity,
};

/// A few rows of the published table are cut short; the public readers leave them out.
const QQP: Fields = Fields {
    files: TSV,
    format: Format::Table { headless: None, short_rows: ShortRows::Skip },
    inputs: &[("question1", "question1"), ("question2", "question2")],
    label: "is_duplicate",
    labels: Labels::Classes(&[("0", "not_duplicate"), ("1", "duplicate")]),
};

const MNLI: Fields = Fields {
    files: Files { test: &[&["test_matched.tsv"]], ..tsv(&[&["dev_matched.tsv"]]) },
    format: TABLE,
    inputs: &[("hypothesis", "sentence2"), ("premise", "sentence1")],
    label: "gold_label",
    labels: Labels::Classes(&[
        ("entailment", "entailment"),
        ("neutral", "neutral"),
        ("contradiction", "contradiction"),
    ]),
};

const QNLI: Fields = Fields {
    files: TSV,
    format: TABLE,
    inputs: &[("question", "question"), ("sentence", "sentence")],
    label: "label",
    labels: ENTAILMENT,
};

const RTE: Fields =
    Fields { files: TSV, format: TABLE, inputs: SENTENCES, label: "label", labels: ENTAILMENT };

const BOOLQ: Fields = Fields {
    files: JSON_LINES,
    format: Format::JsonLines,
    inputs: &[("passage", "passage"), ("question", "question")],
    label: "label",
    labels: TRUTH,
};

const CB: Fields = Fields {
    files: JSON_LINES,
    format: Format::JsonLines,
    inputs: &[("hypothesis", "hypothesis"), ("premise", "premise")],
    label: "label",
    labels: Labels::Classes(&[
        ("entailment", "entailment"),
        ("contradiction", "contradiction"),
        ("neutral", "neutral"),
    ]),
};

const COPA: Fields = Fields {
    files: JSON_LINES,
    format: Format::JsonLines,
    inputs: &[
        ("choice1", "choice1"),
        ("choice2", "choice2"),
        ("premise", "premise"),
        ("question", "question"),
    ],
    label: "label",
    labels: Labels::Classes(&[("0", "choice1"), ("1", "choice2")]),
};

const WIC: Fields = Fields {
    files: JSON_LINES,
    format: Format::JsonLines,
    inputs: &[("sentence1", "sentence1"), ("sentence2", "sentence2"), ("word", "word")],
    label: "label",
    labels: TRUTH,
};
