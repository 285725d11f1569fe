use super::chooser::SplitMix64;
use super::topics::TOPICS;
use super::words::NUMBERS;
use super::{Stories, Story};

/// A kind of question with an exact answer, both short texts. Questions have no end.
///
/// The first three are about lists of the stories' words, and a very small model learns them in minutes. The others
/// are about a story: what it is about, and what is true at its end, for which one must keep track of it.
///
/// ```
/// use tercet_data::stories::{Exercise, Side};
///
/// let (question, answer) = Exercise::Sort.ask(0, Side::Train, 7);
/// assert_eq!(question, "sort: one eight ten nine two");
/// assert_eq!(answer, "one two eight nine ten");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exercise {
    /// "reverse: kite drum bell" — "bell drum kite"
    Reverse,
    /// "sort: seven two five" — "two five seven"
    Sort,
    /// "count kite: drum kite bell kite" — "two"
    Count,
    /// "topic: " and the first sentences of a story — "harbour"
    Topic,
    /// "title: " and a story — its title
    Title,
    /// "who has the kite? " and a story — "Mia"
    Holder,
    /// "where is Mia? " and a story — "in the barn"
    Place,
    /// "how many plums has Mia? " and a story — "seven"
    Number,
}

/// Which questions: no question is on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Those to learn from: seven of eight.
    Train,
    /// Those to be tested with.
    HeldOut,
}

/// The longest list.
const LONGEST: u32 = 5;
/// How many sentences tell the topic.
const EXCERPT: usize = 3;

impl Exercise {
    /// All of them.
    pub const ALL: [Exercise; 8] = [
        Exercise::Reverse,
        Exercise::Sort,
        Exercise::Count,
        Exercise::Topic,
        Exercise::Title,
        Exercise::Holder,
        Exercise::Place,
        Exercise::Number,
    ];

    /// A name without spaces.
    pub const fn name(self) -> &'static str {
        match self {
            Exercise::Reverse => "reverse",
            Exercise::Sort => "sort",
            Exercise::Count => "count",
            Exercise::Topic => "topic",
            Exercise::Title => "title",
            Exercise::Holder => "who_has",
            Exercise::Place => "where_is",
            Exercise::Number => "how_many",
        }
    }

    /// What it asks, in a few words.
    pub const fn about(self) -> &'static str {
        match self {
            Exercise::Reverse => "a list of words from its end to its beginning",
            Exercise::Sort => "numbers in their order",
            Exercise::Count => "how often is a word in a list?",
            Exercise::Topic => "what do the first sentences of a story speak of?",
            Exercise::Title => "the title of a story",
            Exercise::Holder => "who has a thing at the end of a story?",
            Exercise::Place => "where is somebody or something at the end of a story?",
            Exercise::Number => "how many does somebody have at the end of a story?",
        }
    }

    /// Question `index` of a side, and its answer.
    pub fn ask(self, seed: u64, side: Side, index: u64) -> (String, String) {
        let mut random = SplitMix64::of(seed ^ fnv(self.name()), index);
        loop {
            let Some((question, answer)) = self.draw(&mut random) else { continue };
            let held_out = fnv(&question).is_multiple_of(8);
            if held_out == (side == Side::HeldOut) {
                return (question, answer);
            }
        }
    }

    fn draw(self, random: &mut SplitMix64) -> Option<(String, String)> {
        match self {
            Exercise::Reverse => Some(reverse(random)),
            Exercise::Sort => Some(sort(random)),
            Exercise::Count => Some(count(random)),
            _ => {
                let seed = u64::from(random.below(u32::MAX)) << 32 | u64::from(random.below(u32::MAX));
                self.about_story(&Stories::new(seed).story(0), random)
            }
        }
    }

    /// A question about a story, if it has an answer there.
    fn about_story(self, story: &Story, random: &mut SplitMix64) -> Option<(String, String)> {
        let (text, facts) = (&story.text, &story.facts);
        match self {
            Exercise::Topic => {
                let end = story.sentences.get(EXCERPT - 1)?.end;
                let excerpt = &text[story.sentences[0].start..end];
                Some((format!("topic: {excerpt}"), story.topic.to_owned()))
            }
            Exercise::Title => {
                let body = &text[story.sentences[0].start..];
                Some((format!("title: {body}"), story.title().to_owned()))
            }
            Exercise::Holder => {
                let holding = pick(random, &facts.holders)?;
                Some((format!("who has the {}? {text}", holding.thing), holding.person.to_owned()))
            }
            Exercise::Place => {
                // Whoever goes home at the end is in no place that the story has.
                let is_person = random.below(2) == 0 && !text.contains(" home.");
                let position = pick(random, if is_person { &facts.people } else { &facts.lying })?;
                let article = if is_person { "" } else { "the " };
                Some((format!("where is {article}{}? {text}", position.what), position.place.clone()))
            }
            _ => {
                let count = pick(random, &facts.counts)?;
                let answer = if count.number == 0 { "none" } else { NUMBERS.get(count.number)? };
                Some((format!("how many {} has {}? {text}", count.of, count.person), answer.to_owned()))
            }
        }
    }
}

fn reverse(random: &mut SplitMix64) -> (String, String) {
    let length = 2 + random.below(LONGEST - 1);
    let words: Vec<&str> = (0..length).map(|_| noun(random)).collect();
    let reversed: Vec<&str> = words.iter().rev().copied().collect();
    (format!("reverse: {}", words.join(" ")), reversed.join(" "))
}

fn sort(random: &mut SplitMix64) -> (String, String) {
    let length = 3 + random.below(LONGEST - 2) as usize;
    let mut numbers: Vec<usize> = Vec::new();
    while numbers.len() < length {
        let number = 1 + random.below(12) as usize;
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    let spelt = |numbers: &[usize]| numbers.iter().map(|&n| NUMBERS[n]).collect::<Vec<_>>().join(" ");
    let question = format!("sort: {}", spelt(&numbers));
    numbers.sort_unstable();
    (question, spelt(&numbers))
}

fn count(random: &mut SplitMix64) -> (String, String) {
    let asked = noun(random);
    let times = 1 + random.below(LONGEST) as usize;
    let mut words = vec![asked; times];
    for _ in 0..random.below(LONGEST) {
        let other = noun(random);
        if other != asked {
            words.insert(random.below(words.len() as u32 + 1) as usize, other);
        }
    }
    (format!("count {asked}: {}", words.join(" ")), NUMBERS[times].to_owned())
}

/// The name of a thing of some topic, one word.
fn noun(random: &mut SplitMix64) -> &'static str {
    loop {
        let things = &TOPICS[random.below(TOPICS.len() as u32) as usize].things;
        let noun = things[random.below(things.len() as u32) as usize].noun;
        if !noun.contains(' ') {
            return noun;
        }
    }
}

fn pick<'a, T>(random: &mut SplitMix64, items: &'a [T]) -> Option<&'a T> {
    let count = u32::try_from(items.len()).ok().filter(|count| *count > 0)?;
    Some(&items[random.below(count) as usize])
}

/// FNV-1a.
fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
