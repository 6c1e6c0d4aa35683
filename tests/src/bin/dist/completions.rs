//! Writes the completions of a program for bash, zsh and fish from its `--help`.

use crate::help::{Candidates, Help};

/// The completion for bash. bash-completion finds it by the name of the program.
pub(crate) fn bash(program: &str, help: &Help) -> String {
    let function = format!("_{}", program.replace('-', "_"));
    let mut branches = String::new();
    let mut all_names = Vec::new();
    for flag in help.flags() {
        all_names.extend(flag.names.iter().map(String::as_str));
        let offer = match flag.candidates() {
            Candidates::NoValue => continue,
            Candidates::Anything => String::new(),
            Candidates::Files => "compopt -o default ".to_owned(),
            Candidates::Words(words) => offer_words(&words),
        };
        branches += &format!("        {}) {offer};;\n", flag.names.join(" | "));
    }
    format!(
        "# The completion of {program} for bash.\n\
         {function}() {{\n\
         \x20   local word=${{COMP_WORDS[COMP_CWORD]}} flag=${{COMP_WORDS[COMP_CWORD - 1]}}\n\
         \x20   # bash makes three words of --flag=value.\n\
         \x20   if [[ $flag == = ]]; then flag=${{COMP_WORDS[COMP_CWORD - 2]}}; fi\n\
         \x20   if [[ $word == = ]]; then word=; fi\n\
         \x20   COMPREPLY=()\n\
         \x20   case $flag in\n{branches}        *) {};;\n\
         \x20   esac\n\
         }}\n\
         complete -F {function} {program}\n",
        offer_words(&all_names)
    )
}

/// The statement of bash that offers those of these words that fit.
fn offer_words(words: &[&str]) -> String {
    format!("COMPREPLY=($(compgen -W \"{}\" -- \"$word\")) ", words.join(" "))
}

/// The completion for zsh, which finds it by its first line.
pub(crate) fn zsh(program: &str, help: &Help) -> String {
    let mut text = format!("#compdef {program}\n_arguments");
    for flag in help.flags() {
        for name in &flag.names {
            let action = match flag.candidates() {
                Candidates::NoValue => String::new(),
                Candidates::Anything => " ".to_owned(),
                Candidates::Files => "_files".to_owned(),
                Candidates::Words(words) => format!("({})", words.join(" ")),
            };
            let (equals, value) = match &flag.value {
                Some(value) => ("=", format!(":{}:{action}", value.replace(':', "\\:"))),
                None => ("", String::new()),
            };
            let what = flag.text.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]");
            let what = if what.is_empty() { String::new() } else { format!("[{what}]") };
            let specification = format!("{name}{equals}{what}{value}").replace('\'', "'\\''");
            text += &format!(" \\\n    '{specification}'");
        }
    }
    text + "\n"
}

/// The completion for fish.
pub(crate) fn fish(program: &str, help: &Help) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    // Neither program takes the name of a file that stands by itself.
    let mut text = format!("# The completion of {program} for fish.\ncomplete -c {program} -f\n");
    for flag in help.flags() {
        let value = match flag.candidates() {
            Candidates::NoValue => String::new(),
            Candidates::Anything => " -x".to_owned(),
            Candidates::Files => " -r -F".to_owned(),
            Candidates::Words(words) => format!(" -x -a {}", quoted(&words.join(" "))),
        };
        for name in &flag.names {
            let long = name.trim_start_matches("--");
            let what =
                if flag.text.is_empty() { String::new() } else { format!(" -d {}", quoted(&flag.text)) };
            text += &format!("complete -c {program} -l {long}{value}{what}\n");
        }
    }
    text
}
