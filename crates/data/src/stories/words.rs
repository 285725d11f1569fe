//! Words that every topic shares: names, numbers, materials.

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
pub(super) const MADE: [&str; 4] = ["made", "bought", "found", "won"];

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

/// What a thing is made of says how it looks, how it breaks and what mends it.
pub(super) struct Material {
    pub(super) adjectives: &'static [&'static str],
    /// "The kite was torn."
    pub(super) broken: &'static str,
    /// What one needs to mend it.
    pub(super) tools: &'static [&'static str],
}

pub(super) const CLOTH: &Material = &Material {
    adjectives: &["red", "blue", "woollen", "striped", "grey", "soft"],
    broken: "torn",
    tools: &["needle", "thread"],
};
pub(super) const WOOD: &Material = &Material {
    adjectives: &["wooden", "old", "small", "painted", "brown", "carved"],
    broken: "cracked",
    tools: &["hammer", "saw"],
};
pub(super) const METAL: &Material = &Material {
    adjectives: &["iron", "brass", "rusty", "silver", "heavy", "copper"],
    broken: "bent",
    tools: &["hammer", "file"],
};
pub(super) const CLAY: &Material = &Material {
    adjectives: &["white", "blue", "clay", "round", "glass", "little"],
    broken: "cracked",
    tools: &["glue", "brush"],
};
pub(super) const PAPER: &Material = &Material {
    adjectives: &["old", "yellow", "thin", "folded", "long", "green"],
    broken: "torn",
    tools: &["glue", "ruler"],
};
pub(super) const CORD: &Material = &Material {
    adjectives: &["long", "strong", "old", "brown", "leather", "new"],
    broken: "torn",
    tools: &["needle", "knife"],
};

/// "a" or "an": the words of this corpus begin as they sound.
pub(super) fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an " } else { "a " }
}
