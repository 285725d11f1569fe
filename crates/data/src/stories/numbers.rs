//! Things that come in numbers: found, brought, given, lost, counted, compared.

use super::chooser::Chooser;
use super::teller::{Cast, Teller, Told};
use super::world::Id;

impl<C: Chooser> Teller<'_, C> {
    /// `p` comes by some goods, or by more of those that `p` has.
    pub(super) fn gather(&mut self, p: Id) -> Told<C> {
        let known = self.world.stock_of(p).map(|s| s.goods);
        let g = match known {
            Some(goods) => goods,
            None if self.world.goods.is_empty() => self.world.goods(),
            None => 0,
        };
        let had = *self.world.stock(p, g);
        let n = self.number(2, 8)?;
        *self.world.stock(p, g) = had + n;
        let cast = Cast { p, g, n, m: had + n, ..Cast::default() };
        if had == 0 {
            self.tell(
                &cast,
                &[
                    "{p} {g:got} {n:g}[ (at once|for a friend|there)].",
                    "{p} stopped and {g:got} {n:g}.",
                    "Then {p} {g:got} {n:g}.",
                    "{p} was (lucky|quick) and {g:got} {n:g}.",
                ],
            )
        } else {
            self.tell(
                &cast,
                &[
                    "{p} {g:got} {n} more {g}, so now {p} had {m}.",
                    "{p} {g:got} {n} more {g}.",
                    "{p} {g:got} another {n}, which made {m:g}.",
                ],
            )
        }
    }

    /// `q` turns out to have some goods.
    pub(super) fn bring(&mut self, q: Id) -> Told<C> {
        let fresh = self.world.goods.is_empty() || self.chance(1, 2)?;
        let g = if fresh { self.world.goods() } else { 0 };
        let n = self.number(2, 9)?;
        *self.world.stock(q, g) = n;
        let cast = Cast { q, g, n, ..Cast::default() };
        self.tell(
            &cast,
            &[
                "{q} had {n:g} in {q:his} (bag|pocket|basket).",
                "{q} was (counting|sorting|washing) {n:g}.",
                "{q} had {g:got} {n:g}.",
                "In front of {q:him} lay {n:g}.",
            ],
        )
    }

    /// `p` has fewer than before: given to somebody who is there, or lost.
    pub(super) fn spend(&mut self, p: Id) -> Told<C> {
        let stock = self.world.stock_of(p).expect("spends what there is");
        let company = self.world.company(p);
        let given = company.is_some() && self.chance(3, 4)?;
        let n = self.number(1, (stock.number - 1).min(4))?;
        let m = stock.number - n;
        *self.world.stock(p, stock.goods) = m;
        let cast = Cast { p, q: company.unwrap_or(p), g: stock.goods, n, m, ..Cast::default() };
        if given {
            *self.world.stock(cast.q, stock.goods) += n;
            self.tell(
                &cast,
                &[
                    "{p} gave {q:him} {n} of the {g} and kept {m}.",
                    "{p} gave {q:him} {n} of the {g}.",
                    "{q} got {n:g} from {p:who}, who had {m} left.",
                ],
            )
        } else {
            self.tell(
                &cast,
                &[
                    "[(Somehow|Sadly) ]{p} lost {n} of {p:his} {g}, so {m} {m:was} left.",
                    "{p} dropped {n} of {p:his} {g} and did not find {n:them} again.",
                    "{n} of {p:his} {g} {n:was} (bad|broken), so {p} had only {m}.",
                ],
            )
        }
    }

    pub(super) fn how_many(&mut self, p: Id, q: Id) -> Told<C> {
        let stock = self.world.stock_of(p).expect("asked of who has some");
        self.world.counted = true;
        let cast = Cast { p, q, g: stock.goods, n: stock.number, ..Cast::default() };
        self.tell(
            &cast,
            &["\"How many {g} do you have?\" asked {q:who}.", "{q} asked {p:him} how many {g} there were."],
        )?;
        self.tell(
            &cast,
            &["\"I have {n},\" said {p:who}.", "{p} counted them and said, \"I have {n}.\"", "{p} had {n}."],
        )
    }

    /// Who has more of the same kind.
    pub(super) fn compare(&mut self, p: Id, q: Id) -> Told<C> {
        let (mine, theirs) = self.world.rival(p, q).expect("both have some");
        let cast = Cast { p, q, g: mine.goods, ..Cast::default() };
        self.tell(
            &cast,
            match mine.number.cmp(&theirs.number) {
                std::cmp::Ordering::Less => {
                    &["{q} had more {g} than {p:who}.", "{p} had fewer {g} than {q:who}."]
                }
                std::cmp::Ordering::Equal => &["{p} had as many {g} as {q:who}."],
                std::cmp::Ordering::Greater => {
                    &["{p} had more {g} than {q:who}.", "{q} had fewer {g} than {p:who}."]
                }
            },
        )
    }
}
