//! Random lives: people who join, speak, are cut off, come back and leave, over a network that misbehaves. All chance comes
//! from one seed, so that a run can be repeated, as far as the threads let it.

use crate::{
    history::Person,
    member::Member,
    proxy::{Fault, Faults, Proxy},
    raw,
};
use std::{env, net::SocketAddr, thread, time::Duration};

/// A row of numbers that depends on its seed alone.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Begins the row of this seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        // The mixing of Steele, Lea and Flood's SplitMix: each output depends on every bit of the state.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// The seed in `CHAT_SEED`, or a new one; printed, so that a failure can be repeated.
pub fn seed() -> u64 {
    let given = env::var("CHAT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| raw::token().to_u64());
    println!("CHAT_SEED={seed}");
    seed
}

/// One seat after the other has somebody on it, behind a proxy of its own.
struct Seat {
    proxy: Proxy,
    member: Member,
    people: usize,
}

/// Plays on `groups` threads with five people each, until `more` says no: it is asked before each of a group's moves, with
/// its number. Answers what everybody saw; nothing was owed to them after the last that they received, which is after the last
/// that anybody said.
pub fn play(server: SocketAddr, seed: u64, groups: u64, more: &(dyn Fn(u64) -> bool + Sync)) -> Vec<Person> {
    const SEATS: u64 = 5;
    let witness = Member::join(server, "witness");
    let mut seats = Vec::new();
    let mut people = Vec::new();
    thread::scope(|scope| {
        let groups: Vec<_> = (0..groups)
            .map(|group| {
                scope.spawn(move || {
                    let mut dice = Dice::new(seed ^ group);
                    let seats =
                        (0..SEATS).map(|seat| sit_down(server, &format!("g{group}s{seat}"), 0)).collect();
                    group_life(server, group, seats, &mut dice, more)
                })
            })
            .collect();
        for group in groups {
            let (seated, gone) = group.join().expect("a group does not panic");
            seats.extend(seated);
            people.extend(gone);
        }
    });
    let mut witness = witness;
    for seat in &mut seats {
        seat.member.come_back();
    }
    let end = witness.insist("the end of the play");
    for seat in &mut seats {
        while seat.member.hear_at_most(Duration::from_millis(500), end).is_none() {
            seat.member.come_back();
        }
    }
    people.extend(seats.into_iter().map(|seat| seat.member.into_person()));
    people.push(witness.into_person());
    people
}

fn sit_down(server: SocketAddr, seat: &str, people: usize) -> Seat {
    let proxy = Proxy::to(server);
    let member = Member::join_open(proxy.address(), &format!("{seat}n{people}"));
    Seat { proxy, member, people }
}

/// The moves of one group. Answers those who are still there, and what those saw who have left.
fn group_life(
    server: SocketAddr,
    group: u64,
    mut seats: Vec<Seat>,
    dice: &mut Dice,
    more: &(dyn Fn(u64) -> bool + Sync),
) -> (Vec<Seat>, Vec<Person>) {
    let mut gone = Vec::new();
    let mut number = 0;
    while more(number) {
        number += 1;
        let place = dice.roll(seats.len() as u64) as usize;
        let seat = &mut seats[place];
        let faults = match dice.roll(12) {
            0 => Faults::both(Fault::Delay(Duration::from_millis(dice.roll(5)))),
            1 => Faults { up: Fault::OneByteAtATime(Duration::from_micros(20)), down: Fault::Pass },
            2 => Faults { up: Fault::Pass, down: Fault::OneByteAtATime(Duration::from_micros(20)) },
            _ => Faults::default(),
        };
        seat.proxy.set(faults);
        match dice.roll(20) {
            0 => seat.proxy.cut(),
            1 => seat.member.come_back(),
            2 => seat.member.lose(),
            3 => {
                let once = Faults { up: Fault::Pass, down: Fault::CutAfter(dice.roll(2000)) };
                seat.proxy.plan(move |connection| if connection % 2 == 0 { once } else { Faults::default() });
            }
            4 => {
                let left =
                    std::mem::replace(seat, sit_down(server, &format!("g{group}s{place}"), seat.people + 1));
                gone.push(left.member.into_person());
            }
            _ => {}
        }
        let name = seat.member.name().to_owned();
        seat.member.insist(&format!("{name} {number}"));
        // Everybody else of the group shows that she is alive, or finds out that she is not.
        let other = dice.roll(seats.len() as u64) as usize;
        if seats[other].member.ask(&chat_common::protocol::Request::Ping).is_err() {
            seats[other].proxy.set(Faults::default());
            seats[other].member.come_back();
        }
    }
    for seat in &mut seats {
        seat.proxy.set(Faults::default());
    }
    (seats, gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_row() {
        let row = |seed| {
            let mut dice = Dice::new(seed);
            (0..100).map(|_| dice.roll(6)).collect::<Vec<_>>()
        };
        assert_eq!(row(7), row(7));
        assert_ne!(row(7), row(8));
        assert!(row(7).iter().all(|roll| *roll < 6));
    }
}
