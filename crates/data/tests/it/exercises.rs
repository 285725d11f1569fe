//! Questions about stories: the answers follow from the question's text alone, and no question is on both sides.

use std::collections::{HashMap, HashSet};

use tercet_data::stories::{Exercise, Side, derivations};

const NUMBERS: [&str; 13] = [
    "none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
];

fn asked(exercise: Exercise, side: Side, count: u64) -> Vec<(String, String)> {
    (0..count).map(|index| exercise.ask(3, side, index)).collect()
}

/// The question without its prefix.
fn after<'q>(question: &'q str, prefix: &str) -> &'q str {
    question.strip_prefix(prefix).unwrap_or_else(|| panic!("{question:?} does not begin with {prefix:?}"))
}

/// What a question with "… X …? " asks for, and the story.
fn split<'q>(question: &'q str, start: &str) -> (&'q str, &'q str) {
    after(question, start).split_once("? ").expect("a question and a story")
}

fn sentences(story: &str) -> Vec<&str> {
    story.split_inclusive(['.', '!', '?']).map(str::trim).collect()
}

#[test]
fn a_question_depends_on_seed_and_index_alone() {
    for exercise in Exercise::ALL {
        let forward = asked(exercise, Side::Train, 20);
        for (index, expected) in forward.iter().enumerate().rev() {
            assert_eq!(exercise.ask(3, Side::Train, index as u64), *expected);
        }
        assert_ne!(exercise.ask(4, Side::Train, 0), forward[0]);
    }
}

#[test]
fn no_question_is_on_both_sides() {
    for exercise in Exercise::ALL {
        let learnt: HashSet<String> =
            asked(exercise, Side::Train, 3000).into_iter().map(|(q, _)| q).collect();
        let tested = asked(exercise, Side::HeldOut, 400);
        assert!(tested.iter().all(|(question, _)| !learnt.contains(question)), "{exercise:?}");
        let distinct: HashSet<&String> = tested.iter().map(|(question, _)| question).collect();
        assert!(distinct.len() > 250, "{} distinct questions of {exercise:?}", distinct.len());
    }
}

#[test]
fn lists_are_reversed_sorted_and_counted() {
    for (question, answer) in asked(Exercise::Reverse, Side::Train, 500) {
        let mut words: Vec<&str> = answer.split(' ').collect();
        words.reverse();
        assert_eq!(after(&question, "reverse: "), words.join(" "));
    }
    let number = |word: &str| NUMBERS.iter().position(|number| *number == word).expect("a number");
    for (question, answer) in asked(Exercise::Sort, Side::Train, 500) {
        let numbers = |text: &str| text.split(' ').map(number).collect::<Vec<_>>();
        let (mut given, sorted) = (numbers(after(&question, "sort: ")), numbers(&answer));
        assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]), "{answer}");
        given.sort_unstable();
        assert_eq!(given, sorted);
    }
    let mut seen = HashSet::new();
    for (question, answer) in asked(Exercise::Count, Side::Train, 500) {
        let (what, words) = after(&question, "count ").split_once(": ").expect("a list");
        assert_eq!(words.split(' ').filter(|word| *word == what).count(), number(&answer), "{question}");
        seen.insert(answer);
    }
    assert_eq!(seen.len(), 5);
}

/// The excerpt of a topic goes on as a story that the generator can tell, and a title with its story is one.
#[test]
fn titles_belong_to_their_stories() {
    for (question, title) in asked(Exercise::Title, Side::Train, 50) {
        let story = format!("{title}\n{}", after(&question, "title: "));
        assert!(derivations(&story).is_ok(), "{story}");
    }
    let mut topics = HashMap::new();
    for (question, topic) in asked(Exercise::Topic, Side::Train, 2000) {
        assert!(sentences(after(&question, "topic: ")).len() >= 3, "{question}");
        *topics.entry(topic).or_insert(0) += 1;
    }
    assert_eq!(topics.len(), 12, "{topics:?}");
    // A word that only one topic has.
    for (question, topic) in asked(Exercise::Topic, Side::HeldOut, 500) {
        for (word, of) in [("lighthouse", "harbour"), ("blackboard", "school"), ("hen house", "farm")] {
            assert!(!question.contains(word) || topic == of, "{question}: {topic}");
        }
    }
}

/// The last sentence that gives the thing to somebody by name says who has it.
#[test]
fn who_has_it_is_whom_it_was_given_to() {
    let mut checked = 0;
    for (question, person) in asked(Exercise::Holder, Side::Train, 1500) {
        let (thing, story) = split(&question, "who has the ");
        let mut mentions = sentences(story).into_iter().filter(|sentence| sentence.contains(thing));
        let Some(last) = mentions.next_back() else { panic!("no {thing} in {story}") };
        for giving in [format!(" gave the {thing} to "), format!(" gave the {thing} back to ")] {
            if let Some((_, taker)) = last.split_once(&giving) {
                let taker = taker.trim_end_matches('.');
                if taker.starts_with(char::is_uppercase) {
                    assert_eq!(taker, person, "{question}");
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 50, "{checked} checked");
}

#[test]
fn where_one_is_sitting_one_is() {
    let mut checked = 0;
    for (question, place) in asked(Exercise::Place, Side::Train, 1500) {
        let (who, story) = split(&question, "where is ");
        assert!(story.contains(place.split_once(" the ").expect("a place").1), "{question}: {place}");
        for sentence in sentences(story) {
            // Whoever waits somewhere else, and is never spoken of again, is still there.
            for doing in [" was waiting ", " was sitting ", " was resting "] {
                let start = format!("{who}{doing}");
                if sentence.starts_with(&start) && story.ends_with(sentence) {
                    assert!(sentence.contains(&place), "{question}: {place}");
                }
            }
        }
        checked += usize::from(!who.starts_with("the "));
        assert!(who.starts_with("the ") || !story.contains("went home."), "{question}");
    }
    assert!(checked > 500, "{checked} people");
}

/// Where a story says in the end how many there are, the answer says so too.
#[test]
fn how_many_is_what_the_story_says_last() {
    let mut checked = 0;
    for (question, number) in asked(Exercise::Number, Side::Train, 1500) {
        let (what, story) = split(&question, "how many ");
        let (goods, person) = what.split_once(" has ").expect("goods and a person");
        for said in [format!("{person} still had "), format!("{person} took ")] {
            if let Some((_, rest)) = story.rsplit_once(&said)
                && let Some((told, _)) = rest.split_once(&format!(" {goods}"))
                && NUMBERS.contains(&told)
            {
                assert_eq!(told, number, "{question}");
                checked += 1;
            }
        }
    }
    assert!(checked > 100, "{checked} checked");
}
