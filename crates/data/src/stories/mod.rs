//! The generated corpus: short English stories of which the exact information is known.
//!
//! ```
//! use tercet_data::stories::{Stories, information};
//!
//! let story = Stories::new(0).story(7);
//! println!("{}", story.text);
//! // The text alone gives back the information that the generator put into it.
//! assert!((information(&story.text).unwrap() - story.nats).abs() < 1e-9);
//! ```

#![allow(dead_code)]

mod acts;
mod asides;
mod chooser;
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
pub use facts::{Count, Facts, Holding, Position};
pub use score::{Derivation, NotAStory, derivations, information};
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
    /// −ln p(text), its end included.
    pub nats: f64,
    /// (byte offset, nats of the text before it) at the end of the title and of each sentence.
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
