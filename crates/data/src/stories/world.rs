//! What is true in a story at the moment: who is where, who has what, who has how many.

use super::topics::{Goods, Thing, Topic};
use super::words::Name;

/// People, things, places and kinds of goods are numbered in the order in which the story needs them. What they
/// *are* (a name, a noun) is decided only when the text first says it, so that no choice is ever hidden.
pub(super) type Id = usize;

/// Somebody.
#[derive(Clone, Copy, Default)]
pub(super) struct Person {
    pub(super) name: Option<&'static Name>,
    pub(super) role: Option<&'static str>,
    pub(super) at: Option<Id>,
    /// Work that made the person tired, and the sentence that told of it.
    pub(super) chore: Option<(&'static str, usize)>,
}

/// A thing of which the story has one.
#[derive(Clone, Copy, Default)]
pub(super) struct Item {
    pub(super) kind: Option<&'static Thing>,
    pub(super) adjective: &'static str,
    pub(super) at: Where,
    pub(super) origin: Origin,
    pub(super) pool: Pool,
    /// The plot does not need it: it may change hands at any time.
    pub(super) side: bool,
}

/// What a thing may turn out to be.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Pool {
    /// One of the topic's things.
    #[default]
    Topic,
    /// A tool that mends this thing.
    Mends(Id),
    /// Something to wear.
    Clothes,
}

/// Where a thing is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) enum Where {
    /// Nobody in the story knows.
    #[default]
    Unknown,
    /// Somebody has it.
    With(Id),
    /// It lies in a place, at one of its spots once the text has said at which.
    Lies(Id, Option<usize>),
}

/// How the thing came to whoever has it: what "the kite that …" goes on with.
#[derive(Clone, Copy, Default)]
pub(super) enum Origin {
    #[default]
    Untold,
    /// "that her uncle had made"
    Kin(&'static str, &'static str),
    /// "that Tom had given her"
    Given(Id),
    /// "that she had found under the bench"
    Found(Id, usize),
}

/// It rains once in a story at most.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rain {
    NotYet,
    Falling,
    Over,
}

/// Somewhere in the topic's six places.
#[derive(Clone, Copy, Default)]
pub(super) struct Site {
    pub(super) index: Option<usize>,
    /// Whether the text has named it.
    pub(super) named: bool,
    /// One bit a person: who has been here.
    pub(super) visited: u32,
}

/// So many of a kind in somebody's hands.
#[derive(Clone, Copy)]
pub(super) struct Stock {
    pub(super) person: Id,
    pub(super) goods: Id,
    pub(super) number: usize,
}

/// The state of the story.
pub(super) struct World {
    pub(super) topic: &'static Topic,
    pub(super) people: Vec<Person>,
    pub(super) items: Vec<Item>,
    pub(super) sites: Vec<Site>,
    pub(super) goods: Vec<Option<&'static Goods>>,
    pub(super) stocks: Vec<Stock>,
    pub(super) weather: Option<&'static str>,
    pub(super) daytime: Option<&'static str>,
    pub(super) rain: Rain,
    /// Whether a number has been asked for, and one bit for each person, each thing that has been asked for.
    pub(super) counted: bool,
    pub(super) asked: u32,
    pub(super) traced: u32,
    /// One bit for each piece of scenery, chore and sight that has been told of.
    pub(super) scenery: u32,
    pub(super) chores: u32,
    pub(super) sights: u32,
}

impl World {
    pub(super) fn new(topic: &'static Topic) -> Self {
        Self {
            topic,
            people: Vec::with_capacity(4),
            items: Vec::with_capacity(4),
            sites: Vec::with_capacity(6),
            goods: Vec::with_capacity(2),
            stocks: Vec::with_capacity(4),
            weather: None,
            daytime: None,
            rain: Rain::NotYet,
            counted: false,
            asked: 0,
            traced: 0,
            scenery: 0,
            chores: 0,
            sights: 0,
        }
    }

    pub(super) fn person(&mut self) -> Id {
        self.people.push(Person::default());
        self.people.len() - 1
    }

    pub(super) fn item(&mut self) -> Id {
        self.items.push(Item::default());
        self.items.len() - 1
    }

    pub(super) fn item_with(&mut self, person: Id, pool: Pool) -> Id {
        self.items.push(Item { at: Where::With(person), pool, ..Item::default() });
        self.items.len() - 1
    }

    pub(super) fn site(&mut self) -> Id {
        self.sites.push(Site::default());
        self.sites.len() - 1
    }

    pub(super) fn goods(&mut self) -> Id {
        self.goods.push(None);
        self.goods.len() - 1
    }

    /// Moves a person; returns whether it has been there before.
    pub(super) fn moves(&mut self, person: Id, site: Id) -> bool {
        let bit = 1 << person;
        let before = self.sites[site].visited & bit != 0;
        self.sites[site].visited |= bit;
        self.people[person].at = Some(site);
        before
    }

    /// Where a person is; the plots know of everybody whom they ask for.
    pub(super) fn place_of(&self, person: Id) -> Id {
        self.people[person].at.expect("the plot has told where this person is")
    }

    /// Somebody other than `person` in the same place.
    pub(super) fn company(&self, person: Id) -> Option<Id> {
        let here = self.people[person].at?;
        (0..self.people.len()).find(|&q| q != person && self.people[q].at == Some(here))
    }

    /// The last thing of the story that a person has, clothes aside.
    pub(super) fn held(&self, person: Id) -> Option<Id> {
        let has = |item: &Item| item.kind.is_some() && item.at == Where::With(person);
        self.items.iter().rposition(|item| has(item) && item.pool != Pool::Clothes)
    }

    /// A thing that a person has and that the plot does not need.
    pub(super) fn side_item(&self, person: Id) -> Option<Id> {
        self.items.iter().position(|item| item.side && item.at == Where::With(person))
    }

    /// The first goods of which a person has any.
    pub(super) fn stock_of(&self, person: Id) -> Option<Stock> {
        self.stocks.iter().find(|s| s.person == person && s.number > 0).copied()
    }

    /// The stocks of two people who have the same goods.
    pub(super) fn rival(&self, p: Id, q: Id) -> Option<(Stock, Stock)> {
        let (mine, theirs) = (self.stock_of(p)?, self.stock_of(q)?);
        (p != q && mine.goods == theirs.goods).then_some((mine, theirs))
    }

    /// How many of the goods a person has; 0 at first.
    pub(super) fn stock(&mut self, person: Id, goods: Id) -> &mut usize {
        let known = self.stocks.iter().position(|s| s.person == person && s.goods == goods);
        let i = known.unwrap_or_else(|| {
            self.stocks.push(Stock { person, goods, number: 0 });
            self.stocks.len() - 1
        });
        &mut self.stocks[i].number
    }
}
