//! Draws a film of a terminal as an SVG that moves by itself: a window with rows of text, in their colours,
//! the cursor, and a caption below.
//!
//! These are pure functions: the same film always gives the same SVG. It needs no font, script or other file,
//! so it plays where a page shows it as a picture. Each piece of text carries its position and its width, so
//! the columns stay straight in any font. A reader that wants no movement sees the last frame.

use crate::film::{Caption, Film, Look, Piece, Span};
use std::{collections::BTreeMap, time::Duration};
use vt100::Color;

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
/// The heights of the bar with the window's title and of the one with the caption.
const TITLE_BAR: u16 = 36;
const CAPTION_BAR: u16 = 44;
/// The sizes of the caption's text and of the light in front of it, which says whether the server runs.
const CAPTION_SIZE: u16 = 16;
const LIGHT_RADIUS: u16 = 6;

/// The colours of the light.
const RUNS: &str = "#3fb950";
const KILLED: &str = "#f85149";

/// The first sixteen terminal colours, light enough for text on a dark background.
const BASIC: [&str; 16] = [
    "#484f58", "#ff7b72", "#56d364", "#e3b341", "#79c0ff", "#f778ba", "#56d4dd", "#c9d1d9", "#6e7681",
    "#ffa198", "#7ee787", "#f2cc60", "#a5d6ff", "#ff9bce", "#b3f0ff", "#f0f6fc",
];

/// Where things are in a window of this many rows and columns.
struct Layout {
    rows: u16,
    columns: u16,
}

impl Layout {
    fn width(&self) -> u16 {
        self.columns * CELL.0 + 2 * MARGIN
    }

    /// Where the bar with the caption begins.
    fn caption_bar(&self) -> u16 {
        TITLE_BAR + self.rows * CELL.1 + 2 * MARGIN
    }

    fn height(&self) -> u16 {
        self.caption_bar() + CAPTION_BAR
    }
}

/// The left and the upper edge of a cell.
fn corner((row, column): (u16, u16)) -> (u16, u16) {
    (MARGIN + column * CELL.0, TITLE_BAR + MARGIN + row * CELL.1)
}

/// Draws a film of a terminal of this many columns, with the rows that the cursor comes to. `title` is that
/// of the window, and `description` is for those who cannot see it.
pub fn draw(film: &Film, columns: u16, title: &str, description: &str) -> String {
    let rows = film.frames.iter().map(|frame| frame.cursor.0 + 1).max().expect("a film has a frame");
    let layout = Layout { rows, columns };
    let mut groups: BTreeMap<Span, String> = BTreeMap::new();
    for piece in film.pieces() {
        *groups.entry(piece.span).or_default() += &text(&piece);
    }
    for (span, caption) in film.spans(|frame| frame.caption) {
        *groups.entry(span).or_default() += &caption_of(caption, &layout);
    }
    let mut svg = window(&layout, &escaped(title), &escaped(description));
    svg += &style(film, groups.keys().copied());
    svg += &cursor(film);
    for (span, group) in groups {
        let hidden = if span.to == film.frames.len() { "" } else { r#" visibility="hidden""# };
        svg += &match is_whole(film, span) {
            true => group,
            false => format!("<g class=\"{}\"{hidden}>\n{group}</g>\n", name(span)),
        };
    }
    svg + "</g>\n</svg>\n"
}

fn is_whole(film: &Film, span: Span) -> bool {
    span == Span { from: 0, to: film.frames.len() }
}

/// The name of the movement of what is seen in these frames.
fn name(span: Span) -> String {
    format!("f{}-{}", span.from, span.to)
}

/// The window without its text. Its last element stays open.
fn window(layout: &Layout, title: &str, description: &str) -> String {
    let (width, height, caption_bar) = (layout.width(), layout.height(), layout.caption_bar());
    let (middle, right, bottom) = (width / 2, f32::from(width) - 10.5, f32::from(height) - 10.5);
    let size = format!(r#"width="{width}" height="{height}" viewBox="0 0 {width} {height}""#);
    // The two bars, from their left ends around their two round corners.
    let upper = format!("V10.5a9.5 9.5 0 0 1 9.5-9.5H{right}a9.5 9.5 0 0 1 9.5 9.5V{TITLE_BAR}z");
    let lower = format!("V{bottom}a9.5 9.5 0 0 0 9.5 9.5H{right}a9.5 9.5 0 0 0 9.5-9.5V{caption_bar}z");
    let buttons = [(20, "ff5f57"), (40, "febc2e"), (60, "28c840")]
        .map(|(x, color)| format!(r##"<circle cx="{x}" cy="18" r="6" fill="#{color}"/>"##))
        .concat();
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">
<title>{title}</title>
<desc>{description}</desc>
<rect x=".5" y=".5" width="{}" height="{}" rx="10" fill="#0d1117" stroke="#3d444d"/>
<path d="M1 {TITLE_BAR}{upper}M1 {caption_bar}{lower}" fill="#21262d"/>
{buttons}
<g font-family="{FONTS}" font-size="{FONT_SIZE}">
<text x="{middle}" y="23" fill="#9198a1" text-anchor="middle">{title}</text>
"##,
        width - 1,
        height - 1,
    )
}

/// What shows and hides the pieces of these spans, and moves the cursor. Nothing of it holds where a reader
/// wants no movement.
fn style(film: &Film, spans: impl Iterator<Item = Span>) -> String {
    let seconds = film.length.as_secs_f64();
    let at = |frame: usize| percent(film, film.frames[frame].at);
    let (mut keyframes, mut names) = (String::new(), String::new());
    for span in spans.filter(|span| !is_whole(film, *span)) {
        let name = name(span);
        let before = if span.from == 0 { "" } else { "0%{visibility:hidden}" };
        let seen = format!("{}{{visibility:visible}}", at(span.from));
        let after = match span.to < film.frames.len() {
            true => format!("{}{{visibility:hidden}}", at(span.to)),
            false => String::new(),
        };
        keyframes += &format!("@keyframes {name}{{{before}{seen}{after}}}\n");
        names += &format!(".{name}{{animation-name:{name}}}");
    }
    let cursors = film.spans(|frame| corner(frame.cursor)).into_iter();
    let moves = cursors
        .map(|(span, (x, y))| format!("{}{{transform:translate({x}px,{y}px)}}", at(span.from)))
        .collect::<String>();
    format!(
        "<style>\n{keyframes}@keyframes cursor{{{moves}}}\n@media (prefers-reduced-motion:no-preference){{\n\
         g,.cursor{{animation:{seconds}s step-end infinite}}.cursor{{animation-name:cursor}}{names}\n\
         }}\n</style>\n"
    )
}

/// The cursor, where it is in the last frame.
fn cursor(film: &Film) -> String {
    let last = film.frames.last().expect("a film has a frame");
    let (x, y) = corner(last.cursor);
    let size = format!(r#"width="{}" height="{}""#, CELL.0, CELL.1 - 2);
    format!("<rect class=\"cursor\" {size} transform=\"translate({x} {y})\" fill=\"#c9d1d9\"/>\n")
}

/// How far the film is then, such as `12.5%`, with three digits at most after the point.
fn percent(film: &Film, at: Duration) -> String {
    let percent = format!("{:.3}", 100.0 * at.as_secs_f64() / film.length.as_secs_f64());
    format!("{}%", percent.trim_end_matches('0').trim_end_matches('.'))
}

fn text(piece: &Piece) -> String {
    let (x, y) = corner(piece.place);
    let bold = if piece.look.bold { r#" font-weight="bold""# } else { "" };
    format!(
        "<text x=\"{x}\" y=\"{}\" textLength=\"{}\" fill=\"{}\"{bold}>{}</text>\n",
        y + BASELINE,
        piece.cells * CELL.0,
        fill(piece.look),
        escaped(&piece.text),
    )
}

fn caption_of(caption: Caption, layout: &Layout) -> String {
    let middle = layout.caption_bar() + CAPTION_BAR / 2;
    let light = if caption.server_runs { RUNS } else { KILLED };
    format!(
        "<circle cx=\"{}\" cy=\"{middle}\" r=\"{LIGHT_RADIUS}\" fill=\"{light}\"/>\
         <text x=\"{}\" y=\"{}\" font-size=\"{CAPTION_SIZE}\" fill=\"#e6edf3\">{}</text>\n",
        MARGIN + LIGHT_RADIUS,
        MARGIN + 4 * LIGHT_RADIUS,
        middle + 6,
        escaped(caption.text),
    )
}

fn fill(look: Look) -> String {
    match look.color {
        Color::Default if look.dim => "#8b949e".to_owned(),
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
    use crate::film::Frame;

    const CAPTION: Caption = Caption { text: "1 < 2", server_runs: true };

    /// A film of two frames, of which each takes two seconds.
    fn film(first: &str, second: &str) -> Film {
        let mut parser = vt100::Parser::new(3, 20, 0);
        let frames = [(0, first), (2, second)].map(|(second, output)| {
            parser.process(output.as_bytes());
            Frame::of(parser.screen(), Duration::from_secs(second), CAPTION)
        });
        Film { frames: frames.into(), length: Duration::from_secs(4) }
    }

    /// The class and the visibility of the group that this text is in.
    fn group_of<'s>(svg: &'s str, text: &str) -> &'s str {
        let before = svg.split(&format!(">{text}</text>")).next().unwrap();
        before.rsplit("<g ").next().unwrap().split('>').next().unwrap()
    }

    #[test]
    fn markup_characters_on_the_screen_are_escaped() {
        let svg = draw(&film("<a&b>", ""), 20, "<t>", "<d>");
        for escaped in
            [">&lt;a&amp;b&gt;</text>", "<title>&lt;t&gt;<", "<desc>&lt;d&gt;<", ">1 &lt; 2</text>"]
        {
            assert!(svg.contains(escaped), "{escaped} in {svg}");
        }
    }

    #[test]
    fn each_text_is_seen_in_its_frames_and_the_last_frame_where_nothing_moves() {
        let svg = draw(&film("still\r\nold", "\r\x1b[Knew"), 20, "Title", "Description");
        assert!(svg.contains("</g>\n<text x=\"20\" y=\"72\" textLength=\"45\""), "{svg}");
        assert_eq!(group_of(&svg, "old"), r#"class="f0-1" visibility="hidden""#);
        assert_eq!(group_of(&svg, "new"), r#"class="f1-2""#);
        for keyframes in [
            "@keyframes f0-1{0%{visibility:visible}50%{visibility:hidden}}\n",
            "@keyframes f1-2{0%{visibility:hidden}50%{visibility:visible}}\n",
        ] {
            assert!(svg.contains(keyframes), "{svg}");
        }
        let (before, _) = svg.split_once("g,.cursor{animation").unwrap();
        assert!(before.ends_with("@media (prefers-reduced-motion:no-preference){\n"), "{svg}");
        assert!(!before.contains("animation"), "{svg}");
    }

    #[test]
    fn the_first_colours_and_the_cube_have_their_values() {
        let look = |color| Look { color, bold: false, dim: false };
        let colors = [Color::Default, Color::Idx(5), Color::Idx(32), Color::Idx(255)].map(look).map(fill);
        assert_eq!(colors, ["#e6edf3", "#f778ba", "#0087d7", "#eeeeee"]);
    }
}
