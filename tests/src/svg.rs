//! Draws the screen of a terminal as an SVG: a window with rows of text, in their colours, and the cursor.
//!
//! These are pure functions: the same cells always give the same SVG. The picture needs no font, script or
//! other file. Each run of cells carries its position and its width, so the columns stay straight in any
//! font.

use std::fmt::Write;
use vt100::{Cell, Color, Screen};

/// Neighbouring cells of one row with the same colour and weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The column of the first cell.
    pub column: u16,
    /// The number of cells. It exceeds the number of characters where some are wide.
    pub cells: u16,
    /// The text in the cells.
    pub text: String,
    /// The colour of the text.
    pub color: Color,
    /// Whether the text is bold.
    pub bold: bool,
    /// Whether the text is dim.
    pub dim: bool,
}

/// The width and height of a cell. This and the numbers below are pixels, chosen to look like a terminal.
const CELL: (u16, u16) = (9, 22);
const FONT_SIZE: u16 = 15;
/// The reader's browser takes the first of these that it has.
const FONTS: &str =
    "ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, Liberation Mono, monospace";
/// The space around the text.
const MARGIN: u16 = 20;
/// The distance from the upper edge of a row to the baseline of its text.
const BASELINE: u16 = 16;
/// The height of the bar with the window's title.
const TITLE_BAR: u16 = 36;

/// The first sixteen terminal colours, light enough for text on a dark background.
const BASIC: [&str; 16] = [
    "#484f58", "#ff7b72", "#56d364", "#e3b341", "#79c0ff", "#f778ba", "#56d4dd", "#c9d1d9", "#6e7681",
    "#ffa198", "#7ee787", "#f2cc60", "#a5d6ff", "#ff9bce", "#b3f0ff", "#f0f6fc",
];

/// Returns the rows of the screen, from the first to the one with the cursor.
///
/// # Panics
/// When a cell has an attribute that this module cannot draw, because the picture would be wrong.
pub fn rows(screen: &Screen) -> Vec<Vec<Run>> {
    let columns = screen.size().1;
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
            "this module cannot draw {cell:?}"
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
    runs.into_iter().filter_map(without_outer_spaces).collect()
}

/// Removes the spaces around a run, because they show nothing. Returns `None` when nothing is left.
fn without_outer_spaces(mut run: Run) -> Option<Run> {
    let leading_spaces = |text: &str| text.len() - text.trim_start_matches(' ').len();
    let before = leading_spaces(&run.text);
    let text = run.text.trim_matches(' ').to_owned();
    let after = run.text.len() - text.len() - before;
    run.column += before as u16;
    run.cells = run.cells.saturating_sub((before + after) as u16);
    run.text = text;
    (!run.text.is_empty()).then_some(run)
}

/// Draws a window that is this many cells wide, with the cursor at this row and column.
pub fn draw(title: &str, columns: u16, rows: &[Vec<Run>], cursor: (u16, u16)) -> String {
    let width = columns * CELL.0 + 2 * MARGIN;
    let height = TITLE_BAR + rows.len() as u16 * CELL.1 + 2 * MARGIN;
    let middle = width / 2;
    let title = escaped(title);
    let view = format!(r#"viewBox="0 0 {width} {height}""#);
    let buttons = [(20, "ff5f57"), (40, "febc2e"), (60, "28c840")]
        .map(|(x, color)| format!(r##"<circle cx="{x}" cy="18" r="6" fill="#{color}"/>"##))
        .concat();
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {view} role="img">
<title>{title}</title>
<rect x=".5" y=".5" width="{}" height="{}" rx="10" fill="#0d1117" stroke="#3d444d"/>
<path d="M1 {TITLE_BAR}V10.5a9.5 9.5 0 0 1 9.5-9.5H{}a9.5 9.5 0 0 1 9.5 9.5V{TITLE_BAR}z" fill="#21262d"/>
{buttons}
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
    .expect("writing to a string does not fail");
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
            .expect("writing to a string does not fail");
        }
    }
    svg + "</g>\n</svg>\n"
}

fn fill(run: &Run) -> String {
    match run.color {
        Color::Default if run.dim => "#8b949e".to_owned(),
        Color::Default => "#e6edf3".to_owned(),
        Color::Idx(index @ 0..=15) => BASIC[usize::from(index)].to_owned(),
        // These colours are a cube with six steps each of red, green and blue.
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

    fn screen(bytes: &str) -> Screen {
        let mut parser = vt100::Parser::new(3, 20, 0);
        parser.process(bytes.as_bytes());
        parser.screen().clone()
    }

    #[test]
    fn cells_that_look_alike_are_one_run_without_outer_spaces() {
        let rows = rows(&screen("  a b \x1b[38;5;32m[c]\x1b[0m\r\n\r\n\x1b[1m漢字\x1b[0m x"));
        let runs_of = |row: usize| -> Vec<(u16, u16, &str)> {
            rows[row].iter().map(|run| (run.column, run.cells, run.text.as_str())).collect()
        };
        assert_eq!(runs_of(0), [(2, 3, "a b"), (6, 3, "[c]")]);
        assert_eq!(runs_of(1), []);
        assert_eq!(runs_of(2), [(0, 4, "漢字"), (5, 1, "x")]);
        assert_eq!(fill(&rows[0][1]), "#0087d7");
        assert!(rows[2][0].bold && !rows[2][1].bold);
    }

    #[test]
    fn markup_characters_on_the_screen_are_escaped() {
        let rows = rows(&screen("<a&b>"));
        let svg = draw("<t>", 20, &rows, (0, 5));
        assert!(svg.contains(">&lt;a&amp;b&gt;</text>") && svg.contains("<title>&lt;t&gt;</title>"));
    }
}
