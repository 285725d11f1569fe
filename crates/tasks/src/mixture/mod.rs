//! Several tasks as one stream (Raffel et al. 2020, section 3.5.2).

mod file;
mod member;

pub use file::{MemberEntry, MixtureFile};
pub use member::{Content, Member, Place};
use serde::{Deserialize, Serialize};
use tercet_objectives::Random;

use crate::{Error, Result};

/// How often each task comes, where it does not say so itself: in proportion to min(n, K)^(1/T) for n examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixing {
    /// K: more examples than that do not make a task more frequent.
    pub limit: f64,
    /// T: 1 mixes in proportion to the examples, more evens the tasks out.
    pub temperature: f64,
}

impl Default for Mixing {
    /// The paper's: K = 2¹⁹ and T = 1.
    fn default() -> Self {
        Mixing { limit: 524_288.0, temperature: 1.0 }
    }
}

impl Mixing {
    /// The rate of a task of so many examples; none are examples without end.
    pub fn rate(&self, examples: Option<u64>) -> f64 {
        examples.map_or(self.limit, |n| self.limit.min(n as f64)).powf(1.0 / self.temperature)
    }

    fn check(&self) -> Result<()> {
        for (name, value) in [("limit", self.limit), ("temperature", self.temperature)] {
            if !(value > 0.0 && value.is_finite()) {
                let (name, found) = (format!("the {name} of the mixture"), value.to_string());
                return Err(Error::Setting { name, expected: "a number above 0", found });
            }
        }
        Ok(())
    }
}

/// What a mixture gives: an example, and which member it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The number of the member, from 0.
    pub member: usize,
    /// The example.
    pub content: Content,
}

/// An endless stream of examples of several tasks: at each place a member is drawn by its rate, and gives its next
/// example. Examples that are read come in a new order in each epoch.
///
/// The stream is a function of the seed, and its position is a few numbers.
///
/// ```
/// use tercet_tasks::{Member, Mixing, Mixture, Split, Task};
///
/// let member = |name| Member::of_task(Task::named(name)?, None, Split::Train, 0);
/// let members = vec![member("sort")?.with_rate(3.0), member("reverse")?.with_rate(1.0)];
/// let mut mixture = Mixture::new(members, Mixing::default(), 7)?;
/// mixture.by_ref().take(10).try_for_each(|drawn| drawn.map(drop))?;
///
/// let position = mixture.position();
/// let next: Vec<_> = mixture.by_ref().take(5).collect::<Result<_, _>>()?;
/// mixture.restore(&position)?;
/// assert_eq!(mixture.take(5).collect::<Result<Vec<_>, _>>()?, next);
/// # Ok::<(), tercet_tasks::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mixture {
    members: Vec<Member>,
    /// Σ of the shares up to and with each member; the last is 1.
    cumulated: Vec<f64>,
    seed: u64,
    drawn: u64,
}

/// A position in a mixture: all that must be saved to go on exactly where a run was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Decides which member comes next, and every order.
    pub seed: u64,
    /// How many examples have been drawn.
    pub drawn: u64,
    /// The name of each member and where it is.
    pub members: Vec<(String, Place)>,
}

impl Mixture {
    /// Mixes members.
    ///
    /// # Errors
    /// When there is none, one has no examples, or a rate, the limit or the temperature is not above 0.
    pub fn new(members: Vec<Member>, mixing: Mixing, seed: u64) -> Result<Self> {
        mixing.check()?;
        let setting = |name: String, expected, found: String| Error::Setting { name, expected, found };
        if members.is_empty() {
            return Err(setting("a mixture".to_owned(), "of at least one member", "none".to_owned()));
        }
        let mut rates = Vec::new();
        for member in &members {
            if member.number() == Some(0) {
                return Err(setting(
                    format!("the examples of {}", member.name()),
                    "at least one",
                    "none".to_owned(),
                ));
            }
            let rate = member.rate().unwrap_or_else(|| mixing.rate(member.number()));
            if !(rate > 0.0 && rate.is_finite()) {
                return Err(setting(
                    format!("the rate of {}", member.name()),
                    "a number above 0",
                    rate.to_string(),
                ));
            }
            rates.push(rate);
        }
        let total: f64 = rates.iter().sum();
        let cumulated = rates.iter().scan(0.0, |sum, rate| {
            *sum += rate / total;
            Some(*sum)
        });
        Ok(Self { cumulated: cumulated.collect(), members, seed, drawn: 0 })
    }

    /// The members.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The share of a member, 0 to 1.
    ///
    /// # Panics
    /// There is no such member.
    pub fn share(&self, member: usize) -> f64 {
        self.cumulated[member] - if member == 0 { 0.0 } else { self.cumulated[member - 1] }
    }

    /// Where the next example is.
    pub fn position(&self) -> Position {
        let members = self.members.iter().map(|member| (member.name().to_owned(), member.place())).collect();
        Position { seed: self.seed, drawn: self.drawn, members }
    }

    /// Goes to a position, which also brings its seed along.
    ///
    /// # Errors
    /// When it is of a mixture with other members.
    pub fn restore(&mut self, position: &Position) -> Result<()> {
        let ours: Vec<&str> = self.members.iter().map(Member::name).collect();
        let theirs: Vec<&str> = position.members.iter().map(|(name, _)| name.as_str()).collect();
        if ours != theirs {
            return Err(Error::OtherMixture { expected: ours.join(", "), found: theirs.join(", ") });
        }
        for (member, (_, place)) in self.members.iter_mut().zip(&position.members) {
            member.restore(*place)?;
        }
        (self.seed, self.drawn) = (position.seed, position.drawn);
        Ok(())
    }

    fn draw(&mut self) -> Result<Drawn> {
        let at = Random::at(self.seed, &[self.drawn]).uniform();
        let last = self.members.len() - 1; // the sum of the shares may be a little below 1
        let member = self.cumulated.partition_point(|sum| *sum <= at).min(last);
        let content = self.members[member].next_content(self.seed ^ member as u64)?;
        self.drawn += 1;
        Ok(Drawn { member, content })
    }
}

impl Iterator for Mixture {
    type Item = Result<Drawn>;

    /// The next example: a mixture has no end. After an error the position is as it was.
    fn next(&mut self) -> Option<Result<Drawn>> {
        Some(self.draw())
    }
}
