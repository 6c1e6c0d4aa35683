//! CRC-32C (Castagnoli), which finds every single bit that changed and every burst of up to 32 bits. No
//! I/O, for any thread.
//!
//! std has no checksum. This one takes sixteen bytes at a time through sixteen tables, as described by
//! Kounavis and Berry ("Novel Table Lookup-Based Algorithms for High-Performance CRC Generation", 2008).

/// The polynomial 0x1EDC6F41 with its bits reversed, as in RFC 3720, appendix B.4.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// `TABLES[k][b]` is the checksum of the byte `b` followed by `k` zero bytes.
static TABLES: [[u32; 256]; 16] = tables();

const fn tables() -> [[u32; 256]; 16] {
    let mut tables = [[0; 256]; 16];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut k = 1;
    while k < 16 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[k - 1][byte];
            tables[k][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        k += 1;
    }
    tables
}

/// Returns the checksum of bytes that follow others with the checksum `before`. The checksum of no bytes is
/// 0.
pub(super) fn extend(before: u32, bytes: &[u8]) -> u32 {
    let mut crc = !before;
    let (blocks, rest) = bytes.as_chunks::<16>();
    for block in blocks {
        let mut block = *block;
        let head = crc ^ u32::from_le_bytes([block[0], block[1], block[2], block[3]]);
        block[..4].copy_from_slice(&head.to_le_bytes());
        // A range would take most of the time of a debug build, in which the tests compute gigabytes.
        let mut at = 0;
        crc = 0;
        while at < 16 {
            // The first byte is followed by fifteen others, so its table is the last.
            crc ^= TABLES[15 - at][block[at] as usize];
            at += 1;
        }
    }
    for byte in rest {
        crc = crc >> 8 ^ TABLES[0][usize::from(crc as u8 ^ byte)];
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of RFC 3720, appendix B.4, and the usual check value.
    #[test]
    fn known_texts_have_their_known_checksums() {
        let ascending: Vec<u8> = (0..32).collect();
        let descending: Vec<u8> = (0..32).rev().collect();
        for (bytes, crc) in [
            (&b""[..], 0),
            (b"123456789", 0xe306_9283),
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
            (&descending, 0x113f_db5c),
        ] {
            assert_eq!(extend(0, bytes), crc, "{bytes:?}");
        }
    }

    #[test]
    fn a_text_in_pieces_has_the_checksum_of_the_whole() {
        let text = b"the quick brown fox jumps over the lazy dog";
        for cut in 0..text.len() {
            assert_eq!(extend(extend(0, &text[..cut]), &text[cut..]), extend(0, text));
        }
    }
}
