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
}

/// A thing of which the story has one.
#[derive(Clone, Copy, Default)]
pub(super) struct Item {
    pub(super) kind: Option<&'static Thing>,
    pub(super) adjective: &'static str,
    pub(super) at: Where,
    pub(super) origin: Origin,
    /// The thing that this one is to mend, where it is a tool.
    pub(super) mends: Option<Id>,
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

/// Somewhere in the topic's six places.
#[derive(Clone, Copy, Default)]
pub(super) struct Site {
    pub(super) index: Option<usize>,
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
    /// One bit for each sentence of scenery and chore that has been told.
    pub(super) scenery: u32,
    pub(super) chores: u32,
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
            scenery: 0,
            chores: 0,
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

    pub(super) fn stock(&mut self, person: Id, goods: Id) -> &mut usize {
        let known = self.stocks.iter().position(|s| s.person == person && s.goods == goods);
        let i = known.unwrap_or_else(|| {
            self.stocks.push(Stock { person, goods, number: 0 });
            self.stocks.len() - 1
        });
        &mut self.stocks[i].number
    }
}
