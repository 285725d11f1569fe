//! What sets a document apart from the next: twelve topics, each with its own places, things and work.

use super::words::Material;

mod country;
mod crafts;
mod town;
mod travel;

/// The words of one topic.
pub(super) struct Topic {
    pub(super) name: &'static str,
    /// "at the harbour"
    pub(super) at: &'static str,
    pub(super) places: [Place; 6],
    /// Things that can be carried, most frequent first.
    pub(super) things: [Thing; 10],
    /// Things that come in numbers.
    pub(super) goods: [Goods; 5],
    /// "the captain"
    pub(super) roles: [&'static str; 4],
    /// Past tense and participle alike: "mended a net".
    pub(super) chores: [&'static str; 6],
    /// Whole sentences that paint the background, each told once at most.
    pub(super) scenery: [&'static str; 8],
    /// What one can look at: "the waves".
    pub(super) sights: [&'static str; 8],
    pub(super) animal: Animal,
}

/// Somewhere to go: "in the barn", and where a thing can lie there.
pub(super) struct Place {
    pub(super) preposition: &'static str,
    pub(super) noun: &'static str,
    pub(super) spots: [&'static str; 3],
}

/// A thing of which there is one: "net", what it is made of, what it is for: "to catch fish".
pub(super) struct Thing {
    pub(super) noun: &'static str,
    pub(super) material: &'static Material,
    pub(super) purpose: &'static str,
}

/// "plum", "plums", "picked".
pub(super) struct Goods {
    pub(super) one: &'static str,
    pub(super) many: &'static str,
    /// How one comes by them: "picked seven plums".
    pub(super) got: &'static str,
}

/// Who takes what is not its own.
pub(super) struct Animal {
    pub(super) noun: &'static str,
    /// "ran" or "flew"
    pub(super) went: &'static str,
    /// What it cannot resist: "a carrot".
    pub(super) bait: &'static str,
}

/// All topics, most frequent first.
pub(super) const TOPICS: [&Topic; 12] = [
    &town::MARKET,
    &travel::HARBOUR,
    &country::FARM,
    &town::SCHOOL,
    &country::GARDEN,
    &crafts::KITCHEN,
    &country::FOREST,
    &crafts::WORKSHOP,
    &travel::MOUNTAIN,
    &town::CASTLE,
    &travel::STATION,
    &crafts::MUSEUM,
];

const fn place(preposition: &'static str, noun: &'static str, spots: [&'static str; 3]) -> Place {
    Place { preposition, noun, spots }
}

pub(super) const fn thing(noun: &'static str, material: &'static Material, purpose: &'static str) -> Thing {
    Thing { noun, material, purpose }
}

const fn goods(one: &'static str, many: &'static str, got: &'static str) -> Goods {
    Goods { one, many, got }
}
