//! Somebody loses something dear, and it is found where somebody has been.

use crate::stories::chooser::Chooser;
use crate::stories::teller::{Cast, Teller, Told};
use crate::stories::world::{Id, Where};

impl<C: Chooser> Teller<'_, C> {
    pub(super) fn lost(&mut self) -> Told<C> {
        let (p, o, x) = (self.world.person(), self.world.item(), self.world.site());
        let cast = Cast { p, o, x, ..Cast::default() };
        self.title(
            &cast,
            &["{o:full}", "{p:name} and {o:full}", "{p:name} loses {o:full}", "A {a:weather} {a:day} {a:at}"],
        )?;
        self.world.items[o].at = Where::With(p);
        self.open(&cast)?;
        self.tell(
            &cast,
            &[
                "{p} had {o:a} that {o:kin}.",
                "{p} never went out without {o:a} that {o:kin}.",
                "Beside {p:him} was {o:a} that {o:kin}.",
            ],
        )?;
        self.pause(p)?;
        let left = self.wander(&cast)?;
        self.miss(&cast)?;
        self.search(&cast, left)?;
        self.tell(
            &cast,
            &[
                "{p} was happy to have {o:that}.",
                "From then on {p} took better care of {o:that}.",
                "{p} held {o} tight all the way home.",
                "{p} never put {o} down again that {a:day}.",
            ],
        )?;
        self.epilogue(p)
    }

    /// Goes about with the thing; returns where it was left, if the text has told.
    fn wander(&mut self, cast: &Cast) -> Told<C, Option<Id>> {
        let Cast { p, o, .. } = *cast;
        let mut left = None;
        for stop in 0..3 {
            let y = self.world.site();
            self.go(p, y)?;
            self.pause(p)?;
            if stop == 2 || self.chance(1, 3)? {
                break;
            }
            if left.is_none() && self.chance(1, 2)? {
                self.world.items[o].at = Where::Lies(y, None);
                self.tell(
                    cast,
                    &["{p} put {o} down {o:spot} to rest.", "{p} laid {o} {o:spot} for a moment."],
                )?;
                left = Some(y);
            }
        }
        Ok(left)
    }

    fn miss(&mut self, cast: &Cast) -> Told<C> {
        if let Where::With(_) = self.world.items[cast.o].at {
            self.world.items[cast.o].at = Where::Unknown;
        }
        self.tell(
            cast,
            &[
                "Suddenly {p} (saw|noticed) that {o} was gone.",
                "But when {p} looked for {o}, it was gone.",
                "Then {p} noticed that {o} was missing.",
            ],
        )?;
        self.tell(
            cast,
            &[
                "{p} was very (sad|upset|worried|angry).",
                "{p} (almost cried|did not know what to do|turned pale|searched everywhere).",
                "\"Oh no, where is my {o:noun}?\" (cried|said) {p:who}.",
            ],
        )
    }

    /// Goes back from place to place until the thing is found.
    fn search(&mut self, cast: &Cast, left: Option<Id>) -> Told<C> {
        let Cast { p, o, .. } = *cast;
        let here = self.world.place_of(p);
        let mut open: u32 = (1 << self.world.sites.len()) - 1 - (1 << here);
        loop {
            let n = self.world.sites.len();
            let y = self.rank_free(n, |site| open & (1 << site) == 0)?;
            open &= !(1 << y);
            self.go(p, y)?;
            let found = match left {
                Some(site) => site == y,
                None => open == 0 || self.chance(1, 2)?,
            };
            if found {
                if left.is_none() {
                    self.world.items[o].at = Where::Lies(y, None);
                }
                self.tell(
                    cast,
                    &[
                        "There, {o:spot}, lay {o:the}.",
                        "{p} looked around and (found|saw) {o} {o:spot}.",
                        "{o:the} was {o:spot}!",
                        "[(Luckily|Finally) ]{p} found {o} {o:spot}.",
                    ],
                )?;
                self.world.items[o].at = Where::With(p);
                return Ok(());
            }
            self.tell(
                cast,
                &[
                    "But {o} was not there.",
                    "(Sadly|Again) {p} found nothing.",
                    "{p} looked everywhere, but {o} was not there.",
                    "Nobody had seen {o} there.",
                ],
            )?;
            self.aside(p)?;
        }
    }
}
