//! The generator against vectors of Python's.

use serde_json::Value;
use tercet_objectives::Random;

use crate::reference::{float, ids, json, number};

#[test]
fn draws_are_those_of_python() {
    let Some(vectors) = json("bert_pretraining_data/mt19937.json") else { return };
    for vector in vectors["generators"].as_array().expect("generators") {
        check(vector);
    }
}

fn check(vector: &Value) {
    // Python takes the absolute value of a seed of any size; two words are enough here.
    let Some(seed) = vector["seed"].as_i64().map(i64::unsigned_abs).or(vector["seed"].as_u64()) else {
        return;
    };
    let fresh = || Random::new(seed);
    let list = |name: &str| vector[name].as_array().expect("a list").clone();

    let mut random = fresh();
    for expected in list("random") {
        assert_eq!(random.uniform(), float(&expected), "seed {seed}");
    }
    let mut random = fresh();
    for row in list("randint") {
        let [low, high, expected] = [0, 1, 2].map(|i| row[i].as_i64().expect("a number"));
        let drawn = random.between(0, (high - low) as usize);
        assert_eq!(low + drawn as i64, expected, "seed {seed}: {row}");
    }
    let mut random = fresh();
    for row in list("shuffle") {
        let mut items: Vec<u32> = (0..number(&row[0]) as u32).collect();
        random.shuffle(&mut items);
        assert_eq!(items, ids(&row[1]), "seed {seed}");
    }
    let mut random = fresh();
    for (i, row) in list("mixed").iter().enumerate() {
        let mut items: Vec<u32> = (0..5 + i as u32).collect();
        random.shuffle(&mut items);
        assert_eq!(items, ids(&row["shuffle"]), "seed {seed}");
        assert_eq!(random.uniform(), float(&row["random"]), "seed {seed}");
        assert_eq!(random.between(2, 61), number(&row["randint_2_61"]), "seed {seed}");
        assert_eq!(random.below(30522), number(&row["randrange_30522"]), "seed {seed}");
    }
    let mut random = fresh();
    (0..1000).for_each(|_| _ = random.uniform()); // two words each
    for expected in list("random_after_2000_words") {
        assert_eq!(random.uniform(), float(&expected), "seed {seed}");
    }
}
