//! What happens beside the plot: the background, work, newcomers, finds, the weather.

use super::chooser::Chooser;
use super::teller::{Cast, Teller, Told};
use super::world::{Id, Item, Origin, Pool, Rain, Where};

#[derive(Clone, Copy)]
enum Aside {
    Nothing,
    Scenery,
    Sight,
    Weather,
    Chore,
    Tired,
    Newcomer,
    Find,
    LeaveBehind,
    TakeAlong,
    Show,
    Gift,
    WhereIs,
    WhereFrom,
    Gather,
    Bring,
    Spend,
    HowMany,
    Compare,
}

impl<C: Chooser> Teller<'_, C> {
    /// Something beside the point around `p`, or nothing; returns whether something was told.
    pub(super) fn aside(&mut self, p: Id) -> Told<C, bool> {
        let world = &self.world;
        let company = world.company(p);
        let q = company.unwrap_or(p);
        let together = company.is_some();
        let held = world.stock_of(p).map_or(0, |s| s.number);
        let few = world.items.iter().filter(|item| item.side).count() < 2;
        use Aside as A;
        let offers = [
            (A::Nothing, 4, true),
            (A::Scenery, 3, world.scenery.count_ones() < 3),
            (A::Sight, 3, world.sights.count_ones() < 4),
            (A::Weather, 1, world.rain != Rain::Over),
            (A::Chore, 3, world.chores.count_ones() < 3),
            (A::Tired, 2, world.people[p].chore.is_some_and(|(_, told)| told + 2 < self.told)),
            (A::Newcomer, 5, !together && world.people.len() < 4),
            (A::Find, 2, few && !together),
            (A::LeaveBehind, 3, world.side_item(p).is_some()),
            (A::TakeAlong, 4, self.left_here(p).is_some()),
            (A::Show, 2, few && together),
            (A::Gift, 2, together && world.side_item(q).is_some()),
            (A::WhereIs, 4, together && self.absent(p).is_some()),
            (A::WhereFrom, 3, together && self.heirloom(p).is_some()),
            (A::Gather, if held == 0 { 4 } else { 2 }, held <= 12),
            (A::Bring, 2, together && world.stock_of(q).is_none() && world.goods.len() < 2),
            (A::Spend, 3, held > 1),
            (A::HowMany, 3, held > 1 && together && !world.counted),
            (A::Compare, 3, held > 0 && world.rival(p, q).is_some()),
        ];
        let i = self.chooser.choose(&offers.map(|(_, weight, open)| if open { weight } else { 0 }))?;
        match offers[i].0 {
            A::Nothing => return Ok(false),
            A::Scenery => self.scenery(),
            A::Sight => self.sight(p),
            A::Weather => self.weather(),
            A::Chore => self.chore(p),
            A::Tired => self.tired(p),
            A::Newcomer => {
                let q = self.world.person();
                self.meet(p, q)
            }
            A::Find => self.find(p),
            A::LeaveBehind => self.leave_behind(p),
            A::TakeAlong => self.take_along(p),
            A::Show => self.show(q),
            A::Gift => self.gift(p, q),
            A::WhereIs => self.where_is(p, q),
            A::WhereFrom => self.where_from(p, q),
            A::Gather => self.gather(p),
            A::Bring => self.bring(q),
            A::Spend => self.spend(p),
            A::HowMany => self.how_many(p, q),
            A::Compare => self.compare(p, q),
        }?;
        Ok(true)
    }

    /// A few asides in a row, or none.
    pub(super) fn pause(&mut self, p: Id) -> Told<C> {
        for _ in 0..3 {
            if !self.aside(p)? {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn scenery(&mut self) -> Told<C> {
        let told = self.world.scenery;
        let i = self.rank_free(8, |i| told & (1 << i) != 0)?;
        self.world.scenery |= 1 << i;
        let s = self.world.topic.scenery[i];
        self.tell(&Cast { s, ..Cast::default() }, &["{s}"])
    }

    fn sight(&mut self, p: Id) -> Told<C> {
        let company = self.world.company(p);
        let cast = Cast { p, q: company.unwrap_or(p), ..Cast::default() };
        if company.is_some() && self.chance(1, 2)? {
            return self.tell(
                &cast,
                &[
                    "\"Look at {a:sight}!\" (said|called|whispered) {q:who}.",
                    "{q} (pointed at|spoke of|laughed about) {a:sight}.",
                    "Together they (looked at|watched|drew) {a:sight}.",
                ],
            );
        }
        self.tell(
            &cast,
            &[
                "{p} (looked at|watched|admired|thought of) {a:sight}[ (for a while|with great joy|in silence)].",
                "{p} could not (forget|stop looking at) {a:sight}.",
                "{a:sight} made {p:him} (smile|laugh|think of home).",
            ],
        )
    }

    fn weather(&mut self) -> Told<C> {
        let cast = Cast::default();
        if self.world.rain == Rain::NotYet {
            self.world.rain = Rain::Falling;
            self.tell(
                &cast,
                &[
                    "It began to rain.",
                    "Dark clouds came, and it began to rain.",
                    "(A few drops fell|Thunder rolled), and then it rained.",
                    "The rain came (suddenly|slowly|without warning).",
                ],
            )
        } else {
            self.world.rain = Rain::Over;
            self.tell(
                &cast,
                &[
                    "The rain stopped[ at last].",
                    "By now the rain was over.",
                    "Then the sun came out again.",
                    "After the rain everything (shone|dripped|smelled fresh).",
                ],
            )
        }
    }

    fn chore(&mut self, p: Id) -> Told<C> {
        let told = self.world.chores;
        let company = self.world.company(p);
        let together = company.is_some() && self.chance(1, 2)?;
        let i = self.rank_free(6, |i| told & (1 << i) != 0)?;
        self.world.chores |= 1 << i;
        let s = self.world.topic.chores[i];
        let cast = Cast { p, q: company.unwrap_or(p), s, ..Cast::default() };
        if together {
            return self.tell(
                &cast,
                &[
                    "{p} and {q:who} {s} together.",
                    "{q} {s}, and {p} helped {q:him}.",
                    "While {p} {s}, {q:who} (sang a song|told a story|watched).",
                ],
            );
        }
        self.world.people[p].chore = Some((s, self.told));
        self.tell(
            &cast,
            &[
                "{p} {s}[ (for a while|for an hour|all alone)].",
                "For a while {p} {s}.",
                "{p} {s}, as {p} (did|had done) every {a:day}.",
                "It was (hard|easy|slow) work, but {p} {s}.",
            ],
        )
    }

    fn tired(&mut self, p: Id) -> Told<C> {
        let (s, _) = self.world.people[p].chore.take().expect("tired from work");
        self.tell(
            &Cast { p, s, ..Cast::default() },
            &[
                "{p} was (tired|hungry|thirsty), because {p} had {s}.",
                "Because {p} had {s}, {p} had to (rest for a moment|sit down|drink some water).",
                "{p} was (proud|glad) that {p} had {s}.",
            ],
        )
    }

    /// `p` finds a thing that belongs to nobody.
    fn find(&mut self, p: Id) -> Told<C> {
        let x = self.world.place_of(p);
        let u = self.world.item();
        self.world.items[u] = Item { at: Where::Lies(x, None), side: true, ..Item::default() };
        let cast = Cast { p, u, x, ..Cast::default() };
        self.tell(
            &cast,
            &[
                "{u:spot} {p} (found|discovered) {u:a}.",
                "{p} found {u:a} {u:spot}.",
                "{p} saw {u:a} {u:spot} and (took it|picked it up|put it into a bag).",
            ],
        )?;
        if let Where::Lies(x, Some(spot)) = self.world.items[u].at {
            self.world.items[u].origin = Origin::Found(x, spot);
        }
        self.world.items[u].at = Where::With(p);
        Ok(())
    }

    fn leave_behind(&mut self, p: Id) -> Told<C> {
        let u = self.world.side_item(p).expect("offered with a thing to leave");
        self.world.items[u].at = Where::Lies(self.world.place_of(p), None);
        let cast = Cast { p, u, ..Cast::default() };
        self.tell(
            &cast,
            &[
                "{p} left {u:the} {u:spot}.",
                "{p} did not want to carry {u:the} any longer and left it {u:spot}.",
                "{p} hid {u:the} {u:spot}.",
            ],
        )
    }

    fn left_here(&self, p: Id) -> Option<Id> {
        let here = self.world.people[p].at?;
        self.world
            .items
            .iter()
            .position(|item| item.side && matches!(item.at, Where::Lies(x, _) if x == here))
    }

    fn take_along(&mut self, p: Id) -> Told<C> {
        let u = self.left_here(p).expect("offered with a thing to take");
        let cast = Cast { p, u, ..Cast::default() };
        self.tell(
            &cast,
            &[
                "{u:the} was still {u:spot}, and {p} took it.",
                "{p} took {u:the}, which was {u:spot}.",
                "{p} remembered {u:the} and took it along.",
            ],
        )?;
        self.world.items[u].at = Where::With(p);
        self.world.items[u].origin = Origin::Untold;
        Ok(())
    }

    /// `q` turns out to have a thing.
    fn show(&mut self, q: Id) -> Told<C> {
        let u = self.world.item_with(q, Pool::Topic);
        self.world.items[u].side = true;
        let cast = Cast { q, u, ..Cast::default() };
        self.tell(
            &cast,
            &[
                "{q} had {u:a} in {q:his} hand.",
                "{q} was carrying {u:a} {u:use}.",
                "{q} had {u:a} that {u:kin}.",
                "{q} showed everybody {u:a}.",
                "{q} (proudly|quickly) put down {u:a}.",
            ],
        )
    }

    fn gift(&mut self, p: Id, q: Id) -> Told<C> {
        let u = self.world.side_item(q).expect("offered with a thing to give");
        let cast = Cast { p, q, u, ..Cast::default() };
        self.tell(
            &cast,
            &[
                "\"You can have my {u:noun},\" said {q:who} and gave it to {p:him}.",
                "{q} gave {u:the} to {p:him}.",
                "{q} gave {p:him} {u:the} as a present.",
            ],
        )?;
        self.world.items[u].at = Where::With(p);
        self.world.items[u].origin = Origin::Given(q);
        Ok(())
    }
}
