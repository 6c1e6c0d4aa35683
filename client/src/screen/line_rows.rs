//! Rows on a terminal in its ordinary line mode. Where a person types, each one goes above the typed line
//! (see [`rows`](chat_common::terminal::rows)).

use crate::screen::{rows::Rows, streams::Streams};
use chat_common::terminal::rows::{above_typed_line, unwrapped, CLEAR_ROW};

/// A terminal that understands escape sequences.
pub(crate) struct LineRows {
    pub(crate) typing: bool,
}

impl Rows for LineRows {
    fn write(&mut self, rows: &[String], streams: &mut Streams) {
        match self.typing {
            true => write_above_typed_line(rows, streams),
            false => streams.print(&one_below_the_other(rows)),
        }
    }

    fn write_over(&mut self, rows: &[String], text: &str, streams: &mut Streams) {
        match self.typing {
            true => streams.print(&format!("{CLEAR_ROW}{text}\n")),
            false => self.write(rows, streams),
        }
    }

    fn ask(&mut self, question: &str, streams: &mut Streams) {
        // Where nobody types, no typed name ends the row.
        streams.print(&format!("{question}{}", if self.typing { "" } else { "\n" }));
    }
}

/// Writes each row in one piece, because the system may echo a typed key between two pieces.
pub(crate) fn write_above_typed_line(rows: &[String], streams: &mut Streams) {
    rows.iter().for_each(|row| streams.print(&above_typed_line(row)));
}

pub(crate) fn one_below_the_other(rows: &[String]) -> String {
    rows.iter().map(|row| unwrapped(row) + "\n").collect()
}
