//! Draws what stands on a terminal as an SVG: a window with rows of text, in their colours, and the cursor.
//!
//! Pure: from cells to a text, and the same cells always make the same text. The picture needs no font, script or file of its
//! own: each run of equal cells says where it begins and how wide it is, so the columns stay columns in any font.

use std::fmt::Write;
use vt100::{Cell, Color, Screen};

/// Neighbouring cells of one row that look alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Of its first cell.
    pub column: u16,
    /// How many cells it takes, which is more than its characters where some are wide.
    pub cells: u16,
    /// What stands in them.
    pub text: String,
    /// Their colour.
    pub color: Color,
    /// Bold.
    pub bold: bool,
    /// Dim.
    pub dim: bool,
}

/// Of a cell, and of the room around the text, in pixels.
const CELL: (u16, u16) = (9, 22);
const FONT_SIZE: u16 = 15;
/// Whichever of them the reader has.
const FONTS: &str =
    "ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, Liberation Mono, monospace";
const MARGIN: u16 = 20;
/// From the upper edge of a row to the line its letters stand on.
const BASELINE: u16 = 16;
/// Of the bar with the window's title.
const TITLE_BAR: u16 = 36;

/// The first sixteen colours, light enough for letters on the dark ground.
const BASIC: [&str; 16] = [
    "#484f58", "#ff7b72", "#56d364", "#e3b341", "#79c0ff", "#f778ba", "#56d4dd", "#c9d1d9", "#6e7681",
    "#ffa198", "#7ee787", "#f2cc60", "#a5d6ff", "#ff9bce", "#b3f0ff", "#f0f6fc",
];

/// The rows of the screen from its first to the one with the cursor.
///
/// # Panics
/// When a cell is drawn in a way that this module does not know: the picture would be wrong.
pub fn rows(screen: &Screen) -> Vec<Vec<Run>> {
    let columns = screen.size().1.get();
    (0..=screen.cursor_position().0)
        .map(|row| {
            let cells = (0..columns).filter_map(|column| Some((column, screen.cell(row, column)?)));
            runs(cells)
        })
        .collect()
}

fn runs<'a>(cells: impl Iterator<Item = (u16, &'a Cell)>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (column, cell) in cells.filter(|(_, cell)| !cell.is_wide_continuation()) {
        assert!(
            !cell.inverse() && !cell.italic() && !cell.underline() && cell.bgcolor() == Color::Default,
            "nothing draws {cell:?}"
        );
        let width = if cell.is_wide() { 2 } else { 1 };
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let new = Run {
            column,
            cells: width,
            text: text.to_owned(),
            color: cell.fgcolor(),
            bold: cell.bold(),
            dim: cell.dim(),
        };
        match runs.last_mut().filter(|run| (run.color, run.bold, run.dim) == (new.color, new.bold, new.dim)) {
            Some(run) => {
                run.cells += width;
                run.text += text;
            }
            None => runs.push(new),
        }
    }
    runs.into_iter().filter_map(trimmed).collect()
}

/// A run without the blanks around it, which show nothing.
fn trimmed(mut run: Run) -> Option<Run> {
    let blanks = |text: &str| text.len() - text.trim_start_matches(' ').len();
    let before = blanks(&run.text);
    let text = run.text.trim_matches(' ').to_owned();
    let after = run.text.len() - text.len() - before;
    run.column += before as u16;
    run.cells = run.cells.saturating_sub((before + after) as u16);
    run.text = text;
    (!run.text.is_empty()).then_some(run)
}

/// The picture of a window this many cells wide.
pub fn draw(title: &str, columns: u16, rows: &[Vec<Run>], cursor: (u16, u16)) -> String {
    let width = columns * CELL.0 + 2 * MARGIN;
    let height = TITLE_BAR + rows.len() as u16 * CELL.1 + 2 * MARGIN;
    let middle = width / 2;
    let title = escaped(title);
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">
<title>{title}</title>
<rect x=".5" y=".5" width="{}" height="{}" rx="10" fill="#0d1117" stroke="#3d444d"/>
<path d="M1 {TITLE_BAR}V10.5a9.5 9.5 0 0 1 9.5-9.5H{}a9.5 9.5 0 0 1 9.5 9.5V{TITLE_BAR}z" fill="#21262d"/>
<circle cx="20" cy="18" r="6" fill="#ff5f57"/><circle cx="40" cy="18" r="6" fill="#febc2e"/><circle cx="60" cy="18" r="6" fill="#28c840"/>
<g font-family="{FONTS}" font-size="{FONT_SIZE}" xml:space="preserve">
<text x="{middle}" y="23" fill="#9198a1" text-anchor="middle">{title}</text>
"##,
        width - 1,
        height - 1,
        f32::from(width) - 10.5,
    );
    let (left, top) = (MARGIN, TITLE_BAR + MARGIN);
    let (row, column) = cursor;
    writeln!(
        svg,
        r##"<rect x="{}" y="{}" width="{}" height="{}" fill="#c9d1d9"/>"##,
        left + column * CELL.0,
        top + row * CELL.1,
        CELL.0,
        CELL.1 - 2,
    )
    .expect("a text takes everything");
    for (row, runs) in (0..).zip(rows) {
        for run in runs {
            writeln!(
                svg,
                r#"<text x="{}" y="{}" textLength="{}" fill="{}"{}>{}</text>"#,
                left + run.column * CELL.0,
                top + row * CELL.1 + BASELINE,
                run.cells * CELL.0,
                fill(run),
                if run.bold { r#" font-weight="bold""# } else { "" },
                escaped(&run.text),
            )
            .expect("a text takes everything");
        }
    }
    svg + "</g>\n</svg>\n"
}

fn fill(run: &Run) -> String {
    match run.color {
        Color::Default if run.dim => "#8b949e".to_owned(),
        Color::Default => "#e6edf3".to_owned(),
        Color::Idx(index @ 0..=15) => BASIC[usize::from(index)].to_owned(),
        // A cube of six steps each of red, green and blue.
        Color::Idx(index @ 16..=231) => {
            let step = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            let index = index - 16;
            rgb(step(index / 36), step(index / 6 % 6), step(index % 6))
        }
        Color::Idx(index) => {
            let grey = 8 + 10 * (index - 232);
            rgb(grey, grey, grey)
        }
        Color::Rgb(red, green, blue) => rgb(red, green, blue),
    }
}

fn rgb(red: u8, green: u8, blue: u8) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZero;

    fn screen(bytes: &str) -> Screen {
        let size = |count| NonZero::new(count).unwrap();
        let mut parser = vt100::Parser::new(size(3), size(20), 0);
        parser.process(bytes.as_bytes());
        parser.screen().clone()
    }

    #[test]
    fn cells_that_look_alike_are_one_run_without_the_blanks_around_it() {
        let rows = rows(&screen("  a b \x1b[38;5;32m[c]\x1b[0m\r\n\r\n\x1b[1m漢字\x1b[0m x"));
        let of = |row: usize| -> Vec<(u16, u16, &str)> {
            rows[row].iter().map(|run| (run.column, run.cells, run.text.as_str())).collect()
        };
        assert_eq!(of(0), [(2, 3, "a b"), (6, 3, "[c]")]);
        assert_eq!(of(1), []);
        assert_eq!(of(2), [(0, 4, "漢字"), (5, 1, "x")]);
        assert_eq!(fill(&rows[0][1]), "#0087d7");
        assert!(rows[2][0].bold && !rows[2][1].bold);
    }

    #[test]
    fn nothing_on_the_screen_can_become_markup() {
        let rows = rows(&screen("<a&b>"));
        let svg = draw("<t>", 20, &rows, (0, 5));
        assert!(svg.contains(">&lt;a&amp;b&gt;</text>") && svg.contains("<title>&lt;t&gt;</title>"));
    }
}
