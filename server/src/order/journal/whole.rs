//! Reads a whole journal, file after file. Each function waits for the disk.

use super::{
    archive::IndexedFile,
    clock::EventTimes,
    damaged_in,
    disk::{Disk, DiskFile},
    last::Last,
    name_of, on_disk,
    record::{records, Record},
    sector::{PAGE, SECTOR},
    segment::{Damage, Header, Segment},
    JournalError,
};
use chat_common::{terminal::progress::Progress, wire::frame::has_memory_for};
use std::{collections::VecDeque, io::ErrorKind};

/// Returns the first sequence numbers of all files of a journal, in order.
///
/// # Errors
/// When the directory cannot be read.
pub(super) fn segments(disk: &impl Disk) -> Result<Vec<u64>, JournalError> {
    let names = disk.names().map_err(on_disk("."))?;
    let first =
        |name: &String| name.strip_suffix(".journal").filter(|digits| digits.len() == 20)?.parse().ok();
    let mut segments: Vec<u64> = names.iter().filter_map(first).collect();
    segments.sort_unstable();
    Ok(segments)
}

/// Reads the file whole that begins with the event `first`.
///
/// The header is read first: a damaged file may be of any length, and may not fit into memory.
pub(super) fn read_file<D: Disk>(disk: &D, first: u64) -> Result<Segment, JournalError> {
    let name = name_of(first);
    let file = disk.open(&name).map_err(on_disk(&name))?;
    let length = file.length().map_err(on_disk(&name))?;
    let mut page = vec![0; PAGE.min(usize::try_from(length).unwrap_or(PAGE))];
    file.read_at(&mut page, 0).map_err(on_disk(&name))?;
    let (header, chain) = Header::read(&page, first)?;
    header.check_length(length)?;
    let length = header.bytes() as usize;
    if !has_memory_for(length) {
        return Err(on_disk(&name)(ErrorKind::OutOfMemory.into()));
    }
    // The system has these zeros ready; in a debug build `Vec::resize` writes each one.
    let mut bytes = vec![0; length];
    file.read_at(&mut bytes, 0).map_err(on_disk(&name))?;
    Ok(Segment { header, chain, bytes })
}

/// Reads a whole journal, and passes each record to `each`.
///
/// Returns the header of the last file and where it ends, or `None` for a journal without files.
///
/// # Errors
/// When a file cannot be read, or at the first damage.
pub(super) fn read_all<D: Disk>(
    disk: &D,
    each: &mut dyn FnMut(Record) -> Result<(), String>,
) -> Result<Option<Last>, JournalError> {
    let mut files = VecDeque::new();
    let segments = segments(disk)?;
    let (mut last, mut times): (Option<Last>, _) = (None, EventTimes::default());
    let mut next = segments.first().copied().unwrap_or(1);
    let mut progress = Progress::begin("reading the journal");
    for (index, first) in segments.iter().enumerate() {
        progress.at(index, segments.len());
        let (name, is_last) = (name_of(*first), index + 1 == segments.len());
        if *first != next {
            let why = format!("the events from {next} on are missing before this file");
            return Err(damaged_in(&name, Damage { offset: 0, cut: 0, why }, next));
        }
        let segment = read_file(disk, *first)?;
        let mut file = IndexedFile::new(*first, segment.header.sectors);
        let found = segment.scan(is_last, &mut |sector, data| {
            file.add(next, sector);
            let first_of_batch = next;
            let read = records(data).try_for_each(|record| {
                let record = record?;
                if let Record::Event { event, .. } = &record {
                    if event.sequence != next {
                        return Err(format!("event {next} is missing here"));
                    }
                    next += 1;
                    file.newest = file.newest.max(event.time);
                    times.add(event.time);
                }
                each(record)
            });
            read.inspect_err(|_| next = first_of_batch)
        });
        let found = found.map_err(|damage| damaged_in(&name, damage, next))?;
        let Segment { header, bytes, .. } = segment;
        if let Some(last) = &last {
            let Header { before, salt, room, .. } = header;
            // After a repair a new room begins, and its first file follows none.
            let is_new_room = before == 0 && room != last.header.room;
            let follows = before == last.chain && room == last.header.room;
            if salt != last.header.salt || !(follows || is_new_room) {
                let why = "this file does not follow the one before it".to_owned();
                return Err(damaged_in(&name, Damage { offset: 0, cut: 0, why }, *first));
            }
        }
        let part = |from: u32, to: u32| bytes[from as usize * SECTOR..to as usize * SECTOR].to_vec();
        file.end = found.end;
        files.push_back(file);
        last = Some(Last {
            header,
            batch: part(found.last, found.end),
            end: found.end,
            chain: found.chain,
            torn: found.torn.map(|torn_end| part(found.end, torn_end)),
            next,
            files: VecDeque::new(),
            times: EventTimes::default(),
        });
    }
    if let Some(last) = &mut last {
        (last.files, last.times) = (files, times);
    }
    Ok(last)
}
