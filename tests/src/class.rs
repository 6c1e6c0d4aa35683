//! A class: random members, and a teacher who is an operator and moderates from inside the room.
//!
//! The teacher mutes one and all, removes, bans and ends all of that, asks how the room is, speaks, and loses
//! its own connection. Whom it meets depends on the seed. What it does comes in one order, so that each run
//! has all of it.

use crate::{
    folder::Folder,
    history::MemberHistory,
    member::Member,
    moderation::{Moderation, EVERYBODY},
    random::{address_of, run_random_members, Random},
    watchdog::Shared,
};
use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, thread};

/// The operators' passphrase of a class.
pub const WORDS: &str = "lamp river stone cloud";

/// The teacher does something after so many moves of the pupils, so that they speak in between. The pupils
/// wait when they are much further than that, so each run has the whole lesson.
const PACE: u64 = 6;

/// Makes the file with the operators' passphrase, in a folder for it.
pub fn operators_file(folder: &Folder) -> String {
    let file = folder.file("operators");
    fs::write(&file, format!("{WORDS}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

/// How far the class is.
#[derive(Debug, Default)]
struct Progress {
    /// How many moves the pupils have made.
    moves: u64,
    /// How many things the teacher has done.
    acts: u64,
    /// The teacher comes to the end.
    ends: bool,
    /// The teacher has ended all mutes and bans, and has gone.
    over: bool,
}

/// Runs random members as [`run_random_members`] does, beside a teacher. Returns all histories.
pub fn run_class(
    server: SocketAddr,
    seed: u64,
    groups: u8,
    keep_going: &(dyn Fn(u64) -> bool + Sync),
) -> Vec<MemberHistory> {
    let progress = Shared::new(Progress::default());
    thread::scope(|scope| {
        let teacher = scope.spawn(|| {
            let _over = Over(&progress);
            teach_loop(server, Random::new(!seed), &progress)
        });
        let mut histories = run_random_members(server, seed, groups, &|number| {
            let ends = !keep_going(number);
            progress.update(|progress| {
                progress.moves += 1;
                progress.ends |= ends;
            });
            progress.wait("the teacher", |progress| {
                let is_ahead = progress.moves > (progress.acts + 2) * PACE;
                (progress.over || !is_ahead).then_some(!progress.over)
            })
        });
        histories.push(teacher.join().expect("the teacher does not panic"));
        histories
    })
}

/// Lets the pupils end, also when the teacher's thread panics.
struct Over<'p>(&'p Shared<Progress>);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.update(|progress| progress.over = true);
    }
}

/// What a teacher does.
#[derive(Clone, Copy)]
enum Act {
    Mute,
    MuteAll,
    Unmute,
    UnmuteAll,
    Kick,
    BanName,
    BanAddress,
    Unban,
    /// Says something as the server.
    Announce,
    /// Says something itself.
    Speak,
    Look,
    /// Loses its connection and comes back.
    Lose,
}

/// What it does, again and again.
const LESSON: [Act; 24] = [
    Act::Look,
    Act::Mute,
    Act::Speak,
    Act::Mute,
    Act::Kick,
    Act::MuteAll,
    Act::Announce,
    Act::Lose,
    Act::Speak,
    Act::Look,
    Act::UnmuteAll,
    Act::BanName,
    Act::Unmute,
    Act::Look,
    Act::Kick,
    Act::Unban,
    Act::BanAddress,
    Act::Mute,
    Act::Lose,
    Act::Look,
    Act::Announce,
    Act::Unban,
    Act::Unmute,
    Act::Look,
];

/// The commands that change nothing, and what the replies to them have. The teacher is called so.
const LOOKS: [(&str, &str); 5] = [
    ("/who", "teacher"),
    ("/stats", "members "),
    ("/reload", "read again: the bans"),
    ("/who teacher", "operator"),
    ("/help", "/mute "),
];

/// The teacher's whole lesson. Returns its history.
fn teach_loop(server: SocketAddr, random: Random, progress: &Shared<Progress>) -> MemberHistory {
    let mut member = Member::join(server, "teacher");
    member.operate(WORDS);
    let mut teacher = Teacher { member, random, number: 0, muted: Vec::new(), banned: Vec::new() };
    for act in LESSON.into_iter().cycle() {
        let ends = progress.wait("the next moves of the pupils", |progress| {
            (progress.ends || progress.moves >= progress.acts * PACE).then_some(progress.ends)
        });
        if ends {
            break;
        }
        teacher.act(act);
        progress.update(|progress| progress.acts += 1);
    }
    while !teacher.muted.is_empty() {
        teacher.act(Act::Unmute);
    }
    teacher.act(Act::UnmuteAll);
    while !teacher.banned.is_empty() {
        teacher.act(Act::Unban);
    }
    teacher.member.crash()
}

struct Teacher {
    member: Member,
    random: Random,
    /// How many things it has done.
    number: u64,
    muted: Vec<String>,
    banned: Vec<String>,
}

impl Teacher {
    fn act(&mut self, act: Act) {
        self.number += 1;
        let (number, reason) = (self.number, format!("reason {}", self.number));
        match act {
            Act::Mute => {
                let Some(name) = self.pupil().filter(|name| !self.muted.contains(name)) else { return };
                self.muted.push(name.clone());
                self.gives(&Moderation::Mute { name, reason });
            }
            Act::MuteAll => self.gives(&Moderation::Mute { name: EVERYBODY.to_owned(), reason }),
            Act::Unmute => {
                let Some(name) = take_any(&mut self.muted, &mut self.random) else { return };
                self.gives(&Moderation::Unmute { name });
            }
            Act::UnmuteAll => self.gives(&Moderation::Unmute { name: EVERYBODY.to_owned() }),
            Act::Kick => {
                let Some(name) = self.pupil() else { return };
                self.gives(&Moderation::Kick { name, reason });
            }
            Act::BanName => {
                let Some(whom) = self.pupil() else { return };
                self.banned.push(whom.clone());
                self.gives(&Moderation::Ban { whom, reason });
            }
            Act::BanAddress => {
                let Some(whom) = self.pupil().and_then(|name| address_of(&name)) else { return };
                self.banned.push(whom.clone());
                self.gives(&Moderation::Ban { whom, reason });
            }
            Act::Unban => {
                let Some(whom) = take_any(&mut self.banned, &mut self.random) else { return };
                self.gives(&Moderation::Unban { whom });
            }
            Act::Announce => self.gives(&Moderation::Say { text: format!("notice {number}") }),
            Act::Speak => drop(self.member.say_until_accepted(&format!("lesson {number}"))),
            Act::Look => {
                let (line, reply) = LOOKS[self.random.below(LOOKS.len() as u64) as usize];
                self.gives(&Moderation::Look { line, reply });
            }
            Act::Lose => {
                self.member.disconnect();
                self.member.reconnect();
            }
        }
    }

    /// Gives a command. The checker judges the reply.
    fn gives(&mut self, command: &Moderation) {
        let _ = self.member.command(command);
    }

    /// Returns the name of a pupil who is here.
    fn pupil(&mut self) -> Option<String> {
        let mut names = self.member.who_until_answered();
        names.retain(|name| address_of(name).is_some());
        take_any(&mut names, &mut self.random)
    }
}

fn take_any(names: &mut Vec<String>, random: &mut Random) -> Option<String> {
    (!names.is_empty()).then(|| names.swap_remove(random.below(names.len() as u64) as usize))
}
