//! One file of the journal: its header, its batches, and what is wrong with it. Works on bytes in memory;
//! no I/O.
//!
//! The first page is a batch with the header alone. Each further batch begins at a page with the `u32`
//! checksum of the sector before it, which is the last of the batch before. The rest of a file is zero.
//!
//! A file that ends with a part of a batch is *torn* if it is the last file, and everything from the start
//! of that batch on is good or zero and belongs to this one batch: nobody was told that it was accepted.
//! Whatever else is not good is *damage*, and nothing may be guessed about it.

use super::sector::{sectors_of, Sector, SectorKey, Tag, MAX_BATCH_SECTORS, PAGE, PAGE_SECTORS, SECTOR};
use chat_common::wire::codec::{decode, encode_into};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The first bytes of every file, after the five of the sector.
const MAGIC: &[u8; 16] = b"rpc-chat journal";
/// The version of the format.
const VERSION: u32 = 1;
/// What is said of a file with another one.
pub(super) const OTHER_VERSION: &str = "the journal is of another version of rpc-chat";
/// Where the salt stands in the first sector: after the sector's own bytes, the magic and the version.
const SALT_START: usize = 5 + 16 + 4;
/// The bytes of the checksum at the start of a batch.
pub(super) const CHAIN: usize = 4;

/// The header of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) version: u32,
    /// Random. It is the same in all files of a journal.
    pub(super) salt: [u8; 16],
    /// The number of the room.
    pub(super) room: u64,
    /// The sequence number of the first event in this file. It is also the file's name.
    pub(super) first: u64,
    /// The length of the file, in sectors.
    pub(super) sectors: u32,
    /// The checksum of the last sector that was written in the file before, or 0.
    pub(super) before: u32,
}

/// Why a file is damaged, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// In bytes.
    pub(super) offset: u64,
    /// Where the batch begins that has the damage, in bytes. Everything before is whole.
    pub(super) cut: u64,
    pub(super) why: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.offset, self.why)
    }
}

/// Why a header cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    Damaged(Damage),
    /// It is whole, and of another version. A later server has written it, and can read it.
    OtherVersion,
}

impl From<HeaderError> for Damage {
    fn from(error: HeaderError) -> Damage {
        match error {
            HeaderError::Damaged(damage) => damage,
            HeaderError::OtherVersion => Damage { offset: 0, cut: 0, why: OTHER_VERSION.to_owned() },
        }
    }
}

/// What a whole file holds.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) header: Header,
    /// The first sector of the last whole batch.
    pub(super) last: u32,
    /// The sector after the last whole batch. A page begins there.
    pub(super) end: u32,
    /// The checksum of the last sector of that batch.
    pub(super) chain: u32,
    /// The sector after the last one of a torn batch, which begins at `end`.
    pub(super) torn: Option<u32>,
}

impl Header {
    pub(super) fn new(salt: [u8; 16], room: u64, first: u64, sectors: u32, before: u32) -> Header {
        Header { version: VERSION, salt, room, first, sectors, before }
    }

    pub(super) fn key(&self) -> SectorKey {
        SectorKey { salt: self.salt, segment: self.first }
    }

    /// Returns how long the file was made, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.sectors) * SECTOR as u64
    }

    /// Compares the length of the file with that. The damage is where the file ends, or should have ended.
    pub(super) fn check_length(&self, length: u64) -> Result<(), Damage> {
        let made = self.bytes();
        if length == made && made >= PAGE as u64 {
            return Ok(());
        }
        let why = format!("the file was made with {made} bytes, and has {length}");
        Err(Damage { offset: length.min(made), cut: 0, why })
    }

    /// Returns the first page of the file, and the checksum of its last sector.
    pub(super) fn write(&self) -> (Vec<u8>, u32) {
        let mut data = MAGIC.to_vec();
        encode_into(self, &mut data).expect("a header encodes");
        self.key().write_batch(0, Tag::Header, &data)
    }

    /// Reads the header from the first page of the file with this name.
    pub(super) fn read(page: &[u8], first: u64) -> Result<(Header, u32), HeaderError> {
        let damage = |offset, why: &str| HeaderError::Damaged(Damage { offset, cut: 0, why: why.to_owned() });
        if page.len() < PAGE {
            return Err(damage(page.len() as u64, "the file ends inside its first page"));
        }
        let mut salt = [0; 16];
        salt.copy_from_slice(&page[SALT_START..SALT_START + 16]);
        let key = SectorKey { salt, segment: first };
        let mut header = None;
        let mut chain = 0;
        for (number, bytes) in (0..).zip(page[..PAGE].chunks_exact(SECTOR)) {
            let expected = match number {
                0 => Tag::Header,
                _ if number + 1 == PAGE_SECTORS => Tag::Last,
                _ => Tag::Middle,
            };
            match key.read(number, bytes) {
                Sector::Good { tag, index, data, crc } if tag == expected && index == number => {
                    chain = crc;
                    if number == 0 {
                        header = Some(data);
                    }
                }
                _ => return Err(damage(u64::from(number) * SECTOR as u64, "the header is damaged")),
            }
        }
        let data = header.and_then(|data| data.strip_prefix(MAGIC));
        let data = data.ok_or_else(|| damage(0, "this is no journal of rpc-chat"))?;
        match data.get(..4) {
            Some(version) if version == VERSION.to_le_bytes() => {}
            _ => return Err(HeaderError::OtherVersion),
        }
        let header: Header = decode(data).map_err(|_| damage(0, "the header is damaged"))?;
        match header.first == first {
            true => Ok((header, chain)),
            false => Err(damage(0, "the file has the name of another")),
        }
    }
}

/// Returns the bytes of a batch with `data` that begins at the sector `number`, and the checksum of its last
/// sector. `chain` is that of the batch before.
pub(super) fn write_batch(key: &SectorKey, number: u32, chain: u32, data: &[u8]) -> (Vec<u8>, u32) {
    let mut linked = Vec::with_capacity(CHAIN + data.len());
    linked.extend(chain.to_le_bytes());
    linked.extend(data);
    key.write_batch(number, Tag::First, &linked)
}

/// Returns how many sectors a batch with `length` bytes of data takes.
pub(super) fn batch_sectors(length: usize) -> u32 {
    sectors_of(CHAIN + length)
}

/// Gets the first sector and the data of a batch. An error says what is wrong with them.
pub(super) type EachBatch<'a> = &'a mut dyn FnMut(u32, &[u8]) -> Result<(), String>;

/// Reads a file to its end, and passes the data of each whole batch to `each`, with the batch's first sector.
/// `is_last` is whether the journal ends with this file, so that its last batch may be torn.
///
/// # Errors
/// The first damage, or what `each` has against the data of a batch.
pub(super) fn scan(bytes: &[u8], first: u64, is_last: bool, each: EachBatch<'_>) -> Result<Scan, Damage> {
    let (header, mut chain) = Header::read(bytes, first)?;
    header.check_length(bytes.len() as u64)?;
    let sectors = header.sectors;
    let key = header.key();
    let sector = |number: u32| key.read(number, &bytes[number as usize * SECTOR..][..SECTOR]);
    let damage = |number: u32, batch: u32, why: &str| {
        let [offset, cut] = [number, batch].map(|number| u64::from(number) * SECTOR as u64);
        Damage { offset, cut, why: why.to_owned() }
    };
    let (mut last, mut end) = (0, PAGE_SECTORS);
    let mut data = Vec::new();
    while end < sectors {
        let Some((next, crc)) = read_batch(&sector, end, sectors, &mut data) else { break };
        let linked = data.get(..CHAIN).is_some_and(|before| before == chain.to_le_bytes());
        if !linked {
            return Err(damage(end, end, "this batch does not follow the one before it"));
        }
        each(end, &data[CHAIN..]).map_err(|why| damage(end, end, &why))?;
        (last, end, chain) = (end, next, crc);
    }
    let mut torn = None;
    let mut closed = false;
    for number in end..sectors {
        match sector(number) {
            Sector::Zero => {}
            Sector::Damaged => return Err(damage(number, end, "this sector is damaged")),
            Sector::Good { tag, index, .. } => {
                let belongs =
                    index == number - end && (tag == Tag::First) == (index == 0) && tag != Tag::Header;
                if !is_last || closed || !belongs {
                    return Err(damage(end, end, "a batch is missing here, in whole or in part"));
                }
                closed = tag == Tag::Last;
                torn = Some(number + 1);
            }
        }
    }
    Ok(Scan { header, last, end, chain, torn })
}

/// Reads the batch that begins at the sector `start` into `data`. Returns the sector after it, and the
/// checksum of its last sector. Returns `None` if it is not whole.
fn read_batch<'b>(
    sector: &impl Fn(u32) -> Sector<'b>,
    start: u32,
    sectors: u32,
    data: &mut Vec<u8>,
) -> Option<(u32, u32)> {
    data.clear();
    let most = sectors.min(start.saturating_add(MAX_BATCH_SECTORS));
    for number in start..most {
        let Sector::Good { tag, index, data: piece, crc } = sector(number) else { return None };
        let expected = if number == start { Tag::First } else { tag };
        if index != number - start || tag != expected || tag == Tag::First && index > 0 || tag == Tag::Header
        {
            return None;
        }
        data.extend(piece);
        if tag == Tag::Last {
            return ((index + 1) % PAGE_SECTORS == 0).then_some((number + 1, crc));
        }
    }
    None
}

/// Reads the data of the batch at the sector `number`, where `bytes` begin with the sector `start` and end at
/// the end of a batch. Returns the sector after it, or `None` if it is not whole.
pub(super) fn read_batch_at(
    key: &SectorKey,
    bytes: &[u8],
    start: u32,
    number: u32,
    data: &mut Vec<u8>,
) -> Option<u32> {
    let end = start + (bytes.len() / SECTOR) as u32;
    let sector = |number: u32| key.read(number, &bytes[(number - start) as usize * SECTOR..][..SECTOR]);
    let (next, _) = read_batch(&sector, number, end, data)?;
    data.drain(..CHAIN.min(data.len()));
    Some(next)
}
