//! What people do in every plot: go, meet, work, find, count, give.

use super::chooser::Chooser;
use super::teller::{Cast, Teller, Told};
use super::world::{Id, Where};

impl<C: Chooser> Teller<'_, C> {
    /// Sets the scene: when it is, and that `p` is at `x`.
    pub(super) fn open(&mut self, cast: &Cast) -> Told<C> {
        if self.chance(1, 2)? {
            self.tell(
                cast,
                &["It was a (cold|warm|windy|grey|bright|quiet) (morning|day|afternoon|evening) {a:at}."],
            )?;
            self.tell(cast, &["{p} was {x:in}.", "{p} was (standing|sitting|waiting) {x:in}."])?;
        } else {
            self.tell(
                cast,
                &[
                    "One (cold|warm|windy|grey|bright|quiet) (morning|day|afternoon|evening) {p} was {x:in}.",
                    "{a:at} lived (a child|somebody) called {p:name}, who was often {x:in}.",
                ],
            )?;
        }
        self.world.moves(cast.p, cast.x);
        Ok(())
    }

    /// `p` goes to `x`, with whatever `p` carries.
    pub(super) fn go(&mut self, p: Id, x: Id) -> Told<C> {
        let held = self.world.items.iter().rposition(|item| item.at == Where::With(p));
        let back = self.world.moves(p, x);
        let cast = Cast { p, x, o: held.unwrap_or(0), ..Cast::default() };
        let wordings: &[&str] = match (back, held.is_some()) {
            (false, false) => &[
                "[(Then|Soon|After that|A little later) ]{p} (went|walked|ran|hurried) {x:to}.",
                "{p} left and (went|walked) {x:to}.",
            ],
            (true, false) => &["[(Then|Soon|After that) ]{p} (went|ran|walked) back {x:to}."],
            (false, true) => &[
                "[(Then|Soon|After that|A little later) ]{p} (went|walked|ran|hurried) {x:to}.",
                "{p} (took|carried) {o} {x:to}.",
                "With {o} in {p:his} hands, {p} (went|walked) {x:to}.",
            ],
            (true, true) => &[
                "[(Then|Soon|After that) ]{p} (went|ran|walked) back {x:to}.",
                "{p} (took|carried) {o} back {x:to}.",
            ],
        };
        self.tell(&cast, wordings)
    }

    /// `p` meets `q`, who is where `p` is.
    pub(super) fn meet(&mut self, p: Id, q: Id) -> Told<C> {
        let x = self.world.place_of(p);
        self.world.moves(q, x);
        let cast = Cast { p, q, x, ..Cast::default() };
        self.tell(&cast, &["{q} was there[ already].", "There {p} met {q}.", "{p} (saw|found) {q} there."])
    }

    /// Something beside the point, half of the time.
    pub(super) fn aside(&mut self, p: Id) -> Told<C> {
        let stocked = self.world.stocks.iter().any(|s| s.person == p && s.number > 1);
        let new = self.world.stocks.is_empty();
        let weights = [
            8,
            if self.world.scenery.count_ones() < 3 { 3 } else { 0 },
            if self.world.chores.count_ones() < 2 { 2 } else { 0 },
            if new {
                3
            } else if self.world.stocks.iter().all(|s| s.person != p || s.number <= 12) {
                1
            } else {
                0
            },
            if stocked { 3 } else { 0 },
        ];
        match self.chooser.choose(&weights)? {
            0 => Ok(()),
            1 => self.scenery(),
            2 => self.chore(p),
            3 => self.gather(p),
            _ => self.spend(p),
        }
    }

    fn scenery(&mut self) -> Told<C> {
        let told = self.world.scenery;
        let i = self.rank_free(8, |i| told & (1 << i) != 0)?;
        self.world.scenery |= 1 << i;
        let s = self.world.topic.scenery[i];
        self.tell(&Cast { s, ..Cast::default() }, &["{s}"])
    }

    fn chore(&mut self, p: Id) -> Told<C> {
        let told = self.world.chores;
        let i = self.rank_free(6, |i| told & (1 << i) != 0)?;
        self.world.chores |= 1 << i;
        let s = self.world.topic.chores[i];
        let cast = Cast { p, s, ..Cast::default() };
        self.tell(
            &cast,
            &["There {p} {s}[ for a while].", "For a while {p} {s}.", "{p} {s} until {p} was tired."],
        )
    }

    /// `p` comes by some goods, always of one kind in a story.
    fn gather(&mut self, p: Id) -> Told<C> {
        let g = if self.world.goods.is_empty() { self.world.goods() } else { 0 };
        let n = self.number(2, 8)?;
        let stock = self.world.stock(p, g);
        let (had, m) = (*stock, *stock + n);
        *stock = m;
        let cast = Cast { p, g, n, m, ..Cast::default() };
        if had == 0 {
            self.tell(
                &cast,
                &["{p} {g:got} {n:g}.", "There {p} {g:got} {n:g}.", "{p} stopped and {g:got} {n:g}."],
            )
        } else {
            self.tell(
                &cast,
                &[
                    "{p} {g:got} {n} more {g}, so now {p} had {m}.",
                    "There {p} {g:got} {n} more {g}.",
                    "{p} {g:got} another {n:g}, which made {m}.",
                ],
            )
        }
    }

    /// `p` has fewer than before: given to somebody who is there, or lost.
    fn spend(&mut self, p: Id) -> Told<C> {
        let i = self.world.stocks.iter().position(|s| s.person == p).expect("spends what there is");
        let (g, had) = (self.world.stocks[i].goods, self.world.stocks[i].number);
        let n = self.number(1, (had - 1).min(4))?;
        let m = had - n;
        self.world.stocks[i].number = m;
        let here = self.world.people[p].at;
        let q = (0..self.world.people.len()).find(|&q| q != p && self.world.people[q].at == here);
        let cast = Cast { p, q: q.unwrap_or(p), g, n, m, ..Cast::default() };
        match q {
            Some(q) if self.chance(3, 4)? => {
                *self.world.stock(q, g) += n;
                self.tell(
                    &cast,
                    &[
                        "{p} gave {q} {n} of {p:his} {g} and kept {m}.",
                        "{p} gave {q} {n} of {p:his} {g}.",
                        "{q} got {n:g} from {p:name}.",
                    ],
                )
            }
            _ => self.tell(
                &cast,
                &[
                    "{p} lost {n} of {p:his} {g} on the way, so {m} {m:was} left.",
                    "{p} dropped {n} of {p:his} {g} and did not find {n:them} again.",
                ],
            ),
        }
    }
}
