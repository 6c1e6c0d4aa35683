//! `make picture`: draws the moving picture of a session that the README shows, with the real programs.
//!
//! The session has a server with a journal, Sara at a pseudo-terminal, Tom and Ida, and a script that reports
//! through a pipe. Messages come while Sara types, and then the server is killed and started again. Each step
//! waits until a client has seen the line that it should, and never for a time. How long each step is seen,
//! and the times in front of the lines, come from this script and not from the clock, so the picture is the
//! same each time. `picture FILE` writes to FILE; the test of the picture compares that file with the one in
//! the repository.

use chat_tests::{
    film::{Caption, Film, Frame, Glyph},
    folder::Folder,
    process::{binary, repository, Program},
    svg,
    terminal::{TerminalUser, ENTER},
};
use std::{
    collections::BTreeMap, env, fs, io, net::SocketAddr, path::PathBuf, process::Command, time::Duration,
};

/// Rows and columns of the terminal. The rows hold the whole session, so nothing scrolls, and so few columns
/// can be read on a telephone.
const SIZE: (u16, u16) = (24, 60);
const TITLE: &str = "chat-client --name Sara";
const DESCRIPTION: &str =
    "Sara types while messages arrive above her line. The server is killed and started \
    again, and her line is still there.";

/// The time of day at which the film begins.
const HOUR: u64 = 14;
const FIRST_MINUTE: u64 = 2;
/// A minute of the session takes so long in the film.
const SECONDS_PER_MINUTE: u64 = 7;

/// How long a key takes, and how much longer the pause behind a word.
const KEY: Duration = Duration::from_millis(70);
const WORD: Duration = Duration::from_millis(60);
/// How long a message of a burst is the newest one.
const BURST: Duration = Duration::from_millis(170);
/// How long a viewer needs for something new.
const LOOK: Duration = Duration::from_millis(1200);
/// How long the last frame is seen.
const END: Duration = Duration::from_millis(3000);

const fn caption(text: &'static str, server_runs: bool) -> Caption {
    Caption { text, server_runs }
}

/// Sara's terminal, and what was filmed of it.
struct Filmed {
    sara: TerminalUser,
    /// What she has typed since the last Enter.
    typed: String,
    frames: Vec<Frame>,
    /// The time in the film.
    now: Duration,
    caption: Caption,
    /// What stands in the place of the time of each row that has one.
    times: BTreeMap<u16, String>,
}

fn main() -> io::Result<()> {
    let path =
        env::args_os().nth(1).map_or_else(|| repository().join("tests/picture/session.svg"), PathBuf::from);

    let folder = Folder::new();
    let journal = folder.file("room");
    let (server, address) = server("127.0.0.1:0", &journal);
    let mut ida = Program::joined_client(address, "Ida");
    let mut tom = Program::joined_client(address, "Tom");
    ida.sees("[Tom] joined");
    tom.types("the new release is up, please try it");
    ida.sees("please try it");
    let mut film = Filmed::of(TerminalUser::join(address, SIZE, "Sara"));
    film.sara.sees("please try it");

    film.caption = caption("A chat in the terminal. Sara is typing.", true);
    film.shows(LOOK);
    film.types("it runs on my old laptop");
    film.caption = caption("Messages arrive above her line, and she types on.", true);
    let says = |film: &mut Filmed, author: &mut Program, text: &str| {
        author.types(text);
        film.arrives(text.trim_start_matches("/me "));
    };
    says(&mut film, &mut tom, "did anybody try it on ARM?");
    film.types(" t");
    says(&mut film, &mut ida, "yes, all tests pass there");
    film.types("oo");
    let report = ["--send", "build 512 is green: 214 tests passed"];
    assert_eq!(Program::client(address, "ci", &report).exits(), Some(0));
    film.arrives("214 tests passed");
    film.types(", f");
    says(&mut film, &mut tom, "/me pours a coffee for everybody");
    film.types("ro");
    says(&mut film, &mut ida, "Sara, how is it on your side?");
    film.types("m 2011");
    film.shows(LOOK);
    film.caption = caption("Enter sends it to everybody.", true);
    film.enters(&ida);

    film.types("shall we tag");
    film.caption = caption("The server is killed: kill -9. She types on.", false);
    server.signal("KILL");
    drop(server);
    film.arrives("keeping what you type ---");
    film.shows(LOOK);
    film.types(" it tod");

    film.caption = caption("The server is back, and her line is still there.", true);
    let (_server, _) = self::server(&address.to_string(), &journal);
    film.arrives("--- connected again ---");
    film.shows(LOOK);
    for (client, text) in [(&mut tom, "that was quick"), (&mut ida, "nothing is missing here")] {
        client.sees("--- connected again ---");
        client.types(text);
        film.arrives(text);
    }
    film.shows(LOOK);
    film.caption = caption("Nothing is lost, and nothing is said twice.", true);
    film.types("ay?");
    film.enters(&tom);
    tom.types("yes!");
    film.arrives("yes!");
    film.shows(END);

    let film = Film { frames: film.frames, length: film.now };
    fs::write(path, svg::draw(&film, SIZE.1, TITLE, DESCRIPTION))
}

/// Starts a server that keeps its room in this folder.
fn server(listen: &str, journal: &str) -> (Program, SocketAddr) {
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", listen, "--journal", journal, "--keep", "0"]);
    Program::start_server(&mut command)
}

impl Filmed {
    fn of(sara: TerminalUser) -> Filmed {
        Filmed {
            sara,
            typed: String::new(),
            frames: Vec::new(),
            now: Duration::ZERO,
            caption: caption("", true),
            times: BTreeMap::new(),
        }
    }

    /// Sara types this, key by key.
    fn types(&mut self, text: &str) {
        for key in text.chars() {
            self.sara.types(&key.to_string());
            self.typed.push(key);
            self.shows(if key == ' ' { KEY + WORD } else { KEY });
        }
    }

    /// Sara presses Enter, and this client sees what she has typed.
    fn enters(&mut self, client: &Program) {
        self.sara.types(ENTER);
        client.sees(&format!("[Sara] {}\n", self.typed));
        self.typed.clear();
        self.shows(LOOK);
    }

    /// A line that ends with this text arrives above what Sara types.
    fn arrives(&mut self, text: &str) {
        self.sara.sees(text);
        self.shows(BURST);
    }

    /// Waits until the screen has all that was typed, and shows it for this time.
    fn shows(&mut self, time: Duration) {
        let typed = (self.typed.trim_end().to_owned(), self.typed.len() as u16);
        let (at, caption) = (self.now, self.caption);
        let mut frame = self.sara.screen().wait(&format!("{typed:?} at the cursor"), |screen| {
            (screen.cursor_row() == typed).then(|| Frame::of(screen.cells(), at, caption))
        });
        assert!(
            frame.glyphs.contains_key(&(0, 0)) && frame.cursor.0 + 1 < SIZE.0,
            "the session does not fit"
        );
        self.replace_times(&mut frame);
        self.frames.push(frame);
        self.now += time;
    }

    /// Replaces the time at the start of each line by that of the film in which the line came.
    fn replace_times(&mut self, frame: &mut Frame) {
        let minute = FIRST_MINUTE + self.now.as_secs() / SECONDS_PER_MINUTE;
        for row in 0..SIZE.0 {
            let start = frame.glyphs.range_mut((row, 0)..=(row, 4)).map(|(_, glyph)| glyph);
            let start: Vec<&mut Glyph> = start.filter(|glyph| glyph.look.dim).collect();
            let digits = |glyph: &&mut Glyph| glyph.text.replace(|c: char| c.is_ascii_digit(), "0");
            if start.iter().map(digits).collect::<String>() == "00:00" {
                let time = self.times.entry(row).or_insert_with(|| format!("{HOUR:02}:{minute:02}"));
                for (glyph, character) in start.into_iter().zip(time.chars()) {
                    glyph.text = character.to_string();
                }
            }
        }
    }
}
