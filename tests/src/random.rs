//! Random members: they join, speak to all and to one, take other names, lose their connections, reconnect
//! and leave, over a network with random faults. An operator may mute, remove and ban them.
//!
//! All random numbers come from one seed, so a run can be repeated. Only the scheduling of the threads
//! differs.

use crate::{
    history::MemberHistory,
    member::{Callbacks, Member, MemberError},
    proxy::{Fault, Faults, Proxy},
    raw,
    watchdog::poll_result,
};
use chat_common::wire::protocol::{Cause, Refusal, Request};
use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
    thread,
    time::Duration,
};

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

/// The members of a group at a time.
const SLOTS: u8 = 5;

/// One member's slot in a group: a network of its own, and a member behind it. When that member leaves or is
/// removed, another follows.
struct Slot {
    proxy: Proxy,
    /// From where its members come.
    address: Ipv4Addr,
    /// What the names of its members begin with.
    base: String,
    /// How many names they have had.
    names: usize,
    /// `None` while an operator keeps everybody out who comes from here.
    member: Option<Member>,
    /// The histories of the members that were here before.
    former: Vec<MemberHistory>,
}

/// Runs `groups` threads with five members each, and returns the histories of all members.
///
/// Each group makes random moves until `keep_going` returns false. A group calls it before each move, with
/// the number of its moves so far. A last message then goes to all, and the function returns when every
/// member that is still there has received it.
///
/// An operator may be in the room meanwhile. At the end nobody may be muted or banned.
pub fn run_random_members(
    server: SocketAddr,
    seed: u64,
    groups: u8,
    keep_going: &(dyn Fn(u64) -> bool + Sync),
) -> Vec<MemberHistory> {
    let mut witness = Member::join(server, "witness");
    let mut slots: Vec<Slot> = thread::scope(|scope| {
        let groups: Vec<_> = (0..groups)
            .map(|group| {
                scope.spawn(move || {
                    let slots = (0..SLOTS).map(|slot| Slot::new(server, group, slot)).collect();
                    group_loop(slots, &mut Random::new(seed ^ u64::from(group)), keep_going)
                })
            })
            .collect();
        groups.into_iter().flat_map(|group| group.join().expect("a group does not panic")).collect()
    });
    for slot in &mut slots {
        slot.fill_again();
        let last_words = format!("{} ends", slot.name());
        let said = slot.member.as_mut().map(|member| member.say_until_accepted(&last_words));
        assert!(said.is_some(), "nobody keeps {} out any more", slot.base);
    }
    let end = witness.say_until_accepted("the end");
    let mut histories = Vec::new();
    for Slot { member, former, .. } in slots {
        let mut member = member.expect("each slot has its last member");
        member.reconnect_until_received(end);
        histories.extend(former);
        histories.push(member.crash());
    }
    histories.push(witness.crash());
    histories
}

/// Returns the address from which the member with this name comes, if it has one of its own.
pub fn address_of(name: &str) -> Option<String> {
    let (group, rest) = name.strip_prefix('g')?.split_once('s')?;
    let (slot, _) = rest.split_once('n')?;
    let (group, slot): (u8, u8) = (group.parse().ok()?, slot.parse().ok()?);
    Some(address(group, slot).to_string())
}

fn address(group: u8, slot: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, group + 1, slot + 1)
}

impl Slot {
    fn new(server: SocketAddr, group: u8, slot: u8) -> Slot {
        let address = address(group, slot);
        let proxy = Proxy::start_from(address, server);
        let mut slot = Slot {
            proxy,
            address,
            base: format!("g{group}s{slot}"),
            names: 0,
            member: None,
            former: Vec::new(),
        };
        slot.fill();
        slot
    }

    /// The name of its member, or of the next one.
    fn name(&self) -> String {
        format!("{}n{}", self.base, self.names)
    }

    /// Lets a member join, unless it is refused for a ban.
    fn fill(&mut self) {
        self.proxy.set_faults(Faults::default());
        let (description, address) = (format!("somebody to join as {}", self.base), self.proxy.address());
        self.member = poll_result(&description, || {
            match Member::try_join(address, &self.name(), Callbacks::Open) {
                Ok(member) => Ok(Some(member.comes_from(self.address.into()))),
                Err(MemberError::Refused(Refusal { cause: Cause::Banned, .. })) => Ok(None),
                Err(MemberError::Refused(Refusal { cause: Cause::NameTaken, text })) => {
                    // The server holds it for the last member, whose connection is lost.
                    self.names += 1;
                    Err(text)
                }
                Err(other) => Err(format!("{other:?}")),
            }
        });
    }

    /// Lets the member come back, or another one join if it was removed.
    fn fill_again(&mut self) {
        self.proxy.set_faults(Faults::default());
        if self.member.as_mut().is_none_or(|member| member.come_back().is_err()) {
            self.empty(Member::crash);
            self.fill();
        }
    }

    /// Ends the member, and keeps its history.
    fn empty(&mut self, end: fn(Member) -> MemberHistory) {
        self.former.extend(self.member.take().map(end));
    }

    /// Lets the member do something. If the server has removed it, its slot is empty afterwards.
    fn with_member(&mut self, act: impl FnOnce(&mut Member) -> Result<(), Refusal>) {
        match self.member.as_mut().map_or(Ok(()), act) {
            Ok(()) => {}
            Err(Refusal { cause: Cause::Muted | Cause::NobodyOfThatName, .. }) => {}
            Err(Refusal { cause: Cause::SessionOver | Cause::Banned, .. }) => self.empty(Member::crash),
            Err(refusal) => panic!("{} was refused: {refusal:?}", self.name()),
        }
    }

    /// Lets somebody come only to speak. The server may refuse or lose that, and nobody tries again.
    fn visit(&mut self, text: &str) {
        let name = format!("{}v", self.base);
        if let Ok(visitor) = Member::try_join(self.proxy.address(), &name, Callbacks::SendOnly) {
            let mut visitor = visitor.comes_from(self.address.into());
            let _ = visitor.try_say(text);
            self.former.push(visitor.leave_or_crash());
        }
    }
}

/// Makes the moves of one group. Returns its slots.
fn group_loop(
    mut slots: Vec<Slot>,
    random: &mut Random,
    keep_going: &(dyn Fn(u64) -> bool + Sync),
) -> Vec<Slot> {
    let mut moves = 0;
    while keep_going(moves) {
        moves += 1;
        let names: Vec<String> = slots.iter().map(Slot::name).collect();
        let any = |random: &mut Random| random.below(SLOTS.into()) as usize;
        let (index, recipient) = (any(random), any(random));
        let slot = &mut slots[index];
        if slot.member.is_none() {
            slot.fill();
        }
        let faults = match random.below(12) {
            0 => Faults::both(Fault::Delay(Duration::from_millis(random.below(5)))),
            1 => Faults { up: Fault::OneByteAtATime(Duration::from_micros(20)), down: Fault::Pass },
            2 => Faults { up: Fault::Pass, down: Fault::OneByteAtATime(Duration::from_micros(20)) },
            _ => Faults::default(),
        };
        slot.proxy.set_faults(faults);
        match random.below(20) {
            0 => slot.proxy.cut(),
            1 => slot.with_member(Member::come_back),
            2 => slot.member.iter_mut().for_each(Member::disconnect),
            3 => {
                let cut = Faults { up: Fault::Pass, down: Fault::CutAfter(random.below(2000)) };
                // A member has two connections. With each second one, its calls might never get through.
                slot.proxy
                    .plan_faults(move |connection| if connection % 3 == 0 { cut } else { Faults::default() });
            }
            // Whoever comes next has another name, or the same one.
            kind @ 4..7 => {
                slot.empty(if kind == 4 { Member::crash } else { Member::leave_or_crash });
                slot.names += usize::from(kind == 5);
                slot.fill();
            }
            7 => {
                let name = format!("{}n{}", slot.base, slot.names + 1);
                slot.with_member(|member| member.rename_until_answered(&name));
                let has_it = slot.member.as_ref().is_some_and(|member| member.name() == name);
                slot.names += usize::from(has_it);
            }
            8 => slot.visit(&format!("{} visits {moves}", slot.base)),
            _ => {}
        }
        let recipient = (random.below(5) == 0 && recipient != index).then(|| &names[recipient]);
        let text = format!("{} {moves}", slot.name());
        slot.with_member(|member| {
            member.say_until_answered(&text, recipient.map(String::as_str)).map(|_| ())
        });
        // Another member pings: so the server sees that it is alive, or the member finds out that its
        // connection is lost.
        let other = &mut slots[any(random)];
        if other.member.as_mut().is_some_and(|member| member.ask(&Request::Ping).is_err()) {
            other.proxy.set_faults(Faults::default());
            other.with_member(Member::come_back);
        }
    }
    slots
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
