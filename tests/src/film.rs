//! A film of a terminal: what its screen shows, and from when to when.
//!
//! A film is a row of frames. [`Film::pieces`] turns them into pieces of text that each stand once, however
//! many frames show them: a row that does not change is one piece. These are pure functions.

use std::{collections::BTreeMap, time::Duration};
use vt100::{Cell, Color, Screen};

/// How a cell looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The colour of the text.
    pub color: Color,
    /// Whether the text is bold.
    pub bold: bool,
    /// Whether the text is dim.
    pub dim: bool,
}

/// A character on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glyph {
    /// The character, with its marks.
    pub text: String,
    /// The number of cells that it takes: 1 or 2.
    pub width: u16,
    /// How it looks.
    pub look: Look,
}

/// What the screen shows from one time on.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When it begins, since the beginning of the film.
    pub at: Duration,
    /// All characters but spaces, by row and column.
    pub glyphs: BTreeMap<(u16, u16), Glyph>,
    /// The row and column of the cursor.
    pub cursor: (u16, u16),
    /// What a viewer is told meanwhile.
    pub caption: Caption,
}

/// What a viewer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caption {
    /// One sentence.
    pub text: &'static str,
    /// Whether the server runs meanwhile.
    pub server_runs: bool,
}

/// The frames from the first of these numbers to the one before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first frame.
    pub from: usize,
    /// The frame after the last one.
    pub to: usize,
}

/// Neighbouring characters of one row that look alike and are seen in the same frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// When it is seen.
    pub span: Span,
    /// The row and column of its first cell.
    pub place: (u16, u16),
    /// The number of cells. It exceeds the number of characters where some are wide.
    pub cells: u16,
    /// The characters, with a space between two of them at most.
    pub text: String,
    /// How they look.
    pub look: Look,
}

/// A film. It has at least one frame, and the first one begins at 0.
#[derive(Clone, Debug)]
pub struct Film {
    /// The frames, in the order of their times.
    pub frames: Vec<Frame>,
    /// How long it takes. Then it begins again.
    pub length: Duration,
}

impl Frame {
    /// Takes what the screen shows.
    ///
    /// # Panics
    /// When a cell has an attribute that cannot be drawn, because the film would be wrong.
    pub fn of(screen: &Screen, at: Duration, caption: Caption) -> Frame {
        let (rows, columns) = screen.size();
        let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let glyphs = places.filter_map(|place| Some((place, glyph(screen.cell(place.0, place.1)?)?)));
        Frame { at, glyphs: glyphs.collect(), cursor: screen.cursor_position(), caption }
    }

    /// The characters of a row up to this place, or `None` where there is none at the place itself.
    ///
    /// A character is the same one in the next frame only if they are all the same. So a line that moves does
    /// not leave a letter behind where the next line happens to have it, too.
    fn row_up_to(&self, place: (u16, u16)) -> Option<Vec<&Glyph>> {
        self.glyphs.get(&place)?;
        Some(self.glyphs.range((place.0, 0)..=place).map(|(_, glyph)| glyph).collect())
    }
}

/// The character in a cell, or `None` where it shows nothing.
fn glyph(cell: &Cell) -> Option<Glyph> {
    assert!(
        !cell.inverse() && !cell.italic() && !cell.underline() && cell.bgcolor() == Color::Default,
        "a film cannot show {cell:?}"
    );
    let text = cell.contents();
    let look = Look { color: cell.fgcolor(), bold: cell.bold(), dim: cell.dim() };
    let width = if cell.is_wide() { 2 } else { 1 };
    (!text.trim().is_empty()).then(|| Glyph { text: text.to_owned(), width, look })
}

impl Film {
    /// Returns the pieces of text, in the order in which they appear, and then from above to below.
    pub fn pieces(&self) -> Vec<Piece> {
        let mut glyphs: Vec<(Span, (u16, u16), &Glyph)> = Vec::new();
        let mut places: Vec<(u16, u16)> =
            self.frames.iter().flat_map(|frame| frame.glyphs.keys()).copied().collect();
        places.sort_unstable();
        places.dedup();
        for place in places {
            let seen = self.spans(|frame| frame.row_up_to(place));
            glyphs.extend(seen.into_iter().filter_map(|(span, row)| Some((span, place, *row?.last()?))));
        }
        glyphs.sort_by_key(|(span, place, _)| (*span, *place));
        let mut pieces: Vec<Piece> = Vec::new();
        for (span, place, glyph) in glyphs {
            // A reader of SVG may show many spaces as one.
            let fits = |piece: &&mut Piece| {
                (piece.span, piece.place.0, piece.look) == (span, place.0, glyph.look)
                    && place.1 - piece.place.1 - piece.cells <= 1
            };
            match pieces.last_mut().filter(fits) {
                Some(piece) => {
                    let gap = place.1 - piece.place.1 - piece.cells;
                    piece.text += if gap == 1 { " " } else { "" };
                    piece.text += &glyph.text;
                    piece.cells += gap + glyph.width;
                }
                None => pieces.push(Piece {
                    span,
                    place,
                    cells: glyph.width,
                    text: glyph.text.clone(),
                    look: glyph.look,
                }),
            }
        }
        pieces
    }

    /// Returns what `of` finds in the frames, each with the frames that have it in a row.
    pub fn spans<'f, T: PartialEq>(&'f self, of: impl Fn(&'f Frame) -> T) -> Vec<(Span, T)> {
        let mut spans: Vec<(Span, T)> = Vec::new();
        for (number, found) in self.frames.iter().map(of).enumerate() {
            match spans.last_mut().filter(|(_, last)| *last == found) {
                Some((span, _)) => span.to = number + 1,
                None => spans.push((Span { from: number, to: number + 1 }, found)),
            }
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTION: Caption = Caption { text: "", server_runs: true };

    /// A film with a frame after each of these outputs.
    fn film(outputs: &[&str]) -> Film {
        let mut parser = vt100::Parser::new(3, 20, 0);
        let mut frames = Vec::new();
        for output in outputs {
            parser.process(output.as_bytes());
            frames.push(Frame::of(parser.screen(), Duration::from_secs(frames.len() as u64), CAPTION));
        }
        let length = Duration::from_secs(frames.len() as u64);
        Film { frames, length }
    }

    /// What the pieces of a film are, without their looks.
    fn seen(film: &Film) -> Vec<String> {
        let line = |piece: Piece| {
            let Piece { span, place: (row, column), cells, text, .. } = piece;
            format!("{}-{} {row}:{column}+{cells} {text}", span.from, span.to)
        };
        film.pieces().into_iter().map(line).collect()
    }

    #[test]
    fn cells_that_look_alike_are_one_piece_without_outer_spaces() {
        let film = film(&["  a b \x1b[38;5;32m[c]\x1b[0m\r\nd  e\r\n\x1b[1m漢字\x1b[0m x"]);
        let expected =
            ["0-1 0:2+3 a b", "0-1 0:6+3 [c]", "0-1 1:0+1 d", "0-1 1:3+1 e", "0-1 2:0+4 漢字", "0-1 2:5+1 x"];
        assert_eq!(seen(&film), expected);
        let pieces = film.pieces();
        assert_eq!(pieces[1].look.color, Color::Idx(32));
        assert!(pieces[4].look.bold && !pieces[5].look.bold);
    }

    #[test]
    fn what_does_not_change_stands_once_and_each_key_is_a_piece() {
        // Two keys, and then a line that pushes them down. It has the same second letter.
        let film = film(&["still\r\nh", "i", "\r\x1b[Ldid\r\nhi", "!"]);
        let expected =
            ["0-2 1:0+1 h", "0-4 0:0+5 still", "1-2 1:1+1 i", "2-4 1:0+3 did", "2-4 2:0+2 hi", "3-4 2:2+1 !"];
        assert_eq!(seen(&film), expected);
    }
}
