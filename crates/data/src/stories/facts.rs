//! What is true when a story ends: the answers to questions about it.

use super::world::{Id, Pool, Where, World};

/// The state of the world at the end of a story, as far as its text tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Who has which thing, clothes aside.
    pub holders: Vec<Holding>,
    /// Where the things lie that nobody has.
    pub lying: Vec<Position>,
    /// Where everybody is.
    pub people: Vec<Position>,
    /// Who has how many of what.
    pub counts: Vec<Count>,
}

/// Somebody has something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// "kite"
    pub thing: &'static str,
    /// "Mia"
    pub person: &'static str,
}

/// Somebody or something is somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// "Mia" or "kite"
    pub what: &'static str,
    /// "in the barn"
    pub place: String,
}

/// Somebody has so many of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// "Mia"
    pub person: &'static str,
    /// "plums"
    pub of: &'static str,
    /// 7
    pub number: usize,
}

impl Facts {
    pub(super) fn of(world: &World) -> Self {
        let mut facts = Self::default();
        for item in &world.items {
            let Some(kind) = item.kind.filter(|_| item.pool != Pool::Clothes) else { continue };
            match item.at {
                Where::With(person) => {
                    let holding = name(world, person).map(|person| Holding { thing: kind.noun, person });
                    facts.holders.extend(holding);
                }
                Where::Lies(site, _) => {
                    facts.lying.extend(place(world, site).map(|place| Position { what: kind.noun, place }));
                }
                Where::Unknown => {}
            }
        }
        for person in &world.people {
            if let (Some(name), Some(site)) = (person.name, person.at) {
                facts.people.extend(place(world, site).map(|place| Position { what: name.name, place }));
            }
        }
        for stock in &world.stocks {
            if let (Some(person), Some(goods)) = (name(world, stock.person), world.goods[stock.goods]) {
                facts.counts.push(Count { person, of: goods.many, number: stock.number });
            }
        }
        facts
    }
}

fn name(world: &World, person: Id) -> Option<&'static str> {
    world.people[person].name.map(|name| name.name)
}

fn place(world: &World, site: Id) -> Option<String> {
    let place = &world.topic.places[world.sites[site].index?];
    Some(format!("{} the {}", place.preposition, place.noun))
}
