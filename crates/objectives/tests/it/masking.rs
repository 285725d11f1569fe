//! Which ids are hidden and what becomes of them: against frequencies of the original collator, and as properties.

use std::ops::{Range, RangeInclusive};

use proptest::prelude::*;
use serde_json::Value;
use tercet_objectives::masked::{self, Draw, Masking, Place, Replacement, Settings, Unit, Vocabulary};
use tercet_objectives::{Random, Targets};

use crate::reference::{float, ids, json, number};

const SMALL: Vocabulary = Vocabulary { size: 50, cls: 1, sep: 2, mask: 3 };

/// Ids from here on continue a word.
const CONTINUES: u32 = 30;

fn places_of(ids: &[u32]) -> Vec<Place> {
    masked::places(ids, |id| [0, 1, 2].contains(&id), |id| id >= CONTINUES)
}

/// A statistic that follows χ² with this many degrees of freedom is above this with a probability of about 10⁻⁴ (Wilson
/// and Hilferty's approximation).
fn limit(freedom: usize) -> f64 {
    let spread = 2.0 / (9.0 * freedom as f64);
    freedom as f64 * (1.0 - spread + 3.72 * spread.sqrt()).powi(3)
}

/// Pearson's statistic of counts that should be in these shares.
fn chi_square(counts: &[usize], shares: &[f64]) -> f64 {
    let total = counts.iter().sum::<usize>() as f64;
    let term = |(&count, share): (&usize, f64)| (count as f64 - total * share).powi(2) / (total * share);
    counts.iter().zip(shares.iter().copied()).map(term).sum()
}

/// How often each position was picked, and how many of the picked became `[MASK]`, something else, or stayed.
fn draw(
    ids: &[u32],
    places: &[Place],
    vocabulary: &Vocabulary,
    masking: &Masking,
    draws: usize,
) -> (Vec<usize>, [usize; 3]) {
    let (mut picked, mut fates) = (vec![0; ids.len()], [0; 3]);
    let mut random = Random::new(8000);
    for _ in 0..draws {
        let mut now = ids.to_vec();
        for (row, id) in masked::mask(&mut now, places, vocabulary, masking, &mut random).iter() {
            let row = row as usize;
            picked[row] += 1;
            let fate = if now[row] == vocabulary.mask { 0 } else { 1 + usize::from(now[row] == id) };
            fates[fate] += 1;
        }
    }
    (picked, fates)
}

/// Σ z² over the positions of two samples of binomial frequencies, and how many positions there are. The ids of a word
/// are picked together and count once.
fn distance(found: &[usize], draws: usize, case: &Value, row: usize, places: &[Place]) -> (f64, usize) {
    let theirs = &case["picked_frequency_per_position"][row];
    let p = float(&case["mlm_probability"]);
    let variance = p * (1.0 - p) * (1.0 / draws as f64 + 1.0 / float(&case["draws"]));
    let counted = |at: &usize| places[*at] == Place::Begins;
    let z = |at: usize| (found[at] as f64 / draws as f64 - float(&theirs[at])) / variance.sqrt();
    let counted: Vec<usize> = (0..found.len()).filter(counted).collect();
    (counted.iter().map(|&at| z(at).powi(2)).sum(), counted.len())
}

/// The places of the reference's ids: whole words by the offsets of its texts.
fn places_of_case(ids: &[u32], row: usize, unit: Unit) -> Vec<Place> {
    let special = |id| [0, 101, 102].contains(&id);
    if unit == Unit::Token {
        return masked::places(ids, special, |_| false);
    }
    let text = ["unbelievable antidisestablishmentarianism, don't you think?", "short one."][row];
    let pieces = [
        "unbelievable anti dis est ab lish ment arian ism , don ' t you think ?"
            .split(' ')
            .collect::<Vec<_>>(),
        vec!["short", "one", "."],
    ];
    let (mut end, mut offsets) = (0, vec![Range::default()]);
    for piece in &pieces[row] {
        let start = end + text[end..].find(piece).expect(piece);
        end = start + piece.len();
        offsets.push(start..end);
    }
    offsets.resize(ids.len(), Range::default());
    masked::places_by_offsets(ids, &offsets, special)
}

#[test]
fn frequencies_are_those_of_the_collator() {
    let Some(reference) = json("mlm_collator.json") else { return };
    let vocabulary = Vocabulary { size: 30522, cls: 101, sep: 102, mask: 103 };
    let draws = 60_000;
    let cases = reference["mlm"].as_array().expect("cases");
    for case in cases {
        let whole_words = case["whole_word_mask"].as_bool().expect("a bool");
        let pick = float(&case["mlm_probability"]);
        let [mask, random] = ["mask_replace_prob", "random_replace_prob"].map(|name| float(&case[name]));
        let replacement = Replacement { mask, random, keep: 1.0 - mask - random, ..Replacement::google() };
        let masking = match whole_words {
            true => Masking { pick, ..Masking::hf_whole_word() },
            false => Masking { pick, replacement, ..Masking::hf() },
        };
        let (mut sum, mut freedom, mut fates) = (0.0, 0, [0; 3]);
        let mut wrong = 0.0;
        for (row, list) in case["input_ids"].as_array().expect("rows").iter().enumerate() {
            let ids = ids(list);
            let places = places_of_case(&ids, row, masking.unit);
            let (found, of_picked) = draw(&ids, &places, &vocabulary, &masking, draws);
            for (at, place) in places.iter().enumerate() {
                assert!(*place != Place::Special || found[at] == 0, "position {at} was picked");
                assert!(
                    *place != Place::Continues || found[at] == found[at - 1],
                    "position {at} left its word"
                );
            }
            let (z2, positions) = distance(&found, draws, case, row, &places);
            (sum, freedom) = (sum + z2, freedom + positions);
            (0..3).for_each(|fate| fates[fate] += of_picked[fate]);
            let more = Masking { pick: pick * 1.2, ..masking };
            let (found, _) = draw(&ids, &places, &vocabulary, &more, draws);
            wrong += distance(&found, draws, case, row, &places).0;
        }
        assert!(sum < limit(freedom), "χ² {sum:.1} of {freedom}: {masking:?}");
        assert!(wrong > limit(freedom), "χ² {wrong:.1} of {freedom} does not tell another probability");
        let shares = &case["of_picked"];
        let total = fates.iter().sum::<usize>() as f64;
        for (found, name) in fates.into_iter().zip(["mask", "random", "unchanged"]) {
            let (found, expected) = (found as f64 / total, float(&shares[name]));
            // A random id of 30,522 may be the one that stood there.
            let sigma = (expected * (1.0 - expected) / number(&case["picked_total"]) as f64).sqrt();
            assert!((found - expected).abs() <= 5.0 * sigma + 1e-4, "{name}: {found}, expected {expected}");
        }
        println!("{masking:?}: χ² {sum:.1}, {freedom} degrees of freedom");
    }
    assert_eq!(cases.len(), 4);
}

/// The ids that stand where 20 stood, by id.
fn replacements(replacement: Replacement, random: &mut Random) -> Vec<usize> {
    let mut counts = vec![0; SMALL.size];
    let masking = Masking { pick: 1.0, replacement, ..Masking::hf() };
    let mut ids = vec![20; 200_000];
    masked::mask(&mut ids, &vec![Place::Begins; 200_000], &SMALL, &masking, random);
    ids.iter().for_each(|&id| counts[id as usize] += 1);
    counts
}

/// The shares of ids in the place of 20.
fn shares(replacement: Replacement) -> Vec<f64> {
    let Replacement { mask, random, keep, draw } = replacement;
    let drawn = |id: u32| match draw {
        Draw::Any => random / 50.0,
        Draw::Other => {
            if id == 20 {
                0.0
            } else {
                random / 49.0
            }
        }
    };
    let fixed = |id: u32| {
        if id == SMALL.mask {
            mask
        } else if id == 20 {
            keep
        } else {
            0.0
        }
    };
    (0..50).map(|id| drawn(id) + fixed(id)).collect()
}

#[test]
fn replacements_have_the_shares_that_each_preset_states() {
    let [google, card] = [Replacement::google(), Replacement::card()];
    let found = [google, card].map(|preset| replacements(preset, &mut Random::new(11)));
    for (counts, preset) in found.iter().zip([google, card]) {
        let statistic = chi_square(counts, &shares(preset));
        assert!(statistic < limit(49), "χ² {statistic:.1}: {preset:?}");
        let halved = Replacement { mask: 0.81, keep: 0.09, ..preset };
        assert!(chi_square(counts, &shares(halved)) > limit(49), "a hundredth more is not told");
    }
    assert_eq!(replacements(Replacement::mask(), &mut Random::new(1))[SMALL.mask as usize], 200_000);
    // Nothing but random ids: any of 50, or any but the one that stood there.
    let only = |draw| Replacement { mask: 0.0, random: 1.0, keep: 0.0, draw };
    let [any, other] = [Draw::Any, Draw::Other].map(|draw| replacements(only(draw), &mut Random::new(5)));
    let uniform = [1.0 / 50.0; 50];
    assert!(chi_square(&any, &uniform) < limit(49));
    assert_eq!(other[20], 0);
    assert!(chi_square(&other, &uniform) > limit(49), "one id of 50 is missing");
    let others: Vec<usize> = other.iter().copied().filter(|&count| count > 0).collect();
    assert!(others.len() == 49 && chi_square(&others, &[1.0 / 49.0; 49]) < limit(48));
}

#[test]
fn epochs_mask_other_ids_and_a_seed_the_same() {
    let original: Vec<u32> = (0..200).map(|i| 4 + i % 46).collect();
    let run = |seed| {
        let mut ids = original.clone();
        let places = places_of(&ids);
        (masked::mask(&mut ids, &places, &SMALL, &Masking::hf(), &mut Random::new(seed)), ids)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
}

/// What was hidden, put back.
fn restored(masked: &[u32], targets: &Targets) -> Vec<u32> {
    let mut ids = masked.to_vec();
    targets.iter().for_each(|(row, id)| ids[row as usize] = id);
    ids
}

fn words(ids: &[u32], first: RangeInclusive<u32>) -> Vec<Vec<usize>> {
    let mut words: Vec<Vec<usize>> = Vec::new();
    for (at, id) in ids.iter().enumerate().filter(|(_, id)| **id > 2) {
        match words.last_mut() {
            Some(word) if !first.contains(id) && at > 0 && ids[at - 1] > 2 => word.push(at),
            _ => words.push(vec![at]),
        }
    }
    words
}

proptest! {
    #[test]
    fn masking_hides_no_special_id_keeps_words_whole_and_tells_all(
        original in prop::collection::vec(0u32..50, 0..80),
        pick in 0.0..=1.0f64,
        whole_words: bool,
        card: bool,
        seed: u64,
    ) {
        let replacement = if card { Replacement::card() } else { Replacement::google() };
        let unit = if whole_words { Unit::Word } else { Unit::Token };
        let masking = Masking { pick, unit, replacement };
        let mut ids = original.clone();
        let targets = masked::mask(&mut ids, &places_of(&original), &SMALL, &masking, &mut Random::new(seed));
        prop_assert_eq!(&restored(&ids, &targets), &original);
        prop_assert!(targets.rows.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(targets.ids.iter().all(|&id| id > 2), "a special id was hidden");
        prop_assert!(ids.iter().all(|&id| (id as usize) < SMALL.size));
        if whole_words {
            for word in words(&original, 3..=CONTINUES - 1) {
                let hidden = word.iter().filter(|&&at| targets.rows.contains(&(at as u32))).count();
                prop_assert!(hidden == 0 || hidden == word.len(), "half a word at {word:?}");
            }
        }
    }

    #[test]
    fn instances_hide_the_number_asked_for_and_never_a_special_id(
        documents in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(4u32..30, 1..12), 1..8), 1..5),
        max_seq_length in 5usize..40,
        max_predictions_per_seq in 0usize..8,
        masked_lm_prob in 0.0..=1.0f64,
        card: bool,
        seed: u64,
    ) {
        let replacement = if card { Replacement::card() } else { Replacement::google() };
        let settings = Settings {
            max_seq_length, max_predictions_per_seq, masked_lm_prob, replacement, dupe_factor: 1,
            ..Settings::default()
        };
        let instances =
            masked::instances(&documents, &SMALL, &settings, |_| false, &mut Random::new(seed)).unwrap();
        prop_assert!(!instances.is_empty());
        for instance in instances {
            let whole = restored(&instance.ids, &instance.targets);
            prop_assert!(whole.len() <= max_seq_length);
            prop_assert_eq!(whole.iter().filter(|&&id| id == SMALL.sep).count(), 2);
            prop_assert_eq!((whole[0], whole[instance.second_segment - 1]), (SMALL.cls, SMALL.sep));
            let share = (whole.len() as f64 * masked_lm_prob).round_ties_even() as usize;
            let wanted = share.max(1).min(max_predictions_per_seq).min(whole.len() - 3);
            prop_assert_eq!(instance.targets.len(), wanted);
            prop_assert!(instance.targets.ids.iter().all(|&id| id >= 4));
        }
    }

    #[test]
    fn whole_words_of_an_instance_stay_together(
        sentences in prop::collection::vec(prop::collection::vec(4u32..50, 1..12), 2..8),
        seed: u64,
    ) {
        // A sentence begins with the beginning of a word, and is never cut inside one here.
        let begin = |mut sentence: Vec<u32>| { sentence[0] = 4 + sentence[0] % 26; sentence };
        let document: Vec<Vec<u32>> = sentences.into_iter().map(begin).collect();
        let settings = Settings { unit: Unit::Word, short_seq_prob: 0.0, max_seq_length: 500, ..Settings::default() };
        let continues = |id| id >= CONTINUES;
        let made = masked::instances(&[document], &SMALL, &settings, continues, &mut Random::new(seed)).unwrap();
        for instance in made {
            let whole = restored(&instance.ids, &instance.targets);
            for word in words(&whole, 3..=CONTINUES - 1) {
                let hidden = word.iter().filter(|&&at| instance.targets.rows.contains(&(at as u32))).count();
                prop_assert!(hidden == 0 || hidden == word.len(), "half a word at {word:?}");
            }
        }
    }
}
