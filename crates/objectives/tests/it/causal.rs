//! The causal objective against what its definition says about every id.

use tercet_objectives::causal::{self, Documents};
use tercet_objectives::{Error, Ragged, Targets};

const SEPARATOR: u32 = 0;

/// Ids in which no id but the separator occurs twice, so that an id tells its position.
fn corpus(length: u32) -> Vec<u32> {
    (1..=length).map(|i| if i % 7 == 0 { SEPARATOR } else { i }).collect()
}

#[test]
fn every_row_predicts_the_id_after_it() {
    let ids = corpus(40);
    let windows = Ragged::from_sequences([&ids[..13], &ids[12..13], &[], &ids[13..40]]);
    for documents in [Documents::Cross, Documents::Split { separator: SEPARATOR }] {
        let batch = causal::next_token(&windows, documents);
        assert_eq!(batch.inputs.ids, [&ids[..12], &ids[13..39]].concat());
        assert_eq!(batch.targets.ids, [&ids[1..13], &ids[14..40]].concat());
        assert_eq!(batch.targets.rows, (0..38).collect::<Vec<_>>());
    }
}

#[test]
fn split_documents_begin_at_their_separator() {
    let batch =
        causal::next_token(&Ragged::from_sequences([corpus(40)]), Documents::Split { separator: SEPARATOR });
    assert_eq!(batch.inputs.len(), 6);
    for (i, sequence) in batch.inputs.sequences().enumerate() {
        let separators = sequence.iter().filter(|&&id| id == SEPARATOR).count();
        assert_eq!(separators, usize::from(i > 0), "sequence {i}: {sequence:?}");
        assert!(i == 0 || sequence[0] == SEPARATOR);
    }
    assert_eq!(causal::next_token(&Ragged::from_sequences([corpus(40)]), Documents::Cross).inputs.len(), 1);
}

#[test]
fn separators_next_to_each_other_are_documents_of_their_own() {
    let window = Ragged::from_sequences([[0, 0, 5, 0]]);
    let batch = causal::next_token(&window, Documents::Split { separator: SEPARATOR });
    assert_eq!(batch.inputs, Ragged::from_sequences([&[0][..], &[0, 5]]));
    assert_eq!(batch.targets.ids, [0, 5, 0]);
}

#[test]
fn sliding_windows_predict_every_id_once_with_enough_context() {
    for (n, length, stride) in [
        (50, 8, 8),
        (50, 8, 3),
        (50, 8, 1),
        (49, 7, 7),
        (5, 8, 8),
        (9, 8, 4),
        (2, 1, 1),
        (1, 4, 2),
        (0, 4, 2),
    ] {
        let ids: Vec<u32> = (100..100 + n as u32).collect();
        let mut targets = Vec::new();
        for batch in causal::sliding_windows(&ids, length, stride) {
            assert!(batch.inputs.ids.len() <= length && !batch.targets.is_empty());
            for (&row, &target) in batch.targets.rows.iter().zip(&batch.targets.ids) {
                let row = row as usize;
                assert_eq!(batch.inputs.ids[row] + 1, target);
                assert!(row + 1 > length - stride || batch.inputs.ids[0] == 100, "row {row} of {batch:?}");
                targets.push(target);
            }
        }
        assert_eq!(targets, ids.get(1..).unwrap_or_default(), "n {n}, length {length}, stride {stride}");
    }
}

#[test]
fn padding_goes_on_either_side() {
    let ids = [1, 2, 3, 0, /**/ 0, 0, 4, 5, /**/ 0, 0, 0, 0, /**/ 6, 7, 8, 9];
    let mask = [1, 1, 1, 0, /**/ 0, 0, 1, 1, /**/ 0, 0, 0, 0, /**/ 1, 1, 1, 1];
    let labels = ids.map(i64::from);
    let batch = causal::from_hugging_face(&ids, &mask, &labels, 4).unwrap();
    assert_eq!(batch.inputs, Ragged::from_sequences([&[1, 2, 3][..], &[4, 5], &[], &[6, 7, 8, 9]]));
    assert_eq!(batch.targets.rows, [0, 1, 3, 5, 6, 7]);
    assert_eq!(batch.targets.ids, [2, 3, 5, 7, 8, 9]);
}

#[test]
fn labels_survive_the_way_there_and_back() {
    let labels = [-100, 3, 0, -100, -100, 50256];
    assert_eq!(Targets::from_labels(&labels).unwrap().to_labels(labels.len()), labels);
}

#[test]
fn arrays_that_do_not_fit_are_named() {
    let message = |result: Result<causal::Batch, Error>| result.unwrap_err().to_string();
    assert_eq!(
        message(causal::from_hugging_face(&[1, 2, 3], &[1; 3], &[1; 3], 2)),
        "ids: 3 values do not divide into rows of 2"
    );
    assert_eq!(
        message(causal::from_hugging_face(&[1, 2], &[1; 3], &[1; 2], 2)),
        "attention mask: expected 2 values, one for each id, found 3"
    );
    assert_eq!(
        message(causal::from_hugging_face(&[1, 2], &[1; 2], &[1; 1], 2)),
        "labels: expected 2 values, one for each id, found 1"
    );
    assert_eq!(
        message(causal::from_hugging_face(&[1; 6], &[1, 1, 1, 1, 0, 1], &[1; 6], 3)),
        "attention mask: row 1 has a hole at column 1; expected one run of ones in each row"
    );
    assert_eq!(
        message(causal::from_hugging_face(&[1; 3], &[1; 3], &[1, -1, 1], 3)),
        "labels: expected a token id or -100 at position 1, found -1"
    );
}
