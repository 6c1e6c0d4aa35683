//! Writes a man page from a `--help`.

use crate::help::{Flag, Help};

/// The man page of `program`, in section 1. It points to the page of `other`.
pub(crate) fn page(program: &str, other: &str, version: &str, help: &Help) -> String {
    let mut page = format!(
        ".TH {} 1 \"\" \"rpc\\-chat {version}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n{}\n",
        escape(&program.to_uppercase()),
        escape(program),
        escape(&help.summary),
        escape(&help.usage),
    );
    for group in &help.groups {
        page += &format!(".SH {}\n", escape(&group.heading.as_deref().unwrap_or("Options").to_uppercase()));
        group.flags.iter().for_each(|flag| page += &entry(flag));
        if !group.commands.is_empty() {
            let commands: String = group.commands.iter().map(|command| escape(command) + "\n").collect();
            // Without filling, so that each stands on a line of its own.
            page += &format!(".nf\n{commands}.fi\n");
        }
    }
    page += ".SH NOTES\n";
    page += &help.notes.iter().map(|note| escape(note) + "\n").collect::<Vec<_>>().join(".PP\n");
    page + &format!(".SH SEE ALSO\n.BR {} (1)\n", escape(other))
}

/// One flag: its names in bold, its value in italics, and below them what it does.
fn entry(flag: &Flag) -> String {
    let names: Vec<String> = flag.names.iter().map(|name| format!("\\fB{}\\fR", escape(name))).collect();
    let value = flag.value.iter().map(|value| format!(" \\fI{}\\fR", escape(value))).collect::<String>();
    format!(".TP\n{}{value}\n{}\n", names.join(", "), escape(&flag.text))
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
