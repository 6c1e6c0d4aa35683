//! One file of the journal: its header, its batches, and what is wrong with it. The format stands in
//! [`journal`](super). Works on bytes in memory; no I/O.

use super::{
    damaged_in, name_of,
    sector::{sectors_of, Sector, SectorKey, Tag, MAX_BATCH_SECTORS, PAGE, PAGE_SECTORS, SECTOR},
    JournalError,
};
use chat_common::wire::codec::{decode, encode_into};
use serde::{Deserialize, Serialize};

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

/// A file of a journal, whole in memory.
pub(super) struct Segment {
    pub(super) header: Header,
    /// The checksum of the last sector of the header.
    pub(super) chain: u32,
    pub(super) bytes: Vec<u8>,
}

/// What was found in a file.
#[derive(Debug)]
pub(super) struct Scan {
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
    pub(super) fn check_length(&self, length: u64) -> Result<(), JournalError> {
        let made = self.bytes();
        if length == made && made >= PAGE as u64 {
            return Ok(());
        }
        let why = format!("the file was made with {made} bytes, and has {length}");
        Err(damaged_in(&name_of(self.first), Damage { offset: length.min(made), cut: 0, why }, self.first))
    }

    /// Returns the first page of the file, and the checksum of its last sector.
    pub(super) fn write(&self) -> (Vec<u8>, u32) {
        let mut data = MAGIC.to_vec();
        encode_into(self, &mut data).expect("a header encodes");
        self.key().write_batch(0, Tag::Header, &data)
    }

    /// Reads the header from the first page of the file with this name. Returns it with the checksum of the
    /// page's last sector.
    ///
    /// # Errors
    /// When the page is damaged, or of another version: a later server has written it, and can read it.
    pub(super) fn read(page: &[u8], first: u64) -> Result<(Header, u32), JournalError> {
        let damage = |offset: usize, why: &str| {
            let damage = Damage { offset: offset as u64, cut: 0, why: why.to_owned() };
            damaged_in(&name_of(first), damage, first)
        };
        if page.len() < PAGE {
            return Err(damage(page.len(), "the file ends inside its first page"));
        }
        let mut salt = [0; 16];
        salt.copy_from_slice(&page[SALT_START..SALT_START + 16]);
        let sector = SectorKey { salt, segment: first }.reader(page, 0);
        let mut data = Vec::new();
        let (_, chain) = read_batch(sector, Tag::Header, 0, PAGE_SECTORS, &mut data)
            .map_err(|number| damage(number as usize * SECTOR, "the header is damaged"))?;
        let data = data.strip_prefix(MAGIC).ok_or_else(|| damage(0, "this is no journal of rpc-chat"))?;
        if !data.starts_with(&VERSION.to_le_bytes()) {
            return Err(JournalError::OtherVersion { file: name_of(first) });
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

impl Segment {
    /// Reads the batches up to the end of the file, and passes the data of each whole one to `each`.
    /// `is_last` is whether the journal ends with this file, so that its last batch may be torn.
    ///
    /// # Errors
    /// The first damage, or what `each` has against the data of a batch.
    pub(super) fn scan(&self, is_last: bool, each: EachBatch<'_>) -> Result<Scan, Damage> {
        let (sectors, mut chain) = (self.header.sectors, self.chain);
        let sector = self.header.key().reader(&self.bytes, 0);
        let damage = |number: u32, batch: u32, why: &str| {
            let [offset, cut] = [number, batch].map(|number| u64::from(number) * SECTOR as u64);
            Damage { offset, cut, why: why.to_owned() }
        };
        let (mut last, mut end, mut data) = (0, PAGE_SECTORS, Vec::new());
        let begun = loop {
            let (next, crc) = match read_batch(&sector, Tag::First, end, sectors, &mut data) {
                Ok(batch) => batch,
                Err(number) => break number,
            };
            if !data.starts_with(&chain.to_le_bytes()) {
                return Err(damage(end, end, "this batch does not follow the one before it"));
            }
            each(end, &data[CHAIN..]).map_err(|why| damage(end, end, &why))?;
            (last, end, chain) = (end, next, crc);
        };
        // A part of a batch stands before the sector `begun`.
        let missing = || damage(end, end, "a batch is missing here, in whole or in part");
        let (mut torn, mut closed) = ((begun > end).then_some(begun), false);
        if torn.is_some() && !is_last {
            return Err(missing());
        }
        for number in begun..sectors {
            match sector(number) {
                Sector::Zero => {}
                Sector::Damaged => return Err(damage(number, end, "this sector is damaged")),
                Sector::Good { tag, index, .. } => {
                    if !is_last || closed || index != number - end || !tag.belongs_at(index, Tag::First) {
                        return Err(missing());
                    }
                    closed = tag == Tag::Last;
                    torn = Some(number + 1);
                }
            }
        }
        Ok(Scan { last, end, chain, torn })
    }
}

/// Reads the batch that begins at the sector `start` with the tag `first` into `data`. It ends before the
/// sector `limit`. Returns the sector after the batch, and the checksum of its last sector.
///
/// # Errors
/// The first sector that does not belong to the batch, or that is not there.
pub(super) fn read_batch<'b>(
    sector: impl Fn(u32) -> Sector<'b>,
    first: Tag,
    start: u32,
    limit: u32,
    data: &mut Vec<u8>,
) -> Result<(u32, u32), u32> {
    data.clear();
    let limit = limit.min(start.saturating_add(MAX_BATCH_SECTORS));
    for number in start..limit {
        let Sector::Good { tag, index, data: piece, crc } = sector(number) else { return Err(number) };
        if index != number - start || !tag.belongs_at(index, first) {
            return Err(number);
        }
        data.extend(piece);
        if tag == Tag::Last {
            return Ok((number + 1, crc));
        }
    }
    Err(limit)
}
