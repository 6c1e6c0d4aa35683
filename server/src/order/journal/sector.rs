//! Sectors: a batch of bytes is cut into them, and each is zero, good or damaged. No I/O, for any thread.
//!
//! A disk writes a sector of 512 bytes whole or not at all, and the sectors of one write in any order. So
//! after a crash each sector of the last batch is what was written or what was there before: zero.
//!
//! The format stands in [`journal`](super). Members choose what stands in a sector. They do not know the
//! salt, so they cannot write a text that is taken for a sector.

use super::crc32c;

/// The bytes of a sector.
pub(super) const SECTOR: usize = 512;
/// What a page and most disks write at once, in bytes. A batch begins and ends at such a border, so nothing
/// that was synced is written again.
pub(super) const PAGE: usize = 4096;
/// The sectors of a page.
pub(super) const PAGE_SECTORS: u32 = (PAGE / SECTOR) as u32;
/// The bytes of data in a sector.
pub(super) const DATA: usize = SECTOR - DATA_START - 4;
const DATA_START: usize = 5;
const CRC_START: usize = SECTOR - 4;
/// The most sectors of one batch: their numbers in it are `u16`.
pub(super) const MAX_BATCH_SECTORS: u32 = 1 << 16;

/// What a sector is in its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// The first sector of a file.
    Header = 1,
    First = 2,
    Middle = 3,
    Last = 4,
}

impl Tag {
    /// Returns whether the sector `index` of a batch that begins with the tag `first` may have this tag.
    pub(super) fn belongs_at(self, index: u32, first: Tag) -> bool {
        match self {
            Tag::Header | Tag::First => index == 0 && self == first,
            Tag::Middle => index > 0,
            Tag::Last => (index + 1).is_multiple_of(PAGE_SECTORS),
        }
    }
}

/// What the checksums of a file depend on, besides the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SectorKey {
    /// Random bytes that nobody outside knows.
    pub(super) salt: [u8; 16],
    /// The sequence number in the file's name.
    pub(super) segment: u64,
}

/// A sector of a file, as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sector<'b> {
    /// Never written.
    Zero,
    /// As it was written.
    Good { tag: Tag, index: u32, data: &'b [u8], crc: u32 },
    /// Neither.
    Damaged,
}

impl SectorKey {
    fn crc(&self, number: u32, bytes: &[u8]) -> u32 {
        let mut place = [0; 28];
        place[..16].copy_from_slice(&self.salt);
        place[16..24].copy_from_slice(&self.segment.to_le_bytes());
        place[24..].copy_from_slice(&number.to_le_bytes());
        crc32c::extend(crc32c::extend(0, &place), bytes)
    }

    /// Cuts a batch into sectors, the first of which has `number` in the file and the tag `first`. Fills the
    /// last page with sectors without data. Returns the bytes to write, and the checksum of the last sector.
    pub(super) fn write_batch(&self, number: u32, first: Tag, data: &[u8]) -> (Vec<u8>, u32) {
        let count = sectors_of(data.len());
        let mut bytes = vec![0; count as usize * SECTOR];
        let mut pieces = data.chunks(DATA);
        let mut crc = 0;
        for (index, sector) in (0..count).zip(bytes.chunks_exact_mut(SECTOR)) {
            let piece = pieces.next().unwrap_or_default();
            let tag = match index {
                0 => first,
                _ if index + 1 == count => Tag::Last,
                _ => Tag::Middle,
            };
            sector[0] = tag as u8;
            sector[1..3].copy_from_slice(&(piece.len() as u16).to_le_bytes());
            sector[3..5].copy_from_slice(&(index as u16).to_le_bytes());
            sector[DATA_START..DATA_START + piece.len()].copy_from_slice(piece);
            crc = self.crc(number + index, &sector[..CRC_START]);
            sector[CRC_START..].copy_from_slice(&crc.to_le_bytes());
        }
        (bytes, crc)
    }

    /// Returns what reads a sector of a file by its number. `bytes` are a part of the file from the sector
    /// `start` on.
    pub(super) fn reader<'b>(self, bytes: &'b [u8], start: u32) -> impl Fn(u32) -> Sector<'b> + 'b {
        move |number| self.read(number, &bytes[(number - start) as usize * SECTOR..][..SECTOR])
    }

    /// Reads the sector with this `number` in the file.
    pub(super) fn read<'b>(&self, number: u32, bytes: &'b [u8]) -> Sector<'b> {
        if bytes == [0; SECTOR] {
            return Sector::Zero;
        }
        let tags = [Tag::Header, Tag::First, Tag::Middle, Tag::Last];
        let Some(tag) = tags.into_iter().find(|tag| *tag as u8 == bytes[0]) else { return Sector::Damaged };
        let crc = self.crc(number, &bytes[..CRC_START]);
        let length = usize::from(u16::from_le_bytes([bytes[1], bytes[2]]));
        if bytes[CRC_START..] != crc.to_le_bytes() || length > DATA {
            return Sector::Damaged;
        }
        let index = u32::from(u16::from_le_bytes([bytes[3], bytes[4]]));
        Sector::Good { tag, index, data: &bytes[DATA_START..DATA_START + length], crc }
    }
}

/// Returns how many sectors a batch of `length` bytes takes: whole pages.
pub(super) fn sectors_of(length: usize) -> u32 {
    (length.div_ceil(DATA).max(1) as u32).next_multiple_of(PAGE_SECTORS)
}
