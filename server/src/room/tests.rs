//! Tests of the commands alone: each command is applied on the test's own thread, in an order that the test
//! chooses.

use super::{
    command::{Command, Entrance, Message, MessageKind},
    effects::Effects,
    index::Index,
    member::{LookupKey, Presence},
    mutes::Mutes,
    registry::{apply, Members},
    round::{NewState, RoundInProgress, Ruling},
    view::View,
    waiting::Waiting,
    Past, Room,
};
use crate::{
    delivery::ConnectionPair,
    door::Door,
    identity::{Ban, Bans, Origin, TypedTerms},
    log::Reader,
    order::{
        journal::{
            record::{Positions, SessionRecord, SessionState},
            space::Space,
        },
        SharedLog,
    },
    settings::Limits,
};
use chat_common::{
    program::{shutdown::Shutdown, tasks},
    wire::{
        batch::Batch,
        codec::decode,
        frame::HEADER_BYTES,
        protocol::{Callback, Cause, Event, EventKind, Join, Refusal, Reply},
        stream::Stream,
        token::Token,
    },
};
use crossbeam_channel::bounded;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// A room without threads. Commands are applied at once.
struct TestRoom<'env> {
    limits: &'env Limits,
    door: &'env Door,
    mutes: Mutes,
    log: &'env SharedLog,
    members: Members,
    index: Index,
    last_id: u64,
    waiting: Waiting,
    space: Space,
}

/// Runs a test with a room.
fn with_room(limits: &Limits, test: impl FnOnce(TestRoom<'_>)) {
    let (door, log) = (&Door::new(Bans::default(), limits), &SharedLog::new(limits));
    let (members, index, mutes) = (Members::default(), Index::default(), Mutes::default());
    let (waiting, space) = (Waiting::default(), Space::ENDLESS);
    test(TestRoom { limits, door, mutes, log, members, index, last_id: 0, waiting, space });
}

/// Returns one end of a connection. The other end is closed.
fn stream() -> Arc<Stream> {
    let [near, _far] = Stream::pair().unwrap();
    Arc::new(near)
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn token(number: u32) -> Token {
    let mut bytes = [0; Token::BYTES];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    Token::from_bytes(bytes)
}

impl TestRoom<'_> {
    fn begin_round(&self) -> RoundInProgress<'_> {
        let state = NewState { last_id: self.last_id, waiting: self.waiting.clone(), ..NewState::default() };
        let shared = (self.limits, self.door, &self.mutes);
        let members = View::new(&self.members, &self.index);
        RoundInProgress::new(shared, members, state, self.space, self.log.stage())
    }

    /// Applies one command as a round, and returns what is left for its end.
    fn apply(&mut self, command: Command) -> Effects {
        let mut round = self.begin_round();
        round.stage_waiting();
        round.apply(command);
        let RoundInProgress { members, state, staged, mut effects, .. } = round;
        let changes = members.into_changes();
        apply(&mut self.members, changes, &mut self.index);
        self.check_index();
        self.log.append(staged);
        (self.last_id, self.waiting) = (state.last_id, state.waiting);
        if let Some(Ruling::Mute(name, time)) = state.ruling {
            self.mutes.set(&name, time);
        }
        effects.answers.drain(..).for_each(|answer| answer());
        effects
    }

    fn claim(&mut self, join: Join, address: IpAddr) -> Result<Arc<ConnectionPair>, Refusal> {
        let (claimed_tx, claimed_rx) = bounded(1);
        let origin = Origin::of((address, 1).into());
        self.apply(Command::Claim { join, origin, call: stream(), claimed_tx });
        claimed_rx.recv().unwrap()
    }

    fn enter(&mut self, pair: &Arc<ConnectionPair>, entrance: Entrance) -> Option<u64> {
        let (entered_tx, entered_rx) = bounded(1);
        self.apply(Command::Enter { pair: Arc::clone(pair), entrance, callback: None, entered_tx });
        entered_rx.recv().unwrap()
    }

    fn join(&mut self, name: &str, number: u32, address: IpAddr) -> Arc<ConnectionPair> {
        let pair = self.claim(Join::new(name, token(number), 0), address).unwrap();
        self.enter(&pair, Entrance::New { deliver_from: None }).unwrap();
        pair
    }

    fn say(&mut self, pair: &Arc<ConnectionPair>, message_id: u64, text: &str) -> Reply {
        let message = Message::new(message_id, false, text.to_owned(), MessageKind::Message);
        let (task, _tasks) = tasks::begin();
        let mut effects = self.apply(Command::Say { pair: Arc::clone(pair), message, task });
        effects.replies.remove(0).1
    }

    fn rename(&mut self, pair: &Arc<ConnectionPair>, name: &str) -> Reply {
        let (task, _tasks) = tasks::begin();
        let (pair, name) = (Arc::clone(pair), name.to_owned());
        self.apply(Command::Rename { pair, name, task }).replies.remove(0).1
    }

    fn mute(&mut self, name: &str) -> Option<String> {
        let (muted_tx, muted_rx) = bounded(1);
        self.apply(Command::Mute { name: name.to_owned(), typed: TypedTerms::default(), muted_tx });
        muted_rx.recv().unwrap().unwrap()
    }

    /// The notices that only the session `reader` gets.
    fn told(&self, reader: u64) -> Vec<String> {
        let mut batch = Batch::new();
        self.log.read().read_into(
            &mut 1,
            Reader { session: reader, ..Reader::EVERYBODY },
            1 << 20,
            &mut batch,
        );
        let Callback::Receive { events, .. } = decode(&batch.finish(false)[HEADER_BYTES..]).unwrap();
        let text = |event: Event| match event.kind {
            EventKind::Notice { text } => Some(text),
            _ => None,
        };
        events.into_iter().filter_map(text).collect()
    }

    fn lose(&mut self, pair: &Arc<ConnectionPair>) {
        self.apply(Command::Lose { pair: Arc::clone(pair), reason: "connection lost" });
    }

    fn leave(&mut self, pair: &Arc<ConnectionPair>) {
        let (left_tx, left_rx) = bounded(1);
        self.apply(Command::Leave { pair: Arc::clone(pair), left_tx });
        left_rx.recv().unwrap();
    }

    fn resume(&mut self, number: u32, address: IpAddr) -> Result<Arc<ConnectionPair>, Refusal> {
        self.claim(Join { resume: Some(0), ..Join::new("x", token(number), 0) }, address)
    }

    fn kick(&mut self, name: &str) -> Vec<String> {
        let (removed_tx, removed_rx) = bounded(1);
        let ban = Ban::of(name).unwrap();
        self.apply(Command::Remove { ban, reason: String::new(), removed_tx });
        removed_rx.recv().unwrap().into_iter().map(|removed| removed.name).collect()
    }

    fn events(&self) -> Vec<Event> {
        let mut batch = Batch::new();
        self.log.read().read_into(&mut 1, Reader::EVERYBODY, 1 << 20, &mut batch);
        let Callback::Receive { events, .. } = decode(&batch.finish(false)[HEADER_BYTES..]).unwrap();
        events
    }

    /// Checks that each member is found by its keys.
    fn check_index(&self) {
        for (id, member) in &self.members {
            let mut keys = member.keys();
            assert!(keys.all(|key| self.index.with_key(key).any(|found| found == *id)), "{member:?}");
        }
        let absent = self.members.values().filter(|member| member.absent_since().is_some());
        assert_eq!(absent.count(), self.index.with_key(LookupKey::Absent).count());
    }

    /// Checks that nobody can pass for another: a name belongs to one member, and each member speaks under
    /// the name that the list has.
    fn check_names(&mut self, pairs: &[Arc<ConnectionPair>], message_id: u64, order: &str) {
        let mut owners = HashMap::new();
        for (id, member) in self.members.iter().filter(|(_, member)| member.is_here()) {
            let other = owners.insert(member.name.folded.clone(), id);
            assert_eq!(other, None, "{order}: two members are called {}", member.name);
        }
        for pair in pairs {
            let Some(name) = self.members.get(&pair.id).filter(|member| member.is_here()) else { continue };
            let name = name.name.to_string();
            let Reply::Accepted { sequence } = self.say(pair, message_id, "hello") else { continue };
            let said = self.events().into_iter().find(|event| event.sequence == sequence).unwrap();
            let EventKind::Message { author, .. } = said.kind else { panic!("{said:?}") };
            assert_eq!(author, name, "{order}");
        }
    }
}

/// Calls `test` with every order of `counts[0]` zeros, `counts[1]` ones, and so on.
fn for_each_order(counts: &mut [usize], order: &mut Vec<usize>, test: &mut impl FnMut(&[usize])) {
    if counts.iter().all(|count| *count == 0) {
        return test(order);
    }
    for index in 0..counts.len() {
        if counts[index] > 0 {
            counts[index] -= 1;
            order.push(index);
            for_each_order(counts, order, test);
            order.pop();
            counts[index] += 1;
        }
    }
}

#[test]
fn what_is_said_while_somebody_joins_is_in_the_history_that_it_asked_for() {
    with_room(&Limits::default(), |mut room| {
        let ann = room.join("Ann", 1, address(1));
        let bob = room.claim(Join { history: 10, ..Join::new("Bob", token(2), 0) }, address(2)).unwrap();
        let deliver_from = room.log.position_before(10, &mut |_| true).unwrap();
        let Reply::Accepted { sequence } = room.say(&ann, 1, "hello") else { panic!("not accepted") };
        room.enter(&bob, Entrance::New { deliver_from }).unwrap();
        assert_eq!(room.members.get(&bob.id).unwrap().in_log.deliver_from, sequence);
    });
}

#[test]
fn a_look_up_does_not_pass_over_all_who_come_and_go_in_its_round() {
    const MEMBERS: u32 = 100;
    let own_name = |number| format!("member{number}");
    with_room(&Limits::default(), |mut room| {
        let pairs: Vec<_> =
            (0..MEMBERS).map(|number| room.join(&own_name(number), number, address(1))).collect();
        let mut round = room.begin_round();
        for number in MEMBERS..2 * MEMBERS {
            let (claimed_tx, _) = bounded(1);
            let join = Join::new(own_name(number), token(number), 0);
            let origin = Origin::of((address(1), 1).into());
            round.apply(Command::Claim { join, origin, call: stream(), claimed_tx });
        }
        let (task, _) = tasks::begin();
        for pair in &pairs {
            let (pair, task) = (Arc::clone(pair), task.clone());
            let name = format!("renamed{}", pair.id);
            round.apply(Command::Rename { pair, name, task });
        }
        for number in 0..2 * MEMBERS {
            let token = token(number);
            let found: Vec<_> = round.members.with_key(LookupKey::Token(token.as_bytes())).collect();
            assert!(found.iter().any(|(_, member)| member.token == token), "{number}");
            // The one that was changed last is always among them.
            assert!(found.len() <= 2, "{number}: {} of {} members", found.len(), 2 * MEMBERS);
        }
        for pair in &pairs {
            assert_eq!(round.members.id_of(&format!("RENAMED{}", pair.id)), Some(pair.id));
            assert_eq!(round.members.id_of(&own_name(pair.id as u32 - 1)), None);
        }
    });
}

#[test]
fn a_rename_and_a_resumption_that_meet_leave_each_name_with_one_member() {
    let limits = Limits::default();
    let mut orders = 0;
    for_each_order(&mut [2, 2, 2], &mut Vec::new(), &mut |order| {
        orders += 1;
        let order_text = format!("{order:?}");
        with_room(&limits, |mut room| {
            // Mallory takes the name Teacher on her old connections, and resumes on new ones. The true
            // Teacher joins meanwhile.
            let old = room.join("Mallory", 1, address(1));
            let (mut new, mut teacher) = (None, None);
            let mut steps = [0_u64; 3];
            for thread in order {
                steps[*thread] += 1;
                match (thread, steps[*thread]) {
                    (0, 1) => {
                        let (task, _tasks) = tasks::begin();
                        let (pair, name) = (Arc::clone(&old), "Teacher".to_owned());
                        room.apply(Command::Rename { pair, name, task });
                    }
                    (0, _) => room.lose(&old),
                    (1, 1) => new = room.resume(1, address(1)).ok(),
                    (1, _) => {
                        if let Some(pair) = &new {
                            room.enter(pair, Entrance::Resumed(0));
                        }
                    }
                    (_, 1) => teacher = room.claim(Join::new("Teacher", token(2), 0), address(2)).ok(),
                    (..) => {
                        if let Some(pair) = &teacher {
                            room.enter(pair, Entrance::New { deliver_from: None });
                        }
                    }
                }
                let pairs = [Some(&old), new.as_ref(), teacher.as_ref()];
                let pairs: Vec<_> = pairs.into_iter().flatten().cloned().collect();
                room.check_names(&pairs, steps.iter().sum(), &order_text);
            }
            // Whoever is called Teacher at the end is the one that the operator removes.
            let there = room
                .members
                .iter()
                .filter(|(_, member)| member.is_here() && &*member.name.folded == "teacher");
            assert_eq!(there.count(), 1, "{order_text}");
            assert_eq!(room.kick("Teacher"), ["Teacher"], "{order_text}");
            let left =
                room.members.iter().any(|(_, member)| member.is_here() && &*member.name.folded == "teacher");
            assert!(!left, "{order_text}");
        });
    });
    assert_eq!(orders, 90);
}

#[test]
fn only_the_same_message_counts_as_accepted_before() {
    with_room(&Limits::default(), |mut room| {
        let ann = room.join("Ann", 1, address(1));
        let first = room.say(&ann, 5, "five");
        assert!(matches!(first, Reply::Accepted { .. }), "{first:?}");
        assert_eq!(room.say(&ann, 5, "five"), first);
        for (message_id, text) in [(4, "four"), (4, "five"), (5, "another"), (0, "")] {
            match room.say(&ann, message_id, text) {
                Reply::Refused(refusal) => assert_eq!(refusal.cause, Cause::OutOfOrder),
                other => panic!("{message_id} {text}: {other:?}"),
            }
        }
        let Reply::Accepted { sequence } = room.say(&ann, 6, "five") else {
            panic!("a higher number is new")
        };
        assert_eq!(room.events().last().unwrap().sequence, sequence);
    });
}

#[test]
fn a_muted_member_says_nothing_until_the_mute_ends_and_its_name_stays_muted() {
    with_room(&Limits::default(), |mut room| {
        let ann = room.join("Ann", 1, address(1));
        let before = room.say(&ann, 1, "before");
        assert_eq!(room.mute("ann"), Some("Ann".to_owned()));
        let is_muted = |reply: Reply| match reply {
            Reply::Refused(refusal) => assert_eq!(refusal.cause, Cause::Muted),
            other => panic!("{other:?}"),
        };
        // The reply to a message that was accepted before the mute was lost.
        assert_eq!(room.say(&ann, 1, "before"), before);
        is_muted(room.say(&ann, 2, "no"));
        is_muted(room.rename(&ann, "Bob"));
        // Neither a lost connection nor a new session lifts the mute.
        room.lose(&ann);
        let ann = room.resume(1, address(1)).unwrap();
        room.enter(&ann, Entrance::Resumed(0));
        is_muted(room.say(&ann, 2, "no"));
        room.leave(&ann);
        let ann = room.join("ANN", 2, address(2));
        is_muted(room.say(&ann, 1, "no"));
        // Ann was told when she was muted, and the one who has her name now when she joined.
        let sentence = "the operator has muted you without a time limit; you can read on, and leave";
        assert_eq!((room.told(1), room.told(2)), (vec![sentence.to_owned()], vec![sentence.to_owned()]));
        assert!(room.told(0).is_empty(), "nobody else is told");
        let (unmuted_tx, unmuted_rx) = bounded(1);
        room.apply(Command::Unmute { name: "ann".to_owned(), unmuted_tx });
        assert_eq!(unmuted_rx.recv(), Ok(Ok(true)));
        assert!(matches!(room.say(&ann, 1, "yes"), Reply::Accepted { .. }));
        // One who is not here is muted when the name comes.
        assert_eq!(room.mute("cid"), None);
        let cid = room.join("Cid", 3, address(3));
        is_muted(room.say(&cid, 1, "no"));
        // A name that is muted cannot be a way out, and its new owner is muted too.
        assert!(matches!(room.rename(&ann, "dan"), Reply::Renamed { .. }));
        is_muted(room.rename(&cid, "Eve"));
    });
}

#[test]
fn what_a_connection_asked_for_is_not_done_when_its_session_has_a_newer_one() {
    with_room(&Limits::default(), |mut room| {
        let old = room.join("ann", 1, address(1));
        let new = room.resume(1, address(1)).unwrap();
        for has_entered in [false, true] {
            if has_entered {
                room.enter(&new, Entrance::Resumed(0)).unwrap();
            }
            // The client may have read a refusal of the same message on the newer one, and relies on it.
            assert!(matches!(room.say(&old, 1, "late"), Reply::Refused(_)), "{has_entered}");
            assert!(renamed(room.rename(&old, "late")).is_err(), "{has_entered}");
        }
        assert!(matches!(room.say(&new, 1, "late"), Reply::Accepted { .. }));
        assert_eq!(room.events().len(), 2, "{:?}", room.events());
    });
}

#[test]
fn nobody_gets_around_a_mute_or_a_kick_by_a_name_that_looks_the_same() {
    with_room(&Limits::default(), |mut room| {
        let bill = room.join("Bill", 1, address(1));
        assert_eq!(room.mute("bill"), Some("Bill".to_owned()));
        room.leave(&bill);
        let bill = room.join("BiII", 2, address(1));
        assert!(matches!(room.say(&bill, 1, "no"), Reply::Refused(why) if why.cause == Cause::Muted));
        assert_eq!(room.told(2).len(), 1);
        let ian = room.join("Ian", 3, address(3));
        assert_eq!(room.mute("Lan"), None);
        assert!(matches!(room.say(&ian, 1, "yes"), Reply::Accepted { .. }));
        assert_eq!(room.kick("Bi1l"), ["BiII"]);
    });
}

#[test]
fn a_removal_ends_a_session_that_has_not_entered_and_names_only_those_that_have() {
    with_room(&Limits::default(), |mut room| {
        let ann = room.claim(Join::new("Ann", token(1), 0), address(1)).unwrap();
        assert_eq!(room.kick("Ann"), [""; 0]);
        assert_eq!(room.enter(&ann, Entrance::New { deliver_from: None }), None);
        room.join("Ann", 2, address(1));
        assert_eq!(room.kick("Ann"), ["Ann"]);
    });
}

#[test]
fn a_removal_counts_the_others_whom_a_ban_of_the_address_would_hit() {
    with_room(&Limits::default(), |mut room| {
        for (number, (name, last)) in (1..).zip([("Ann", 1), ("Bob", 1), ("Cid", 1), ("Dan", 2)]) {
            room.join(name, number, address(last));
        }
        let mut others = |name: &str| {
            let (removed_tx, removed_rx) = bounded(1);
            let ban = Ban::of(name).unwrap();
            room.apply(Command::Remove { ban, reason: String::new(), removed_tx });
            let removed = removed_rx.recv().unwrap();
            removed.into_iter().map(|removed| (removed.name, removed.others)).collect::<Vec<_>>()
        };
        assert_eq!(others("ann"), [("Ann".to_owned(), 2)]);
        assert_eq!(others("dan"), [("Dan".to_owned(), 0)]);
        assert_eq!(others("10.0.0.1"), [("Bob".to_owned(), 0), ("Cid".to_owned(), 0)]);
    });
}

/// Checks that a claim is refused because the name is taken, and returns the sentence.
fn taken(claimed: Result<Arc<ConnectionPair>, Refusal>) -> String {
    let refusal = claimed.expect_err("the name is taken");
    assert_eq!(refusal.cause, Cause::NameTaken, "{refusal}");
    refusal.text
}

/// The reply to a Rename, as a claim.
fn renamed(reply: Reply) -> Result<(), Refusal> {
    match reply {
        Reply::Renamed { .. } => Ok(()),
        Reply::Refused(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_name_of_a_lost_session_goes_to_nobody_else_for_ten_seconds() {
    with_room(&Limits::default(), |mut room| {
        let tom = room.join("Bill", 1, address(1));
        let eve = room.join("Eve", 2, address(2));
        room.lose(&tom);
        for name in ["Bill", "BILL", "BiII"] {
            let why = taken(room.claim(Join::new(name, token(3), 0), address(3)));
            assert_eq!(why, "the connection of Bill was lost a moment ago; the name is free again in 10 s");
            assert!(renamed(room.rename(&eve, name)).is_err_and(|why| why.cause == Cause::NameTaken));
        }
        let private = MessageKind::Private { to: "Bill".to_owned() };
        let message = Message::new(1, false, "for you alone".to_owned(), private);
        let (task, _tasks) = tasks::begin();
        let reply = room.apply(Command::Say { pair: eve, message, task }).replies.remove(0).1;
        assert!(matches!(reply, Reply::Refused(why) if why.cause == Cause::NobodyOfThatName));
        // Its own client comes back: to the session, or with another one.
        let tom = room.resume(1, address(4)).unwrap();
        room.enter(&tom, Entrance::Resumed(0)).unwrap();
        room.lose(&tom);
        let tom = room.join("Bill", 1, address(5));
        room.lose(&tom);
        let mut lost = room.members.get(&tom.id).unwrap().clone();
        let since = Instant::now().checked_sub(Duration::from_secs(10)).expect("the machine runs for longer");
        lost.presence = Presence::Lost { since, told: true };
        apply(&mut room.members, [(tom.id, Some(lost))].into(), &mut room.index);
        room.join("BiII", 3, address(3));
        assert!(taken(room.resume(1, address(5))).contains("was taken by somebody else"));
    });
}

#[test]
fn a_program_that_is_killed_and_started_again_on_its_own_machine_has_its_name_at_once() {
    for (others, is_free) in [
        (vec![], true),
        (vec![("Ann", address(9))], true),
        (vec![("Ann", address(1))], false),
        (vec![("lost", address(1))], false),
        (vec![("kicked", address(1))], true),
    ] {
        with_room(&Limits::default(), |mut room| {
            let bot = room.join("bot", 1, address(1));
            for (number, (name, from)) in (2..).zip(&others) {
                let other = room.join(name, number, *from);
                match *name {
                    "lost" => room.lose(&other),
                    "kicked" => assert_eq!(room.kick("kicked"), ["kicked"]),
                    _ => {}
                }
            }
            room.lose(&bot);
            let again = room.claim(Join::new("bot", token(9), 0), address(1));
            assert_eq!(again.is_ok(), is_free, "{others:?}: {again:?}");
        });
    }
}

#[test]
fn a_host_is_the_network_of_its_ipv6_address() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    for (from, is_free) in [("2001:db8::2", true), ("2001:db8:0:1::1", false)] {
        with_room(&Limits::default(), |mut room| {
            let bot = room.join("bot", 1, address("2001:db8::1"));
            room.lose(&bot);
            assert_eq!(room.claim(Join::new("bot", token(2), 0), address(from)).is_ok(), is_free);
        });
    }
}

#[test]
fn a_name_that_is_given_up_is_free_at_once_after_a_leave_and_a_kick_and_held_after_a_new_name() {
    with_room(&Limits::default(), |mut room| {
        let tom = room.join("Tom", 1, address(1));
        room.leave(&tom);
        room.join("Tom", 2, address(2));
        assert_eq!(room.kick("Tom"), ["Tom"]);
        let tom = room.join("Tom", 3, address(3));
        renamed(room.rename(&tom, "Tim")).unwrap();
        let why = taken(room.claim(Join::new("TOM", token(4), 0), address(4)));
        assert_eq!(why, "Tim had the name TOM a moment ago; the name is free again in 10 s");
        for name in ["Tam", "Tum"] {
            renamed(room.rename(&tom, name)).unwrap();
        }
        for name in ["Tom", "Tim", "Tam"] {
            let why = taken(room.claim(Join::new(name, token(4), 0), address(4)));
            assert!(why.starts_with(&format!("Tum had the name {name} a moment ago; ")), "{why}");
        }
        renamed(room.rename(&tom, "Tom")).unwrap();
        room.leave(&tom);
        room.join("Tim", 5, address(5));
        room.join("Tom", 6, address(6));
    });
}

#[test]
fn no_name_is_held_longer_than_its_session_can_come_back() {
    let brief = Duration::from_millis(1);
    for limits in [
        Limits { hold_name: Duration::ZERO, ..Limits::default() },
        Limits { resume_within: brief, ..Limits::default() },
    ] {
        with_room(&limits, |mut room| {
            let tom = room.join("Tom", 1, address(1));
            room.lose(&tom);
            thread::sleep(brief);
            room.join("Tom", 2, address(2));
        });
    }
}

#[test]
fn who_takes_the_name_of_a_lost_session_does_not_pass_for_another_that_is_here() {
    let limits = Limits { hold_name: Duration::ZERO, ..Limits::default() };
    // The list has no order, so each of the two can be the first.
    for _ in 0..16 {
        with_room(&limits, |mut room| {
            let lost = room.join("BILL", 1, address(1));
            room.join("BiII", 2, address(2));
            room.lose(&lost);
            // It counts as the same as one, and looks the same as the other.
            let why = taken(room.claim(Join::new("Bill", token(3), 0), address(3)));
            assert_eq!(why, "the name Bill looks like BiII, who is here; choose another");
            assert!(room.resume(1, address(1)).is_ok());
        });
    }
}

#[test]
fn a_crowd_of_lost_sessions_pushes_out_only_its_own() {
    let limits = Limits { max_connections: 20, ..Limits::default() };
    with_room(&limits, |mut room| {
        let yours = room.join("You", 0, address(1));
        room.lose(&yours);
        for number in 1..200 {
            let crowd = room.join(&format!("crowd{number}"), number, address(2));
            room.lose(&crowd);
        }
        let absent =
            room.members.iter().filter(|(_, member)| matches!(member.presence, Presence::Lost { .. }));
        assert!(absent.count() <= limits.max_connections + 1);
        assert!(room.resume(0, address(1)).is_ok(), "the session is still there");
        assert!(room.resume(199, address(2)).is_ok());
        assert!(room.resume(1, address(2)).is_err(), "the oldest of the crowd is gone");
    });
}

#[test]
fn of_more_lost_sessions_than_are_kept_the_oldest_of_the_hosts_that_have_most_go() {
    // Each session's host, in the order of their loss, and which sessions stay.
    for (max, hosts, kept) in [
        (3, &[1, 2, 3, 4][..], &[1, 2, 3][..]),
        (3, &[1, 2, 2, 2, 2], &[0, 3, 4]),
        (4, &[1, 1, 1, 2, 2, 2, 3], &[2, 4, 5, 6]),
        (1, &[2, 1, 2], &[2]),
    ] {
        let limits = Limits { max_connections: max, ..Limits::default() };
        with_room(&limits, |mut room| {
            // All are in the room before the first is lost, so the claim that follows finds all of them.
            let pairs: Vec<_> = (0..)
                .zip(hosts)
                .map(|(number, host)| room.join(&format!("m{number}"), number, address(*host)))
                .collect();
            pairs.iter().for_each(|pair| room.lose(pair));
            let _claims = room.resume(99, address(9));
            let stays = |number: &u32| room.members.iter().any(|(_, member)| member.token == token(*number));
            let left: Vec<u32> = (0..hosts.len() as u32).filter(stays).collect();
            assert_eq!(left, kept, "{hosts:?}");
        });
    }
}

#[test]
fn two_names_that_look_the_same_are_not_in_the_room_together() {
    with_room(&Limits::default(), |mut room| {
        room.join("Bill", 1, address(1));
        room.join("Ian", 2, address(2));
        room.join("Lan", 3, address(3));
        for name in ["BiII", "Bi1l", "BILL"] {
            let refusal = room.claim(Join::new(name, token(4), 0), address(4)).unwrap_err();
            assert_eq!(refusal.cause, Cause::NameTaken, "{name}");
            assert!(refusal.text.contains(name), "{refusal}");
        }
    });
}

#[test]
fn without_space_who_comes_and_goes_is_told_when_there_is_some_and_only_what_is_still_so() {
    with_room(&Limits::default(), |mut room| {
        let (ann, bob) = (room.join("Ann", 1, address(1)), room.join("Bob", 2, address(2)));
        let next = room.log.read().next();
        room.space = Space { accepts: false, bytes: 0 };
        room.apply(Command::Lose { pair: ann, reason: "connection lost" });
        room.leave(&bob);
        let join = Join { resume: Some(next - 1), ..Join::new("Ann", token(1), 0) };
        let again = room.claim(join, address(1)).unwrap();
        assert!(room.enter(&again, Entrance::Resumed(next - 1)).is_some(), "she is not kept out");
        let refused = room.claim(Join::new("Cem", token(3), 0), address(3)).unwrap_err();
        assert_eq!(refused.cause, Cause::NoSpace);
        let (said_tx, said_rx) = bounded(1);
        room.apply(Command::Notice { text: "hello".to_owned(), said_tx });
        assert_eq!(said_rx.recv().unwrap().unwrap_err().cause, Cause::NoSpace);
        assert_eq!(room.log.read().next(), next, "nothing has a place in the order");
        assert!(!room.waiting.is_empty());

        room.space = Space::ENDLESS;
        room.apply(Command::TellLost);
        assert_eq!(room.log.read().next(), next + 1, "Bob has left, and Ann was never away");
    });
}

#[test]
fn the_record_of_a_mute_has_its_space_and_the_sessions_that_wait_have_what_is_left() {
    with_room(&Limits::default(), |mut room| {
        for number in 1..=20 {
            room.join(&format!("n{number}"), number, address(1));
            room.waiting.sessions.insert(u64::from(number));
        }
        let (muted_tx, muted_rx) = bounded(1);
        let typed = TypedTerms::read(&"x".repeat(256)).unwrap();
        let mut round = room.begin_round();
        round.apply(Command::Mute { name: "n1".to_owned(), typed, muted_tx });
        let space = 800;
        round.space = Space { accepts: true, bytes: round.staged.bytes() + space };
        let records = round.records();
        assert!((400..=space).contains(&records.len()), "{} bytes", records.len());
        assert!(!round.state.waiting.sessions.is_empty());
        round.effects.answers.drain(..).for_each(|answer| answer());
        assert!(muted_rx.recv().unwrap().is_ok());
    });
}

#[test]
fn of_the_sessions_of_a_journal_none_is_left_out_when_their_time_to_come_back_is_over() {
    const SESSIONS: u32 = 50;
    let (limits, shutdown) = (Limits::default(), Shutdown::default());
    let door = Door::new(Bans::default(), &limits);
    let mut past = Past::none(&limits).unwrap();
    let record = |number: u32| SessionRecord {
        id: u64::from(number),
        token: token(number),
        name: format!("n{number}"),
        address: address(1),
        send_only: false,
        positions: Positions { joined: u64::from(number), deliver_from: 1, membership_from: 1 },
        last_accepted: None,
        state: SessionState::Here,
    };
    past.sessions = (1..=SESSIONS).map(|number| (u64::from(number), record(number))).collect();
    let (room, broadcaster) = Room::open(&limits, &door, &shutdown, past, None);
    assert_eq!(room.people().len(), SESSIONS as usize);
    let until = broadcaster.quiet_resume_until.unwrap();
    broadcaster.published.registry.with_members(|members| {
        let shared = (&limits, &door, &broadcaster.published.mutes);
        let (state, staged) = (NewState::default(), broadcaster.published.log.stage());
        let members = View::new(members, &broadcaster.index);
        let mut round = RoundInProgress::new(shared, members, state, Space::ENDLESS, staged);
        // The broadcaster wakes then, and not once more.
        round.tell_lost(until);
        assert_eq!(round.members.iter().filter(|(_, member)| member.is_seen()).count(), 0);
    });
}
