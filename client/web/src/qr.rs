//! A QR code as text for a terminal. No I/O.

use qrcodegen::{QrCode, QrCodeEcc};

/// Black on white, whatever the colours of the terminal are: cameras want it so.
const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";
const PLAIN: &str = "\x1b[0m";
/// The free space around a code, in modules. Four are in the standard, and cameras need two.
const MARGIN: i32 = 2;

/// Returns the code of a text, two modules on top of each other as one character. `None` means that the text
/// is too long.
pub(crate) fn code(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let range = || -MARGIN..code.size() + MARGIN;
    let mut rows = String::new();
    for y in range().step_by(2) {
        rows += BLACK_ON_WHITE;
        rows.extend(range().map(|x| match (code.get_module(x, y), code.get_module(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        }));
        rows += PLAIN;
        rows += "\n";
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_square_with_a_margin_and_the_three_corners() {
        let rows = code("http://192.168.1.20:8080/").unwrap();
        let rows: Vec<Vec<char>> = rows
            .lines()
            .map(|row| {
                row.strip_prefix(BLACK_ON_WHITE).unwrap().strip_suffix(PLAIN).unwrap().chars().collect()
            })
            .collect();
        let width = rows[0].len();
        assert!(rows.iter().all(|row| row.len() == width) && rows.len() == width.div_ceil(2));
        assert!(rows[0].iter().all(|module| *module == ' '), "the margin");
        // The upper edge of a corner is seven dark modules.
        let corner: String = rows[1][2..9].iter().collect();
        assert!(corner.starts_with('█') && corner.ends_with('█') && corner.contains("▀▀▀▀▀"), "{corner}");
        assert!(code(&"x".repeat(3000)).is_none());
    }
}
