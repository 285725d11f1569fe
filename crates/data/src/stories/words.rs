//! Words that every topic shares: names, numbers, materials.

use super::topics::{Thing, thing};

/// A first name and the pronouns that go with it.
pub(super) struct Name {
    pub(super) name: &'static str,
    pub(super) she: bool,
}

const fn she(name: &'static str) -> Name {
    Name { name, she: true }
}

const fn he(name: &'static str) -> Name {
    Name { name, she: false }
}

/// Most frequent first: the weight of a name falls with its rank ([`ZIPF`]).
#[rustfmt::skip]
pub(super) const NAMES: [Name; 40] = [
    she("Mia"), he("Tom"), she("Anna"), he("Ben"), he("Leo"), she("Clara"), he("Max"), she("Rosa"), she("Ida"),
    he("Jonas"), she("Nora"), he("Felix"), he("Oscar"), she("Lucy"), she("Ella"), he("Hugo"), he("Sam"),
    she("Vera"), he("Peter"), she("Emma"), he("David"), she("Alma"), she("Ruth"), he("Karl"), he("Simon"),
    she("Greta"), he("Martin"), she("Tilda"), she("Flora"), he("Arthur"), he("Henry"), she("Hannah"), he("Victor"),
    she("Stella"), he("Noah"), she("Judith"), he("Walter"), she("Marta"), he("Emil"), she("Olga"),
];

/// Relatives who give things away.
pub(super) const KIN: [&str; 8] =
    ["grandmother", "uncle", "father", "sister", "mother", "aunt", "grandfather", "brother"];

/// How a relative came by a gift.
pub(super) const MADE: [&str; 4] = ["bought", "found", "sent", "brought"];

/// Numbers in words, 0 to 24.
#[rustfmt::skip]
pub(super) const NUMBERS: [&str; 25] = [
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty", "twenty-one",
    "twenty-two", "twenty-three", "twenty-four",
];

/// Weights that fall with the rank as 1/(rank + 1.5), after Zipf.
pub(super) const ZIPF: [u32; 48] = {
    let mut weights = [0; 48];
    let mut i = 0;
    while i < 48 {
        weights[i] = (12000 / (2 * i + 3)) as u32;
        i += 1;
    }
    weights
};

/// How a place looks when it is first named; the empty word, most often, says nothing.
pub(super) const LOOKS: [&str; 6] = ["", "old ", "little ", "big ", "quiet ", "lovely "];

pub(super) const LOOK_WEIGHTS: [u32; 6] = [14, 3, 2, 2, 2, 1];

/// Kinds of weather for a whole day.
pub(super) const WEATHER: [&str; 8] =
    ["cold", "warm", "windy", "grey", "bright", "quiet", "foggy", "beautiful"];

/// Times of day.
pub(super) const DAYTIMES: [&str; 4] = ["morning", "afternoon", "day", "evening"];

/// What a thing is made of says how it looks, how it breaks and what mends it.
pub(super) struct Material {
    pub(super) adjectives: &'static [&'static str],
    /// "The kite was torn."
    pub(super) broken: &'static str,
    /// What one needs to mend it.
    pub(super) tools: &'static [Thing],
}

pub(super) const CLOTH: &Material = &Material {
    adjectives: &["red", "blue", "woollen", "striped", "grey", "soft"],
    broken: "torn",
    tools: &[
        thing("needle", TOOL, "to sew up the hole"),
        thing("sewing kit", TOOL, "to put a patch on the hole"),
    ],
};
pub(super) const WOOD: &Material = &Material {
    adjectives: &["wooden", "old", "small", "painted", "brown", "carved"],
    broken: "cracked",
    tools: &[
        thing("hammer", TOOL, "to nail the parts together"),
        thing("clamp", TOOL, "to press the parts together"),
    ],
};
pub(super) const METAL: &Material = &Material {
    adjectives: &["iron", "brass", "rusty", "silver", "heavy", "copper"],
    broken: "bent",
    tools: &[thing("mallet", TOOL, "to beat the metal flat"), thing("vice", TOOL, "to press the metal flat")],
};
pub(super) const CLAY: &Material = &Material {
    adjectives: &["white", "blue", "clay", "round", "glass", "little"],
    broken: "broken",
    tools: &[thing("glue pot", TOOL, "to join the pieces"), thing("brush", TOOL, "to paint over the crack")],
};
pub(super) const PAPER: &Material = &Material {
    adjectives: &["old", "yellow", "thin", "folded", "long", "green"],
    broken: "torn",
    tools: &[thing("glue pot", TOOL, "to join the pieces"), thing("ruler", TOOL, "to press the paper flat")],
};
pub(super) const CORD: &Material = &Material {
    adjectives: &["strong", "big", "new", "old", "light", "green"],
    broken: "torn",
    tools: &[
        thing("hook", TOOL, "to pull the ends together"),
        thing("awl", TOOL, "to tie the ends together"),
    ],
};
pub(super) const LEATHER: &Material = &Material {
    adjectives: &["leather", "brown", "old", "black", "fine", "new"],
    broken: "torn",
    tools: &[thing("needle", TOOL, "to sew up the hole"), thing("awl", TOOL, "to make a new hole")],
};
/// What mends the others, and never breaks.
const TOOL: &Material = &Material {
    adjectives: &["good", "small", "old", "new", "large", "special"],
    broken: "blunt",
    tools: &[],
};
/// What people wear: told apart by colour.
const DRESS: &Material = &Material {
    adjectives: &["red", "blue", "green", "yellow", "white", "black", "purple", "orange"],
    broken: "torn",
    tools: CLOTH.tools,
};
pub(super) const CLOTHES: [Thing; 6] = [
    thing("coat", DRESS, "to keep warm"),
    thing("jacket", DRESS, "to keep warm"),
    thing("pullover", DRESS, "to keep warm"),
    thing("cape", DRESS, "to keep dry"),
    thing("waistcoat", DRESS, "to look fine"),
    thing("hood", DRESS, "to keep the wind off"),
];

/// "a" or "an": the words of this corpus begin as they sound.
pub(super) fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an " } else { "a " }
}
