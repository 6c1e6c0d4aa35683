//! Draws the picture of a session: two real clients on pseudo-terminals, side by side, as an SVG on standard output.
//!
//! An example rather than a program, because only examples and tests may use the terminal emulator.
// What is drawn goes to standard output; anything that goes wrong ends the program with a word.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use chat_tests::{
    process::{binary, Program},
    watchdog::Watched,
};
use portable_pty::{native_pty_system, Child, CommandBuilder, MasterPty, PtySize};
use std::{
    fmt,
    io::{Read, Write},
    net::SocketAddr,
    num::NonZero,
    sync::Arc,
    thread,
};

const ROWS: u16 = 15;
const COLUMNS: u16 = 46;
/// Of one cell, in units of the picture.
const CELL_WIDTH: f32 = 8.4;
const CELL_HEIGHT: f32 = 18.0;
const MARGIN: f32 = 14.0;
/// Of the bar with a terminal's title.
const TITLE_HEIGHT: f32 = 26.0;

fn main() {
    let (_server, address) = Program::server(&[]);
    let mut sara = Terminal::start(address);
    sara.waits_for("Enter your name:");
    sara.types("Sara\n");
    sara.waits_for("Start typing...");
    let mut tom = Terminal::start(address);
    tom.waits_for("Enter your name:");
    tom.types("Tom\n");
    sara.waits_for("User [Tom] joined");
    sara.types("hello Tom, did the build go through?\n");
    tom.waits_for("go through?");
    tom.types("it did, all 512 tests\n");
    sara.waits_for("all 512");
    sara.types("/me dances\n");
    tom.waits_for("dances");
    // Both are typing when the next messages arrive: above the line being typed, which stays whole.
    sara.types("shall we release it tod");
    sara.waits_for("release it tod");
    tom.types("/msg Sara cake is on me\n");
    sara.waits_for("cake is on me");
    tom.types("sara, there is one warning left, in the documentation of the wire\n");
    sara.waits_for("of the wire");
    tom.types("I could fi");
    tom.waits_for("I could fi");

    let (width, height) = size();
    let total = width * 2.0 + MARGIN * 3.0;
    println!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{total}\" height=\"{}\" font-family=\"monospace\" font-size=\"14\">",
        height + MARGIN * 2.0
    );
    println!("{}", tom.drawn(MARGIN, "Tom"));
    println!("{}", sara.drawn(width + MARGIN * 2.0, "Sara"));
    println!("</svg>");
}

/// Of one terminal in the picture.
fn size() -> (f32, f32) {
    (f32::from(COLUMNS) * CELL_WIDTH + MARGIN, f32::from(ROWS) * CELL_HEIGHT + TITLE_HEIGHT + MARGIN)
}

/// A client on a terminal.
struct Terminal {
    screen: Arc<Watched<Screen>>,
    keyboard: Box<dyn Write + Send>,
    client: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

struct Screen(vt100::Parser);

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.screen().contents())
    }
}

impl Terminal {
    fn start(server: SocketAddr) -> Terminal {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(binary("chat-client"));
        command.args(["--server", &server.to_string()]);
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        let client = pair.slave.spawn_command(command).unwrap();
        let cells = |count| NonZero::new(count).expect("a terminal has some");
        let parser = vt100::Parser::new(cells(ROWS), cells(COLUMNS), 0);
        let screen = Arc::new(Watched::new(Screen(parser)));
        let mut from = pair.master.try_clone_reader().unwrap();
        let shown = Arc::clone(&screen);
        // It ends with the program, which is over when the picture is drawn.
        let reader = thread::Builder::new().name("terminal".to_owned()).spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                shown.change(|screen| screen.0.process(&buffer[..count]));
            }
        });
        reader.unwrap();
        Terminal { screen, keyboard: pair.master.take_writer().unwrap(), client, _master: pair.master }
    }

    fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Waits until the screen holds this, wherever its rows were broken.
    fn waits_for(&self, wanted: &str) {
        let squeezed = |text: &str| text.split_whitespace().collect::<String>();
        let wanted_cells = squeezed(wanted);
        self.screen.wait(wanted, |screen| {
            squeezed(&screen.0.screen().contents()).contains(&wanted_cells).then_some(())
        });
    }

    /// The terminal as SVG, its left edge at `x`.
    fn drawn(&self, x: f32, title: &str) -> String {
        self.screen.look(|screen| {
            let screen = screen.0.screen();
            let (width, height) = size();
            let mut svg = format!(
                "<g transform=\"translate({x},{MARGIN})\"><rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#1d1f21\"/>\
                 <text x=\"{}\" y=\"18\" fill=\"#8a8a8a\" text-anchor=\"middle\">{title}</text>",
                width / 2.0
            );
            for row in 0..ROWS {
                let y = TITLE_HEIGHT + f32::from(row + 1) * CELL_HEIGHT;
                for column in 0..COLUMNS {
                    let Some(cell) = screen.cell(row, column).filter(|cell| !cell.contents().trim().is_empty()) else {
                        continue;
                    };
                    let x = MARGIN / 2.0 + f32::from(column) * CELL_WIDTH;
                    let weight = if cell.bold() { " font-weight=\"bold\"" } else { "" };
                    let text = cell.contents().replace('&', "&amp;").replace('<', "&lt;");
                    svg += &format!("<text x=\"{x:.1}\" y=\"{y}\" fill=\"{}\"{weight}>{text}</text>", color_of(cell));
                }
            }
            let (row, column) = screen.cursor_position();
            svg += &format!(
                "<rect x=\"{:.1}\" y=\"{}\" width=\"{CELL_WIDTH}\" height=\"{CELL_HEIGHT}\" fill=\"#c5c8c6\"/></g>",
                MARGIN / 2.0 + f32::from(column) * CELL_WIDTH,
                TITLE_HEIGHT + f32::from(row) * CELL_HEIGHT + 4.0
            );
            svg
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// The colour of a cell's text on a dark ground, as most terminals have it.
fn color_of(cell: &vt100::Cell) -> String {
    const BASIC: [&str; 8] =
        ["#000000", "#cc6666", "#b5bd68", "#f0c674", "#81a2be", "#d787d7", "#8abeb7", "#c5c8c6"];
    match cell.fgcolor() {
        _ if cell.dim() => "#8a8a8a".to_owned(),
        vt100::Color::Idx(index @ 0..=7) => BASIC[usize::from(index)].to_owned(),
        // The cube of 6 by 6 by 6 that begins at 16.
        vt100::Color::Idx(index @ 16..=231) => {
            let level = |step: u8| if step == 0 { 0 } else { 55 + step * 40 };
            let index = index - 16;
            format!("#{:02x}{:02x}{:02x}", level(index / 36), level(index / 6 % 6), level(index % 6))
        }
        vt100::Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
        _ => "#e0e0e0".to_owned(),
    }
}
