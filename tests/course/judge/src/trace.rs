//! Records the trace of a step while ann says one thing, and reads such a trace.
//!
//! A trace is a file in Chrome's format: an array of JSON with one event in each line.

use crate::{
    room::{join, Conviction},
    server::Server,
};
use chat_tests::member::{Callbacks, Member};
use std::{fs, path::Path, process::Command};

/// What a thread did, in the order of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It has this name from now on.
    Named(String),
    /// Something that takes time begins, such as a wait.
    Begins(String),
    /// What has begun last ends.
    Ends,
    /// It wakes another thread; the number is that of the arrow.
    Wakes(u64),
    /// It was woken by the arrow with this number.
    Woken(u64),
    /// A message was accepted, passed on, or delivered.
    Mark(String),
}

/// The number of a thread in the trace, and what it did.
pub type Event = (u64, Action);

/// Lets ann say one thing in the room of the server that this command starts with a trace in `file`.
///
/// Bob and cid take what has come, one after the other, and each when the room is at rest. So the same thing
/// happens each time.
///
/// # Errors
/// When somebody cannot join, or when ann cannot speak.
pub fn record(command: &Command, file: &Path) -> Result<(), Conviction> {
    let mut traced = Command::new(command.get_program());
    traced.args(command.get_args()).arg("--trace").arg(file);
    let mut server = Server::start(&mut traced);
    let mut ann = join(&mut server, "ann", Callbacks::Listen)?;
    let mut recipients = Vec::new();
    for name in ["bob", "cid"] {
        recipients.push(join(&mut server, name, Callbacks::Unread)?);
        all_is_taken(&server, &mut recipients);
    }
    let said = server.lets(|| ann.try_say("hello").is_ok(), || 0);
    all_is_taken(&server, &mut recipients);
    // Before its members go: that they leave is a message, too.
    server.kill();
    said.filter(|said| *said).map(drop).ok_or_else(|| "ann cannot speak".to_owned())
}

fn all_is_taken(server: &Server, recipients: &mut [Member]) {
    loop {
        server.comes_to_rest();
        if !recipients.iter_mut().any(Member::reads_one) {
            return;
        }
    }
}

/// Reads a trace.
///
/// # Errors
/// When the file cannot be read.
pub fn read(file: &Path) -> Result<Vec<Event>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(text.lines().filter_map(event).collect())
}

/// Reads one line. Lines that hold nothing of interest are left out.
fn event(line: &str) -> Option<Event> {
    let (name, thread) = (text(line, "name"), number(line, "tid")?);
    let action = match text(line, "ph")? {
        // The first name is the event's own, and the second one is the thread's.
        "M" => Action::Named(text(line.split_once("\"args\":")?.1, "name")?.to_owned()),
        "B" => Action::Begins(name?.to_owned()),
        "E" => Action::Ends,
        "s" => Action::Wakes(number(line, "id")?),
        "f" => Action::Woken(number(line, "id")?),
        "i" => Action::Mark(name?.to_owned()),
        _ => return None,
    };
    Some((thread, action))
}

/// The text of a field. No name in a trace has a quotation mark.
fn text<'a>(line: &'a str, field: &str) -> Option<&'a str> {
    line.split_once(&format!("\"{field}\":\""))?.1.split('"').next()
}

fn number(line: &str, field: &str) -> Option<u64> {
    let rest = line.split_once(&format!("\"{field}\":"))?.1;
    rest.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_line_is_read() {
        let read = |fields: &str| event(&format!("{{{fields},\"pid\":1,\"tid\":7,\"ts\":12.5}},"));
        let is = |action| Some((7, action));
        assert_eq!(read(r#""ph":"B","name":"reads""#), is(Action::Begins("reads".to_owned())));
        assert_eq!(read(r#""ph":"E","name":"reads""#), is(Action::Ends));
        assert_eq!(read(r#""ph":"s","name":"wakes","id":3"#), is(Action::Wakes(3)));
        assert_eq!(read(r#""ph":"f","name":"wakes","bp":"e","id":3"#), is(Action::Woken(3)));
        let mark = r#""ph":"i","name":"passed on","s":"t","args":{"sequence":4}"#;
        assert_eq!(read(mark), is(Action::Mark("passed on".to_owned())));
        let name = r#"{"ph":"M","name":"thread_name","pid":1,"tid":7,"args":{"name":"to bob"}},"#;
        assert_eq!(event(name), is(Action::Named("to bob".to_owned())));
        assert_eq!(event("["), None);
    }
}
