//! How much a round may write. The broadcaster asks before it decides the round, so that nothing is accepted
//! for which there is no space.
//!
//! What members do can be refused, except that they come and go. On a full disk a part of the files that are
//! there is kept for that: two pages for each session, because each batch takes a page, and one for the end
//! of the room. If that is used up as well, the room waits with what it cannot refuse.

use super::{
    disk::Disk,
    filler::{Next, NEXT},
    is_full,
    sector::{DATA, MAX_BATCH_SECTORS, PAGE_SECTORS},
    segment::{batch_sectors, CHAIN},
    Journal, JournalError,
};

/// The most bytes of a session's record without a reason.
pub(crate) const SESSION_BYTES: usize = 512;

/// What a round may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    /// Whether there is space for what can be refused.
    pub(crate) accepts: bool,
    /// How many bytes of records there is space for.
    pub(crate) bytes: usize,
}

impl Space {
    /// That of a room without a journal.
    pub(crate) const ENDLESS: Space = Space { accepts: true, bytes: usize::MAX };

    fn new(accepts: bool, sectors: u32) -> Space {
        // A batch is whole pages, and begins with a checksum.
        let pages = sectors.min(MAX_BATCH_SECTORS) / PAGE_SECTORS;
        Space { accepts, bytes: ((pages * PAGE_SECTORS) as usize * DATA).saturating_sub(CHAIN) }
    }
}

/// What a room needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    pub(crate) sessions: usize,
    /// The record of a mute is no longer than that of a session. Nobody comes or goes by it.
    pub(crate) mutes: usize,
    /// The bytes of the largest command.
    pub(crate) command: usize,
}

impl Needs {
    /// The sectors for what cannot be refused.
    fn reserve(self) -> u32 {
        PAGE_SECTORS * (2 * self.sessions as u32 + 4)
    }

    /// The sectors of a file that begins with `opening` bytes of records, or with the usual ones if they are
    /// more, has the reserve, and takes a command.
    fn file(self, opening: usize) -> u32 {
        let usual = (self.sessions + self.mutes) * SESSION_BYTES;
        PAGE_SECTORS + batch_sectors(opening.max(usual)) + self.reserve() + self.least()
    }

    /// The sectors of the shortest round.
    fn least(self) -> u32 {
        batch_sectors(self.command + 2 * SESSION_BYTES)
    }

    /// The same for half as many sessions and mutes more, so that the next file need not be made anew for
    /// each.
    fn with_more(self) -> Needs {
        let more = |count: usize| count + count / 2 + 2;
        Needs { sessions: more(self.sessions), mutes: more(self.mutes), ..self }
    }
}

impl<D: Disk> Journal<D> {
    /// Returns how much the next round may write. Goes on in a new file if the one in use is too short for
    /// it. `first` is the sequence number of the next event, and `checkpoint` returns the records that open a
    /// new file.
    ///
    /// # Blocking
    /// On the disk.
    ///
    /// # Errors
    /// When the disk fails. A full disk is not a failure.
    pub(crate) fn make_space(
        &mut self,
        first: u64,
        needs: Needs,
        checkpoint: impl Fn() -> Vec<u8>,
    ) -> Result<Space, JournalError> {
        let wanted = |opening: usize| needs.with_more().file(opening);
        loop {
            let usual_sectors = self.usual_sectors();
            let Some(filler) = &mut self.filler else { return Ok(Space::ENDLESS) };
            // The last page is for the room's end.
            let left = self.segment.sectors_left().saturating_sub(PAGE_SECTORS);
            match filler.next() {
                Next::Full => return Ok(Space::new(false, left)),
                Next::Filling if left >= needs.reserve() + needs.least() => {
                    return Ok(Space::new(true, left - needs.reserve()));
                }
                Next::Filling => filler.wait(),
                Next::Ready if filler.sectors() < needs.file(0) => {
                    filler.want(usual_sectors.max(wanted(0)));
                }
                Next::Ready if left >= needs.least() => return Ok(Space::new(true, left)),
                Next::Ready => {
                    let opening = checkpoint();
                    if filler.sectors() < needs.file(opening.len()) {
                        filler.want(usual_sectors.max(wanted(opening.len())));
                        continue;
                    }
                    let wanted = usual_sectors.max(wanted(0));
                    match self.roll(first, &opening, wanted) {
                        // Even a name needs space. The file in use is as it was.
                        Err(JournalError::Disk { file, error }) if file == NEXT && is_full(&error) => {
                            self.filler.iter_mut().for_each(|filler| filler.want_again(wanted));
                        }
                        rolled => rolled?,
                    }
                }
            }
        }
    }

    /// Returns whether there is space for the room's end.
    pub(crate) fn has_space_for_end(&self) -> bool {
        self.filler.is_none() || self.segment.sectors_left() >= PAGE_SECTORS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mute_needs_space_for_its_record_alone() {
        let sectors = |mutes| Needs { sessions: 3, mutes, command: 10_000 }.with_more().file(0);
        assert!(sectors(1_000) - sectors(0) < 2_000);
    }
}
