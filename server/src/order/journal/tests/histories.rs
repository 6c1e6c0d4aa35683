//! Random histories of a journal on a disk that fails, fills up and rots, in a program that is killed, on a
//! machine that crashes. Whatever happens, nothing is taken back that somebody was told of.

use super::{
    model_disk::{Faults, ModelDisk, Random},
    *,
};

/// How many histories the usual test tries. `make faults` sets more.
fn histories() -> u64 {
    std::env::var("CHAT_CRASHES").ok().and_then(|count| count.parse().ok()).unwrap_or(300)
}

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content {
    /// The sequence number of the first text.
    first: u64,
    texts: Vec<String>,
    session: u64,
}

impl Content {
    fn of(life: &Life) -> Content {
        let first = life.next - life.texts.len() as u64;
        Content { first, texts: life.texts.clone(), session: life.session }
    }

    fn next(&self) -> u64 {
        self.first + self.texts.len() as u64
    }

    /// Whether this is `other`, and perhaps more at the beginning: a file that `--keep-size` dropped may come
    /// back with a crash.
    fn has_all_of(&self, other: &Content) -> bool {
        self.texts.ends_with(&other.texts) && (self.next(), self.session) == (other.next(), other.session)
    }

    fn drop_before(&mut self, first: u64) {
        let dropped = first.saturating_sub(self.first).min(self.texts.len() as u64);
        self.texts.drain(..dropped as usize);
        self.first += dropped;
    }
}

/// What a history has tried.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Torn batches that were cut.
    cuts: u64,
    /// Batches that were whole, though nobody was told of them.
    finished: u64,
    /// Repairs, and how often one was stopped.
    repairs: u64,
    stopped: u64,
    /// Files that were dropped.
    dropped: u64,
}

/// One journal, and what somebody was told of it.
struct History {
    disk: ModelDisk,
    random: Random,
    settings: JournalSettings,
    told: Content,
    /// What the journal may hold instead: the batch was written, and nobody was told of it.
    in_flight: Option<Content>,
    room: u8,
    counts: Counts,
}

impl History {
    fn new(seed: u64, bug: Option<Bug>) -> History {
        let mut random = Random(seed);
        let keep_size = Bytes(if random.below(2) == 0 { 48 << 10 } else { 0 });
        History {
            disk: ModelDisk::of(bug),
            random,
            settings: JournalSettings { keep_size, ..SMALL },
            told: Content { first: 1, ..Content::default() },
            in_flight: None,
            room: 1,
            counts: Counts::default(),
        }
    }

    /// Lives for some time.
    ///
    /// # Errors
    /// What the promise is broken by.
    fn run(mut self) -> Result<Counts, String> {
        for _ in 0..2 + self.random.below(6) {
            let faults = self.faults();
            self.live(faults)?;
            self.restart();
            if self.random.below(6) == 0 && self.rot()? {
                self.repair()?;
            }
        }
        self.disk = self.disk.crashed(&mut self.random);
        self.live(None)?;
        Ok(self.counts)
    }

    /// Chooses what fails next, if anything does.
    fn faults(&mut self) -> Option<Faults> {
        let after = Some(self.random.below(24));
        let none = Faults::default();
        match self.random.below(6) {
            0 | 1 => Some(Faults { kill: after, ..none }),
            2 => Some(Faults { sync: Some(self.random.below(8)), ..none }),
            3 => Some(Faults { write: Some(self.random.below(8)), ..none }),
            4 => Some(Faults { space: Some(self.random.below(64 << 10)), ..none }),
            _ => None,
        }
    }

    /// The program begins anew, on a machine that goes on or that does, too.
    fn restart(&mut self) {
        if self.random.below(2) == 0 {
            self.disk = self.disk.crashed(&mut self.random);
        }
        self.disk.restarted(&mut self.random);
    }

    /// Opens the journal, checks what is in it, and writes to it until something fails.
    fn live(&mut self, faults: Option<Faults>) -> Result<(), String> {
        self.disk.fail(faults.unwrap_or_default());
        let mut life = match open_in(&self.disk, &self.settings, self.room) {
            Err(_) if faults.is_some() => return Ok(()),
            Err(error) => return Err(format!("the journal is not opened: {error}")),
            Ok(life) => life,
        };
        let found = Content::of(&life);
        let finished = self.in_flight.take().filter(|in_flight| found.has_all_of(in_flight));
        if finished.is_none() && !found.has_all_of(&self.told) {
            let (found, told) = (found.next(), self.told.next());
            return Err(format!("the events before {told} were told, and those before {found} are left"));
        }
        if life.opened.room != u64::from_le_bytes([self.room; 8]) {
            return Err("the room is another".to_owned());
        }
        self.counts.cuts += u64::from(life.opened.cut.is_some());
        self.counts.finished += u64::from(finished.is_some());
        self.told = found;
        for _ in 0..self.random.below(10) {
            let (count, longest) = (self.random.below(5), [10, 1_000, 9_000][self.random.below(3) as usize]);
            let said = texts(&mut self.random, count, longest);
            let mut after = self.told.clone();
            after.texts.extend_from_slice(&said);
            after.session += 1;
            if life.commit(&said).is_err() {
                self.in_flight = Some(after);
                return Ok(());
            }
            self.told = after;
            let kept = life.journal.archive().first();
            self.counts.dropped += u64::from(kept > self.told.first);
            self.told.drop_before(kept);
        }
        Ok(())
    }

    /// Some bits flip, if there is a file. Returns whether there is one.
    fn rot(&mut self) -> Result<bool, String> {
        let files = segments(&self.disk).unwrap();
        for _ in 0..1 + self.random.below(2) {
            let Some(first) = files.get(self.random.below(files.len() as u64) as usize) else {
                return Ok(false);
            };
            self.disk.flip_bit(&name_of(*first), &mut self.random);
        }
        match open_in(&self.disk, &self.settings, self.room) {
            Ok(_) => Err("a journal was opened in which a bit has flipped".to_owned()),
            Err(_) => Ok(true),
        }
    }

    /// Repairs the journal, however often that is stopped.
    fn repair(&mut self) -> Result<(), String> {
        let next = match read_all(&self.disk, &mut |_| Ok(())) {
            Err(JournalError::Damaged { next, .. }) => next,
            other => return Err(format!("no damage is found where a bit has flipped: {other:?}")),
        };
        self.room += 1;
        self.counts.repairs += 1;
        for attempt in 0.. {
            let faults = self.faults().filter(|_| attempt < 3);
            self.disk.fail(faults.unwrap_or_default());
            let (room, sectors) = (self.room, sectors_of_file(SMALL.segment_size.0 as u64));
            let repaired = repair::repair(&self.disk, sectors, || Ok(Token::from_bytes([room; 16])));
            self.disk.fail(Faults::default());
            match repaired {
                Ok(Some(repaired)) => return self.opens_after(next, repaired.first_lost),
                // It was done up to the last sync of its names. Or the damage went with a file of which the
                // disk did not have the name, and nothing was cut.
                Ok(None) if attempt > 0 => {
                    let Ok(Some(last)) = read_all(&self.disk, &mut |_| Ok(())) else {
                        return self.live(None);
                    };
                    if last.header.room == u64::from_le_bytes([self.room; 8]) {
                        return self.opens_after(next, last.next);
                    }
                    self.room -= 1;
                    return self.live(None);
                }
                Ok(None) => return Err("a repair finds no damage".to_owned()),
                Err(error) if faults.is_none() => return Err(format!("the repair fails: {error}")),
                Err(_) => self.restart(),
            }
            self.counts.stopped += 1;
        }
        Ok(())
    }

    /// Opens the journal after its repair. The events before `next` were whole before.
    fn opens_after(&mut self, next: u64, first_lost: u64) -> Result<(), String> {
        let life = open_in(&self.disk, &self.settings, self.room);
        let life = life.map_err(|error| format!("one repair is not enough: {error}"))?;
        let found = Content::of(&life);
        let known = self.in_flight.take().unwrap_or_else(|| self.told.clone());
        // A batch that nobody was told of may have gone meanwhile. Where nothing is left, the numbers begin
        // anew.
        let least = if found.texts.is_empty() { 1 } else { next.min(self.told.next()) };
        let start = found.first.max(known.first);
        let part = |content: &Content| {
            let from = start - content.first;
            let count = found.next().saturating_sub(start);
            content.texts.iter().skip(from as usize).take(count as usize).cloned().collect::<Vec<_>>()
        };
        if found.next() < least || found.next() > next || found.next() != first_lost {
            let found = found.next();
            return Err(format!("{first_lost} is said to be lost, {next} was damaged, {found} is next"));
        }
        if part(&found) != part(&known) {
            return Err("a repair has changed what was said".to_owned());
        }
        if life.opened.room != u64::from_le_bytes([self.room; 8]) {
            return Err("after a repair the room is not a new one".to_owned());
        }
        self.told = found;
        Ok(())
    }
}

#[test]
fn no_history_of_faults_takes_back_what_somebody_was_told() {
    // Most of the time goes into checksums, so each core has a part of the histories.
    const PARTS: u64 = 4;
    let living = |part| {
        let name = std::thread::Builder::new().name(format!("histories-{part}"));
        let seeds = (part..histories()).step_by(PARTS as usize);
        let run = |seed| {
            History::new((seed + 1) * 7_919, None).run().unwrap_or_else(|why| panic!("history {seed}: {why}"))
        };
        name.spawn(move || seeds.map(run).collect::<Vec<_>>()).unwrap()
    };
    let parts: Vec<_> = (0..PARTS).map(living).collect();
    let all: Vec<Counts> = parts.into_iter().flat_map(|part| part.join().unwrap()).collect();
    // Otherwise the test would not try what it is for.
    for what in [
        |counts: &Counts| counts.cuts,
        |counts: &Counts| counts.finished,
        |counts: &Counts| counts.repairs,
        |counts: &Counts| counts.stopped,
        |counts: &Counts| counts.dropped,
    ] {
        assert!(all.iter().map(what).sum::<u64>() > 0, "{all:?}");
    }
}

#[test]
fn each_bug_on_purpose_is_found() {
    for bug in Bug::ALL {
        let found = (1..400).find_map(|seed| History::new(seed * 7_919, Some(bug)).run().err());
        assert!(found.is_some(), "{bug:?}");
    }
}
