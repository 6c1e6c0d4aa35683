//! Writes a man page from the table of a program's flags.

use chat_common::program::flags::{Flag, Program};

/// The man page of `program`, in section 1. It points to the page of `other`.
pub(crate) fn page<S>(program: &Program<S>, other: &str) -> String {
    let name = escape(program.name);
    let mut page = format!(
        ".TH {} 1 \"\" \"rpc\\-chat {}\" \"User Commands\"\n.SH NAME\n{name} \\- {}\n.SH SYNOPSIS\n{name} \
         [FLAGS]\n",
        name.to_uppercase(),
        env!("CARGO_PKG_VERSION"),
        escape(program.summary),
    );
    for (heading, topic) in [("OPTIONS", None), ("OPERATORS", Some("op")), ("LIMITS", Some("limits"))] {
        let flags: String = program.flags.iter().filter(|flag| flag.topic == topic).map(entry).collect();
        if !flags.is_empty() {
            page += &format!(".SH {heading}\n{flags}");
        }
    }
    page += ".SH COMMANDS\n";
    for (form, does) in &program.commands {
        page += &format!(".TP\n\\fB{}\\fR\n{}\n", escape(form), escape(does));
    }
    let notes: Vec<String> = program.notes.iter().map(|note| escape(note)).collect();
    page + &format!(".SH NOTES\n{}\n.SH SEE ALSO\n.BR {} (1)\n", notes.join("\n"), escape(other))
}

/// One flag: its name in bold, its value in italics, and below them what it does.
fn entry<S>(flag: &Flag<S>) -> String {
    let value = match flag.value() {
        "" => String::new(),
        value => format!(" \\fI{}\\fR", escape(value)),
    };
    let default = match flag.otherwise() {
        default if default.is_empty() => String::new(),
        default => format!(" [{}]", escape(&default)),
    };
    format!(".TP\n\\fB{}\\fR{value}\n{}{default}\n", escape(flag.name()), escape(flag.text))
}

/// The text as roff shows it unchanged. A line of it must not begin with a dot or an apostrophe, and a hyphen
/// must stay one that can be copied into a shell.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) {
        format!("\\&{text}")
    } else {
        text
    }
}
