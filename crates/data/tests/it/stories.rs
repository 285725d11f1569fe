//! The generated corpus: the same text for ever, information that the text alone gives back, sound English.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;
use tercet_data::stories::{Stories, Story, derivations, information, prefix_information};

fn stories(count: u64) -> Vec<Story> {
    (0..count).into_par_iter().map(|index| Stories::new(0).story(index)).collect()
}

/// FNV-1a, to notice any change of the text.
fn hash(stories: &[Story]) -> u64 {
    let bytes = stories.iter().flat_map(|story| story.text.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn a_story_depends_on_seed_and_index_alone() {
    let in_order: Vec<Story> = Stories::new(3).take(20).collect();
    for (index, story) in in_order.iter().enumerate().rev() {
        assert_eq!(*story, Stories::new(3).story(index as u64));
    }
    assert_ne!(in_order[0].text, Stories::new(4).story(0).text);
}

/// Whoever changes the stories changes every loss that was ever measured on them: say so in the changelog.
#[test]
fn the_text_never_changes_by_accident() {
    assert_eq!(hash(&stories(1000)), 0xa3fc7ca4c1987966, "the text of seed 0 has changed");
}

#[test]
fn the_text_alone_gives_back_its_information() {
    stories(2000).par_iter().for_each(|story| {
        let found = derivations(&story.text).unwrap_or_else(|e| panic!("{e} in\n{}", story.text));
        assert_eq!(found.len(), 1, "{} derivations of\n{}", found.len(), story.text);
        assert!((found[0].nats - story.nats).abs() < 1e-9);
        assert_eq!(found[0].nats_at.len(), story.nats_at.len());
        for (scored, sampled) in found[0].nats_at.iter().zip(&story.nats_at) {
            assert_eq!(scored.0, sampled.0);
            assert!((scored.1 - sampled.1).abs() < 1e-9);
        }
    });
}

/// The probabilities are those of the sampler: a first letter comes as often as its information says.
#[test]
fn text_comes_as_often_as_its_information_says() {
    let count = 40_000;
    let mut seen = HashMap::new();
    for title in (0..count).map(|index| Stories::new(1).story(index).title()[..3].to_owned()) {
        *seen.entry(title).or_insert(0u32) += 1;
    }
    let mut total = 0.0;
    for (start, times) in seen {
        let p = (-prefix_information(&start).unwrap()).exp();
        total += p;
        let expected = p * count as f64;
        let deviation = (expected * (1.0 - p)).sqrt();
        let off = (f64::from(times) - expected).abs();
        assert!(off < 5.0 * deviation + 1.0, "{start:?} came {times} times, not {expected:.1}");
    }
    assert!((total - 1.0).abs() < 1e-3, "the starts that came have probability {total}");
}

#[test]
fn the_information_of_a_prefix_grows_to_that_of_the_story() {
    let story = Stories::new(0).story(5);
    let mut before = 0.0;
    for (end, _) in story.text.char_indices().skip(1).step_by(7) {
        let nats = prefix_information(&story.text[..end]).unwrap();
        assert!(nats >= before - 1e-9, "{nats} after {before} at {end}");
        before = nats;
    }
    assert!(before <= story.nats + 1e-9);
    assert!((information(&story.text).unwrap() - story.nats).abs() < 1e-9);
}

/// Edits the first stories that can be edited, and wants every text refused.
fn refuses(edit: impl Fn(&Story) -> Option<String>) {
    let wrong: Vec<String> = Stories::new(2).take(20_000).filter_map(|story| edit(&story)).take(50).collect();
    assert_eq!(wrong.len(), 50);
    for text in wrong {
        assert!(information(&text).is_err(), "accepted:\n{text}");
    }
}

#[test]
fn a_wrong_sum_is_no_story() {
    refuses(|story| {
        let at = story.text.find(", so now ")?;
        let (head, tail) = story.text.split_at(at);
        let end = tail.find('.')?;
        let number = tail[..end].rsplit(' ').next()?;
        let other = if number == "nine" { "eight" } else { "nine" };
        Some(format!("{head}{}{}", tail[..end].replace(number, other), &tail[end..]))
    });
}

#[test]
fn nobody_gives_what_another_has() {
    refuses(|story| {
        let sentences = || story.sentences.iter().map(|range| &story.text[range.clone()]);
        let gave = sentences().find(|s| s.contains(" gave the ") && s.contains(" to "))?;
        let (giver, rest) = gave.strip_suffix('.')?.split_once(" gave the ")?;
        let (thing, taker) = rest.split_once(" to ")?;
        let names =
            [giver, taker].iter().all(|name| !name.contains(' ') && name.starts_with(char::is_uppercase));
        names.then(|| story.text.replace(gave, &format!("{taker} gave the {thing} to {giver}.")))
    });
}

#[test]
fn the_thief_is_the_one_with_the_thread() {
    refuses(|story| {
        let (one, other) = story.title().strip_suffix('?')?.split_once(" or ")?;
        let knew = story.text.find(" knew that it was ")?;
        let (head, tail) = story.text.split_at(knew);
        let wrong = if tail.contains(&format!("was {one}.")) { other } else { one };
        let end = tail.find('.')?;
        Some(format!("{head} knew that it was {wrong}{}", &tail[end..]))
    });
}

#[test]
fn a_cut_or_continued_story_is_no_story() {
    refuses(|story| Some(story.text[..story.text.len() - 1].to_owned()));
    refuses(|story| Some(format!("{} It rained.", story.text)));
    let e = information("Once upon a time").unwrap_err();
    assert_eq!(e.to_string(), "no story goes on like this at byte 1: \"nce upon a time\"");
    assert!(information("").is_err());
}

#[test]
fn sentences_tile_the_text() {
    for story in stories(300) {
        let body: Vec<&str> = story.sentences.iter().map(|range| &story.text[range.clone()]).collect();
        assert_eq!(story.text, format!("{}\n{}", story.title(), body.join(" ")));
        assert_eq!(story.nats_at.len(), story.sentences.len() + 1);
        assert!(story.nats_at.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        assert!(story.nats_at.last().unwrap().1 <= story.nats);
    }
}

#[test]
fn the_english_is_sound() {
    for story in stories(5000) {
        let text = &story.text;
        assert!(text.is_ascii() && text.lines().count() == 2, "{text}");
        assert!(!text.contains(['{', '}', '[', ']', '|', '(']) && !text.contains("  "), "{text}");
        let words: Vec<&str> =
            text.split([' ', '\n']).map(|w| w.trim_matches(['"', ',', '.', '!'])).collect();
        for pair in words.windows(2) {
            let vowel = pair[1].starts_with(['a', 'e', 'i', 'o', 'u']) || pair[1] == "hour";
            assert!(!vowel || !pair[0].eq_ignore_ascii_case("a"), "{pair:?} in {text}");
            assert!(vowel || !pair[0].eq_ignore_ascii_case("an"), "{pair:?} in {text}");
        }
        let body = || text[story.title().len()..].split_whitespace();
        let doubled = body().zip(body().skip(1)).find(|(a, b)| a == b);
        assert_eq!(doubled, None, "{text}");
        for sentence in story.sentences.iter().map(|range| &text[range.clone()]) {
            let first = sentence.trim_start_matches('"');
            assert!(first.starts_with(|c: char| c.is_uppercase()), "{sentence}");
            assert!(sentence.ends_with(['.', '!', '?', '"']), "{sentence}");
            assert_eq!(sentence.matches('"').count() % 2, 0, "{sentence}");
        }
    }
}

#[test]
fn documents_differ() {
    let stories = stories(5000);
    let topics: HashSet<&str> = stories.iter().map(|story| story.topic).collect();
    assert_eq!(topics.len(), 12);
    let sentences = || stories.iter().flat_map(|s| s.sentences.iter().map(|range| &s.text[range.clone()]));
    let distinct = sentences().collect::<HashSet<_>>().len() as f64 / sentences().count() as f64;
    assert!(distinct > 0.6, "only {distinct:.3} of the sentences are distinct");
    let titles: HashSet<&str> = stories.iter().map(Story::title).collect();
    assert!(titles.len() > 3000, "{} titles", titles.len());
}

#[test]
fn facts_are_of_the_text() {
    let (mut holders, mut lying, mut counts) = (0, 0, 0);
    for story in stories(1000) {
        for holding in &story.facts.holders {
            assert!(story.text.contains(holding.thing) && story.text.contains(holding.person), "{story:?}");
            holders += 1;
        }
        for position in story.facts.people.iter().chain(&story.facts.lying) {
            let place = position.place.rsplit(" the ").next().unwrap();
            assert!(story.text.contains(position.what) && story.text.contains(place), "{story:?}");
        }
        for count in &story.facts.counts {
            assert!(story.text.contains(count.person), "{story:?}");
            assert!(story.text.contains(count.of.trim_end_matches('s')), "{story:?}");
        }
        // A thing is in one place only.
        let things =
            story.facts.holders.iter().map(|h| h.thing).chain(story.facts.lying.iter().map(|p| p.what));
        let once: HashSet<&str> = things.clone().collect();
        assert_eq!(once.len(), things.count(), "{story:?}");
        lying += story.facts.lying.len();
        counts += story.facts.counts.len();
    }
    assert!(holders > 500 && lying > 20 && counts > 500, "{holders} {lying} {counts}");
}
