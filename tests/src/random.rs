//! Random members: they join, speak, lose their connections, reconnect and leave, over a network with random
//! faults.
//!
//! All random numbers come from one seed, so a run can be repeated. Only the scheduling of the threads
//! differs.

use crate::{
    history::MemberHistory,
    member::Member,
    proxy::{Fault, Faults, Proxy},
    raw,
};
use std::{env, net::SocketAddr, thread, time::Duration};

/// A sequence of random numbers that depends on its seed alone.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts the sequence of this seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number, which is below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        // This is SplitMix64 by Steele, Lea and Flood: each output depends on every bit of the state.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Returns the seed in `CHAT_SEED`, or a new one. Prints it, so that a failure can be repeated.
pub fn seed_from_environment() -> u64 {
    let given = env::var("CHAT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| raw::random_token().to_u64());
    println!("CHAT_SEED={seed}");
    seed
}

/// One member's slot in a group. A member holds it, behind a proxy of its own; when that member leaves,
/// another follows.
struct Slot {
    proxy: Proxy,
    member: Member,
    /// How many members have held the slot before this one.
    predecessors: usize,
}

/// Runs `groups` threads with five members each, and returns the histories of all members.
///
/// Each group makes random moves until `keep_going` returns false. A group calls it before each move, with
/// the number of its moves so far. A last message then goes to all, and the function returns when every
/// member that is still there has received it.
pub fn run_random_members(
    server: SocketAddr,
    seed: u64,
    groups: u64,
    keep_going: &(dyn Fn(u64) -> bool + Sync),
) -> Vec<MemberHistory> {
    const SLOTS: u64 = 5;
    let witness = Member::join(server, "witness");
    let mut slots = Vec::new();
    let mut histories = Vec::new();
    thread::scope(|scope| {
        let groups: Vec<_> = (0..groups)
            .map(|group| {
                scope.spawn(move || {
                    let mut random = Random::new(seed ^ group);
                    let slots =
                        (0..SLOTS).map(|slot| fill_slot(server, &format!("g{group}s{slot}"), 0)).collect();
                    group_loop(server, group, slots, &mut random, keep_going)
                })
            })
            .collect();
        for group in groups {
            let (present, left) = group.join().expect("a group does not panic");
            slots.extend(present);
            histories.extend(left);
        }
    });
    let mut witness = witness;
    for slot in &mut slots {
        slot.member.reconnect();
    }
    let end = witness.say_until_accepted("the end");
    for slot in &mut slots {
        slot.member.reconnect_until_received(end);
    }
    histories.extend(slots.into_iter().map(|slot| slot.member.crash()));
    histories.push(witness.crash());
    histories
}

fn fill_slot(server: SocketAddr, slot: &str, predecessors: usize) -> Slot {
    let proxy = Proxy::start(server);
    let member = Member::join_without_listener(proxy.address(), &format!("{slot}n{predecessors}"));
    Slot { proxy, member, predecessors }
}

/// Makes the moves of one group. Returns the slots with the members that are still there, and the histories
/// of those that have left.
fn group_loop(
    server: SocketAddr,
    group: u64,
    mut slots: Vec<Slot>,
    random: &mut Random,
    keep_going: &(dyn Fn(u64) -> bool + Sync),
) -> (Vec<Slot>, Vec<MemberHistory>) {
    let mut histories = Vec::new();
    let mut moves = 0;
    while keep_going(moves) {
        moves += 1;
        let index = random.below(slots.len() as u64) as usize;
        let slot = &mut slots[index];
        let faults = match random.below(12) {
            0 => Faults::both(Fault::Delay(Duration::from_millis(random.below(5)))),
            1 => Faults { up: Fault::OneByteAtATime(Duration::from_micros(20)), down: Fault::Pass },
            2 => Faults { up: Fault::Pass, down: Fault::OneByteAtATime(Duration::from_micros(20)) },
            _ => Faults::default(),
        };
        slot.proxy.set_faults(faults);
        match random.below(20) {
            0 => slot.proxy.cut(),
            1 => slot.member.reconnect(),
            2 => slot.member.disconnect(),
            3 => {
                let once = Faults { up: Fault::Pass, down: Fault::CutAfter(random.below(2000)) };
                slot.proxy.plan_faults(
                    move |connection| if connection % 2 == 0 { once } else { Faults::default() },
                );
            }
            4 => {
                let old = std::mem::replace(
                    slot,
                    fill_slot(server, &format!("g{group}s{index}"), slot.predecessors + 1),
                );
                histories.push(old.member.crash());
            }
            _ => {}
        }
        let name = slot.member.name().to_owned();
        slot.member.say_until_accepted(&format!("{name} {moves}"));
        // Another member pings: so the server sees that it is alive, or the member finds out that its
        // connection is lost.
        let other = random.below(slots.len() as u64) as usize;
        if slots[other].member.ask(&chat_common::wire::protocol::Request::Ping).is_err() {
            slots[other].proxy.set_faults(Faults::default());
            slots[other].member.reconnect();
        }
    }
    for slot in &mut slots {
        slot.proxy.set_faults(Faults::default());
    }
    (slots, histories)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let numbers = |seed| {
            let mut random = Random::new(seed);
            (0..100).map(|_| random.below(6)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
        assert!(numbers(7).iter().all(|number| *number < 6));
    }
}
