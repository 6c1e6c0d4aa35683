//! Writes a man page from the table of a program's flags, and from tables of its README.

use chat_common::program::flags::{Flag, Program};

/// The sections that are tables of the README, each with what stands above the first column there.
const TABLES: [(&str, &str); 5] = [
    ("KEYS", "key"),
    ("EXIT STATUS", "exit code"),
    ("ENVIRONMENT", "variable"),
    ("FILES", "file"),
    ("EXAMPLES", "example"),
];

/// The man page of `program`, in section 1. It points to the page of `other`.
pub(crate) fn page<S>(program: &Program<S>, readme: &str, other: &str) -> String {
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
    let row = |left: &str, right: &str| format!(".TP\n\\fB{}\\fR\n{}\n", escape(left), escape(right));
    let commands: String = program.commands.iter().map(|(form, does)| row(form, does)).collect();
    page += &format!(".SH COMMANDS\n{commands}");
    for (heading, column) in TABLES {
        let rows: String = table(readme, column).map(|(left, right)| row(&left, &right)).collect();
        page += &format!(".SH {heading}\n{rows}");
        if heading == "FILES" {
            page += &format!(".PP\nDIR is the folder of \\fB{}\\fR.\n", escape("--state"));
        }
    }
    let notes: Vec<String> = program.notes.iter().map(|note| escape(note)).collect();
    page + &format!(".SH NOTES\n{}\n.SH SEE ALSO\n.BR {} (1)\n", notes.join("\n"), escape(other))
}

/// The rows of the tables in a README whose first column has this name: their first two cells, without what
/// Markdown adds.
fn table<'a>(readme: &'a str, column: &str) -> impl Iterator<Item = (String, String)> + 'a {
    let start = format!("| {column} |");
    let plain = |cell: &str| cell.replace('`', "").replace("\\|", "|");
    let tables = readme.split("\n\n").filter(move |part| part.starts_with(&start));
    tables.flat_map(|table| table.lines().skip(2)).filter_map(move |row| {
        let (left, right) = row.trim_matches(['|', ' ']).split_once(" | ")?;
        Some((plain(left), plain(right)))
    })
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
    format!(".TP\n\\fB{}\\fR{value}\n{}{default}\n", escape(flag.name()), escape(&flag.text))
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
