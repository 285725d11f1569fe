//! The generated corpus: short English stories of which the exact information is known.
//!
//! ```
//! use tercet_data::stories::{Stories, information};
//!
//! let stories = Stories::new(0);
//! let story = stories.story(7);
//! println!("{}", story.text);
//! // The text alone gives back the information that the generator put into it.
//! assert!((information(&story.text)? - story.nats).abs() < 1e-9);
//! # Ok::<(), tercet_data::stories::NotAStory>(())
//! ```
//!
//! # The world
//!
//! A story has one of twelve topics (market, harbour, farm, …), which gives it its places, things, goods, work and
//! background, and one of eight plots: something is lost and found; something is fetched; things are traded;
//! goods are shared; something breaks and is mended; notes lead to a present; an animal runs off with something;
//! a thread tells who took something. Between the steps of the plot come asides: people arrive, find, leave, give
//! and lose things, work and are tired of it, count, compare and ask.
//!
//! A small state of the world ([`Facts`] is what the end leaves of it) decides what can be told, so sentences refer
//! back: who has the thing now, under what it was left, how many are left, what colour the coat was, who was said
//! to be where, what the uncle did. A reader who keeps track has nothing to guess there; one who does not pays for
//! it in nats. This is what tells a larger model from a smaller one.
//!
//! # Questions
//!
//! An [`Exercise`] asks about stories, or about lists of their words, and knows the answer: short questions in text
//! that a model can be taught and tested with.
//!
//! # Why the floor is exact
//!
//! The telling is a program over a `Chooser`: it asks for a choice among weighted branches and says pieces of text.
//! A sampler draws the branches and adds up −ln p of each. [`information`] runs *the same program* as a search: it
//! follows every branch as long as what is said agrees with a given text, and adds the probabilities of all ways
//! that come to its end. It reads nothing but the text, so it is −ln p(text) whatever the grammar. The two
//! agree, and the tests hold them to it over thousands of stories, because the grammar is unambiguous: each text has
//! one derivation. A choice is made where the text shows it (what a thing *is* is decided when it is first named) or
//! is shown by a later sentence; none stays hidden.
//!
//! So the mean of [`Story::nats`] over documents is their entropy, and no model can have a lower loss in the mean.
//! **The floor per token over a text is its total nats divided by the number of its tokens**, the end-of-text token
//! of each document counted, because `nats` holds the information that the story ends where it does. It is exact
//! over whole documents seen from their beginning; a window that opens inside a document hides what came before, so
//! its loss can only be higher. [`prefix_information`] gives the floor of a document that is cut off.

mod acts;
mod asides;
mod chooser;
mod exercise;
mod facts;
mod numbers;
mod plots;
mod score;
mod slots;
mod talk;
mod teller;
mod topics;
mod words;
mod world;

use std::ops::Range;

use chooser::{Chooser, Sampler};
pub use exercise::{Exercise, Side};
pub use facts::{Count, Facts, Holding, Position};
pub use score::{Derivation, NotAStory, derivations, information, prefix_information};
use teller::{Teller, Told};
use topics::TOPICS;
use world::World;

/// One document of the generated corpus.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// A title line, then the story on one line.
    pub text: String,
    /// Byte ranges of the sentences in `text`, without the title.
    pub sentences: Vec<Range<usize>>,
    /// What the document is about: "harbour".
    pub topic: &'static str,
    /// −ln p(text) in nats, the information that it ends here included.
    pub nats: f64,
    /// (byte offset, nats of the choices made so far) at the end of the title and of each sentence. The plot is
    /// chosen before the title shows it, so a part may hold a little more than −ln p of its text
    /// ([`prefix_information`] is exact); the whole is exact.
    pub nats_at: Vec<(usize, f64)>,
    /// What is true at the end.
    pub facts: Facts,
}

impl Story {
    /// The title line.
    pub fn title(&self) -> &str {
        &self.text[..self.nats_at[0].0]
    }
}

/// All the stories of one seed, in order; any of them can be made alone.
#[derive(Clone, Copy, Debug)]
pub struct Stories {
    seed: u64,
    next: u64,
}

impl Stories {
    /// The endless corpus of this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, next: 0 }
    }

    /// Story `index` of this seed.
    pub fn story(&self, index: u64) -> Story {
        let mut sampler = Sampler::new(self.seed, index);
        let Ok(world) = narrate(&mut sampler);
        let Sampler { text, mut ledger, .. } = sampler;
        let nats = ledger.settle();
        let ends = ledger.marks.iter().map(|&(end, _)| end);
        let sentences = ends.clone().zip(ends.skip(1)).map(|(before, end)| before + 1..end).collect();
        Story {
            facts: Facts::of(&world),
            topic: world.topic.name,
            sentences,
            nats,
            nats_at: ledger.marks,
            text,
        }
    }
}

impl Iterator for Stories {
    type Item = Story;

    fn next(&mut self) -> Option<Story> {
        let story = self.story(self.next);
        self.next += 1;
        Some(story)
    }
}

/// Tells one story to a chooser, and returns how the world stands at its end.
fn narrate<C: Chooser>(chooser: &mut C) -> Told<C, World> {
    let topic = TOPICS[chooser.choose(&words::ZIPF[..TOPICS.len()])?];
    let mut teller = Teller::new(chooser, World::new(topic));
    teller.plot()?;
    Ok(teller.world)
}
