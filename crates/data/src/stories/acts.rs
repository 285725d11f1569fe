//! What happens in every plot: a scene is set, people come and go, a thing changes hands, a day ends.

use super::chooser::Chooser;
use super::teller::{Cast, Teller, Told};
use super::world::{Id, Origin, Pool, Where};

impl<C: Chooser> Teller<'_, C> {
    /// Sets the scene: when it is, and that `p` is at `x`.
    pub(super) fn open(&mut self, cast: &Cast) -> Told<C> {
        let way = self.rank(4)?;
        match way {
            0 => {
                self.tell(
                    cast,
                    &[
                        "It was a {a:weather} {a:day} {a:at}.",
                        "A {a:weather} {a:day} (began|had begun) {a:at}.",
                    ],
                )?;
                self.tell(
                    cast,
                    &[
                        "{p} was {x:in}.",
                        "{p} (stood|sat|waited) {x:in}[ and (looked at|watched|thought of) {a:sight}].",
                        "{x:in} (stood|sat) {p:who}.",
                    ],
                )?;
            }
            1 => self.tell(
                cast,
                &[
                    "One {a:weather} {a:day} {p} was {x:in}.",
                    "On a {a:weather} {a:day} {p} came {x:to}[ (early|again)].",
                    "{p} was {x:in} on a {a:weather} {a:day}.",
                ],
            )?,
            2 => {
                self.tell(cast, &["{a:at} there (lived|worked) {p:child}."])?;
                self.tell(cast, &["One {a:weather} {a:day} {p} was {x:in}."])?;
            }
            _ => {
                self.scenery()?;
                self.tell(
                    cast,
                    &[
                        "{p} (stood|sat|was) {x:in} and (looked at|watched|thought of) {a:sight}.",
                        "{p} was {x:in}.",
                    ],
                )?;
            }
        }
        self.world.moves(cast.p, cast.x);
        Ok(())
    }

    /// `p` goes to `x`, with whatever `p` carries.
    pub(super) fn go(&mut self, p: Id, x: Id) -> Told<C> {
        let held = self.world.held(p);
        let back = self.world.moves(p, x);
        let cast = Cast { p, x, o: held.unwrap_or(0), ..Cast::default() };
        let wordings: &[&str] = match (back, held.is_some()) {
            (false, false) => &[
                "[(Then|Soon|After that|A little later|At last) ]{p} (went|walked|ran|hurried) {x:to}.",
                "{p} (quickly|slowly|happily) (went|walked) {x:to}.",
                "{p} went {x:to} and (looked at|watched|admired) {a:sight}.",
                "{p} made {p:his} way {x:to}.",
                "{p} set off for {x}.",
            ],
            (true, false) => &[
                "[(Then|Soon|After that) ]{p} (went|ran|walked|hurried) back {x:to}.",
                "{p} (quickly|slowly) (went|walked) back {x:to}.",
                "Past {a:sight} {p} went back {x:to}.",
                "{p} returned {x:to}.",
            ],
            (false, true) => &[
                "[(Then|Soon|After that|A little later) ]{p} (went|walked|ran|hurried) {x:to}.",
                "{p} (quickly|slowly|happily) (went|walked) {x:to}.",
                "{p} went {x:to} and (looked at|watched|admired) {a:sight}.",
                "{p} (took|carried|brought) {o} {x:to}.",
                "{p} (went|walked) {x:to} with {o} in {p:his} (hands|arms).",
            ],
            (true, true) => &[
                "[(Then|Soon|After that) ]{p} (went|ran|walked) back {x:to}.",
                "{p} (quickly|slowly) (went|walked) back {x:to}.",
                "Past {a:sight} {p} went back {x:to}.",
                "{p} (took|carried|brought) {o} back {x:to}.",
                "{p} returned {x:to} with {o}.",
            ],
        };
        self.tell(&cast, wordings)
    }

    /// `p` meets `q`, who turns out to be where `p` is.
    pub(super) fn meet(&mut self, p: Id, q: Id) -> Told<C> {
        let x = self.world.place_of(p);
        let known = self.world.people[q].name.is_some();
        self.world.moves(q, x);
        let cast = Cast { p, q, x, ..Cast::default() };
        if known {
            self.tell(&cast, &["{q} was still {x:at}.", "{p} found {q:him} {x:at}."])
        } else {
            self.tell(
                &cast,
                &[
                    "{q:role} was {x:at}.",
                    "{q} was (sitting|working|waiting|resting|standing) {x:at}[ and (watched|admired) {a:sight}].",
                    "{x:at} {p} met {q:who}.",
                    "{p} saw {q:role} (coming|waving|waiting|working hard).",
                    "Then {q:role} came (by|along|around the corner).",
                ],
            )
        }
    }

    /// `p` hands `o` over to `q`.
    pub(super) fn hand(&mut self, cast: &Cast) -> Told<C> {
        let Cast { p, q, o, .. } = *cast;
        self.tell(
            cast,
            &[
                "{p} [(gladly|quickly|proudly|slowly) ](gave|handed) {o} to {q:him}.",
                "{p} gave {q:him} {o:the}.",
                "So {q} got {o} from {p:who}.",
            ],
        )?;
        self.world.items[o].at = Where::With(q);
        self.world.items[o].origin = Origin::Given(p);
        Ok(())
    }

    /// What is left to say: who has how many, who has what, what still lies where, what a day it was.
    pub(super) fn epilogue(&mut self, p: Id) -> Told<C> {
        let stock = self.world.stocks.iter().find(|s| s.number > 0).copied();
        if let Some(stock) = stock
            && self.chance(2, 3)?
        {
            let cast = Cast { p: stock.person, g: stock.goods, n: stock.number, ..Cast::default() };
            self.tell(
                &cast,
                &[
                    "{p} counted {p:his} {g}: there {n:was} {n}.",
                    "{p} still had {n:g}.",
                    "In the end {p} had {n:g}.",
                    "{p} took {n:g} home.",
                ],
            )?;
        }
        for q in (0..self.world.people.len()).filter(|&q| q != p) {
            if let Some(o) = self.world.held(q)
                && self.world.items[o].pool == Pool::Topic
                && self.chance(1, 2)?
            {
                let cast = Cast { p: q, o, ..Cast::default() };
                self.tell(&cast, &["{p} kept {o}.", "{o} stayed with {p:name}.", "{p} still had {o:that}."])?;
            }
        }
        let lying = self.world.items.iter().enumerate().find_map(|(o, item)| match item.at {
            Where::Lies(x, Some(_)) if item.kind.is_some() => Some((o, x)),
            _ => None,
        });
        if let Some((o, x)) = lying
            && self.chance(2, 3)?
        {
            let cast = Cast { o, x, ..Cast::default() };
            self.tell(
                &cast,
                &["{o} was still {o:spot} {x:in}.", "{o} stayed where it was, {o:spot} {x:in}."],
            )?;
        }
        if self.world.weather.is_some() && self.chance(1, 2)? {
            self.farewell(p)?;
        }
        Ok(())
    }

    fn farewell(&mut self, p: Id) -> Told<C> {
        self.tell(
            &Cast { p, ..Cast::default() },
            &[
                "It had been a (good|long|strange|happy|busy) {a:day}.",
                "{p} never forgot that {a:weather} {a:day}.",
                "(Tired|Happy), {p} went home.",
                "So the {a:day} ended {a:at}.",
            ],
        )
    }
}
