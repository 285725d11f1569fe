//! Whatever is hidden, inputs and targets together are the text again, and the counts are those that were promised.

use proptest::prelude::*;
use tercet_objectives::Random;
use tercet_objectives::denoising::{self, LONGEST_CHUNK, Objective};
use tercet_objectives::spans::{Example, Noise};

const VOCABULARY: u32 = 32100;
/// Ids from here on are sentinels.
const SENTINELS: u32 = 32000;

/// The text again: each sentinel of the inputs stands for what follows it in the targets.
fn spelt_out(example: &Example) -> Vec<u32> {
    let mut text = Vec::new();
    for &id in &example.inputs {
        if id < SENTINELS {
            text.push(id);
            continue;
        }
        let at = example.targets.iter().position(|&other| other == id).expect("each sentinel has its span");
        text.extend(example.targets[at + 1..].iter().take_while(|&&id| id < SENTINELS));
    }
    text
}

fn sentinels(ids: &[u32]) -> Vec<u32> {
    ids.iter().copied().filter(|&id| id >= SENTINELS).collect()
}

proptest! {
    #[test]
    fn spans_rebuild_the_text(
        text in prop::collection::vec(0..SENTINELS, 2..600), density in 0.05..0.5f64, mean_span in 1.0..10.0f64,
        seed: u64,
    ) {
        let noise = Noise { density, mean_span };
        let objective = Objective::Spans(noise);
        prop_assume!(objective.sentinels(text.len()) <= 100);
        let example = objective.corrupt(&text, VOCABULARY, &mut Random::new(seed)).unwrap();
        prop_assert_eq!(spelt_out(&example), &text[..]);

        let (hidden, spans) = noise.counts(text.len());
        let expected: Vec<u32> = (1..=spans as u32).map(|i| VOCABULARY - i).collect();
        prop_assert_eq!(sentinels(&example.inputs), &expected[..]);
        prop_assert_eq!(sentinels(&example.targets), expected);
        prop_assert_eq!(example.inputs.len(), text.len() - hidden + spans);
        prop_assert_eq!(example.targets.len(), hidden + spans);
    }

    #[test]
    fn prefixes_rebuild_the_text(text in prop::collection::vec(0..SENTINELS, 2..600), density in 0.1..0.9f64, seed: u64) {
        let objective = Objective::PrefixLm { density };
        let Example { inputs, targets } = objective.corrupt(&text, VOCABULARY, &mut Random::new(seed)).unwrap();
        prop_assert!(!inputs.is_empty() && !targets.is_empty());
        prop_assert_eq!([inputs, targets].concat(), text);
    }

    /// Where a text begins with what is hidden, the targets begin without a sentinel, as in the original: so the first
    /// id is kept here.
    #[test]
    fn ids_hidden_one_by_one_rebuild_the_text(text in prop::collection::vec(0..SENTINELS, 2..150), seed: u64) {
        let objective = Objective::Iid { density: 0.3 };
        let example = objective.corrupt(&text, VOCABULARY, &mut Random::new(seed)).unwrap();
        prop_assume!(example.inputs[0] < SENTINELS);
        prop_assert_eq!(spelt_out(&example), &text[..]);
        prop_assert!(sentinels(&example.targets).len() <= objective.sentinels(text.len()));
    }

    #[test]
    fn pieces_are_the_documents_end_to_end(
        documents in prop::collection::vec(prop::collection::vec(2..50u32, 0..80), 1..20), length in 1..100usize,
    ) {
        let pieces = denoising::pieces(&documents, length, &[2, 3], &mut Random::new(0));
        let (last, full) = pieces.split_last().map_or((None, &[][..]), |(last, full)| (Some(last), full));
        prop_assert!(full.iter().all(|piece| piece.len() == length));
        prop_assert!(last.is_none_or(|piece| (1..=length).contains(&piece.len())));
        let kept: Vec<u32> = documents.concat().into_iter().filter(|id| *id > 3).collect();
        prop_assert_eq!(pieces.concat(), kept);
    }
}

#[test]
fn pieces_just_fill_the_inputs() {
    let text: Vec<u32> = (0..2000).collect();
    for inputs in [64, 128, 256, 512, 1024] {
        let objective = Objective::default();
        let piece = objective.piece(inputs).unwrap();
        let example = objective.corrupt(&text[..piece], VOCABULARY, &mut Random::new(1)).unwrap();
        assert!((inputs - 2..inputs).contains(&example.inputs.len()), "{} of {inputs}", example.inputs.len());
        for objective in [Objective::Iid { density: 0.15 }, Objective::PrefixLm { density: 0.5 }] {
            let piece = objective.piece(inputs).unwrap();
            let example = objective.corrupt(&text[..piece], VOCABULARY, &mut Random::new(1)).unwrap();
            assert!(example.inputs.len() < inputs);
        }
    }
    let piece = Objective::default().piece(512).unwrap();
    let example = Objective::default().corrupt(&text[..piece], VOCABULARY, &mut Random::new(1)).unwrap();
    assert_eq!((example.inputs.len() + 1, example.targets.len() + 1), (512, 114), "with their ends");
}

#[test]
fn as_much_is_hidden_one_by_one_as_the_density_says() {
    let (text, mut random) = (vec![7; 20_000], Random::new(3));
    let example = Objective::Iid { density: 0.15 }.corrupt(&text, 1 << 20, &mut random).unwrap();
    let hidden = example.targets.iter().filter(|&&id| id == 7).count() as f64;
    let deviation = (20_000.0 * 0.15 * 0.85f64).sqrt();
    assert!((hidden - 3000.0).abs() < 4.0 * deviation, "{hidden}");
}

#[test]
fn of_a_very_long_document_one_chunk_is_read() {
    let document: Vec<u32> = (0..LONGEST_CHUNK as u32 + 1000).collect();
    let read = |seed| denoising::pieces(&[&document], 568, &[], &mut Random::new(seed)).concat();
    let lengths: Vec<usize> = (0..20).map(|seed| read(seed).len()).collect();
    assert!(lengths.contains(&LONGEST_CHUNK) && lengths.contains(&1000), "{lengths:?}");
}

#[test]
fn settings_without_meaning_are_refused() {
    for objective in [
        Objective::Spans(Noise { density: 0.0, mean_span: 3.0 }),
        Objective::Iid { density: 1.0 },
        Objective::PrefixLm { density: f64::NAN },
    ] {
        assert!(objective.piece(512).is_err(), "{objective:?}");
    }
    assert!(Objective::Iid { density: 0.5 }.piece(2).is_err());
}

#[test]
fn a_place_has_a_stream_of_its_own() {
    let first = |seed, place: &[u64]| Random::at(seed, place).uniform();
    assert_eq!(first(1, &[2, 3]), first(1, &[2, 3]));
    for other in [first(2, &[2, 3]), first(1, &[3, 2]), first(1, &[2, 3, 0]), first(1, &[2])] {
        assert_ne!(first(1, &[2, 3]), other);
    }
}
