//! Span corruption against the original's counts, masks, inputs and targets.

use tercet_objectives::Random;
use tercet_objectives::spans::{self, Batch, Example, Noise};

use crate::reference::{bools, float, ids, json, number};

const FILE: &str = "t5_objectives/span_corruption.json";

#[test]
fn lengths_are_those_of_the_original() {
    let Some(stored) = json(FILE) else { return };
    for row in stored["helper"].as_array().expect("rows") {
        let noise = Noise { density: float(&row[1]), mean_span: float(&row[2]) };
        let lengths = noise.lengths(number(&row[0])).unwrap();
        assert_eq!((lengths.text, lengths.targets), (number(&row[3]), number(&row[4])), "{row}: {lengths:?}");
    }
}

#[test]
fn counts_are_those_of_the_original() {
    let Some(stored) = json(FILE) else { return };
    for counts in stored["counts"].as_array().expect("counts") {
        let noise = Noise {
            density: float(&counts["noise_density"]),
            mean_span: float(&counts["mean_noise_span_length"]),
        };
        let rows = counts["num_noise_tokens_and_spans_for_length_1_up"].as_array().expect("rows");
        for (length, row) in (1..).zip(rows) {
            assert_eq!(
                noise.counts(length),
                (number(&row[0]), number(&row[1])),
                "length {length}, {noise:?}"
            );
        }
    }
}

#[test]
fn masks_inputs_and_targets_are_those_of_the_original() {
    let Some(stored) = json(FILE) else { return };
    let vocabulary = number(&stored["vocab_size"]) as u32;
    for case in stored["spans"].as_array().expect("cases") {
        let noise = Noise {
            density: float(&case["noise_density"]),
            mean_span: float(&case["mean_noise_span_length"]),
        };
        let mut orders = ["noise", "nonnoise"]
            .map(|kind| bools(&case[format!("{kind}_first_in_segment_after_shuffle")]))
            .into_iter();
        let mask = spans::noise_mask(number(&case["length"]), noise, |order| {
            let shuffled = orders.next().expect("two shuffles");
            let ones = |order: &[bool]| order.iter().filter(|&&one| one).count();
            assert_eq!((order.len(), ones(order)), (shuffled.len(), ones(&shuffled)));
            order.copy_from_slice(&shuffled);
        });
        let mask = mask.unwrap();
        assert_eq!(mask, bools(&case["noise_mask"]));
        let example = spans::corrupt(&ids(&case["tokens"]), &mask, vocabulary);
        assert_eq!(example, Example { inputs: ids(&case["inputs"]), targets: ids(&case["targets"]) });
        let batch = Batch::of([&example], 0, 1);
        assert_eq!(batch.inputs.ids, ids(&case["inputs_eos"]));
        assert_eq!(batch.targets, ids(&case["targets_eos"]));
        assert_eq!(batch.decoder_inputs.ids, [&[0][..], &example.targets].concat());
    }
}

#[test]
fn any_mask_gives_what_the_original_gives() {
    let Some(stored) = json(FILE) else { return };
    let vocabulary = number(&stored["vocab_size"]) as u32;
    for case in stored["given_masks"].as_array().expect("cases") {
        let (tokens, mask) = (ids(&case["tokens"]), bools(&case["noise_mask"]));
        let example = spans::corrupt(&tokens, &mask, vocabulary);
        assert_eq!(example.inputs, ids(&case["noise_span_to_unique_sentinel"]));
        assert_eq!(example.targets, ids(&case["nonnoise_span_to_unique_sentinel"]));
        let example = spans::split(&tokens, &mask);
        assert_eq!(example.inputs, ids(&case["drop_nonnoise_tokens"]));
        assert_eq!(example.targets, ids(&case["drop_noise_tokens"]));
    }
}

#[test]
fn prefixes_have_the_range_of_the_original() {
    let Some(stored) = json(FILE) else { return };
    let mut random = Random::new(5);
    for case in stored["prefix_lm"].as_array().expect("cases") {
        let (length, density) = (number(&case["length"]), float(&case["noise_density"]));
        let prefixes = (0..4000).map(|_| spans::prefix_mask(length, density, &mut random));
        let mut lengths: Vec<usize> =
            prefixes.map(|mask| mask.iter().filter(|&&prefix| prefix).count()).collect();
        lengths.sort_unstable();
        let range = (lengths[0], lengths[lengths.len() - 1]);
        let least = ((1.0 - 2.0 * density) * (length - 1) as f64).round_ties_even().max(1.0) as usize;
        assert_eq!(range, (least, length - 1));
        assert!(number(&case["smallest_prefix_seen"]) >= range.0, "{case}");
        assert!(number(&case["largest_prefix_seen"]) <= range.1, "{case}");
    }
}

#[test]
fn more_noise_than_text_is_no_error() {
    let noise = Noise { density: 0.9, mean_span: 3.0 };
    let mask = spans::noise_mask(12, noise, |_| ()).unwrap();
    assert_eq!(mask.iter().filter(|&&noise| noise).count(), 11);
    assert!(spans::noise_mask(12, Noise { density: 1.0, mean_span: 3.0 }, |_| ()).is_err());
    assert!(Noise { density: 0.5, mean_span: 0.5 }.lengths(10).is_err());
}

#[test]
fn text_comes_back_from_inputs_and_targets() {
    let mut random = Random::new(9);
    for length in 2..200 {
        let ids: Vec<u32> = (0..length).collect();
        let mask = spans::noise_mask(ids.len(), Noise::default(), |order| random.shuffle(order)).unwrap();
        let Example { inputs, targets } = spans::corrupt(&ids, &mask, 32100);
        let spelt = |sentinel: u32| {
            let start =
                targets.iter().position(|&id| id == sentinel).expect("each sentinel of the inputs") + 1;
            targets[start..].iter().take_while(|&&id| id < 1000).copied()
        };
        let mut text = Vec::new();
        for id in inputs {
            if id < 1000 { text.push(id) } else { text.extend(spelt(id)) }
        }
        assert_eq!(text, ids);
    }
}

#[test]
fn a_random_chunk_is_one_of_the_pieces() {
    let ids: Vec<u32> = (0..25).collect();
    let mut random = Random::new(2);
    let mut starts: Vec<u32> = (0..100).map(|_| spans::random_chunk(&ids, 10, &mut random)[0]).collect();
    starts.sort_unstable();
    starts.dedup();
    assert_eq!(starts, [0, 10, 20]);
    assert!(spans::random_chunk(&[], 10, &mut random).is_empty());
}
