//! Writes the completions of a program for bash, zsh and fish from the table of its flags.

use chat_common::program::flags::{Flag, Program};

/// What a shell can offer behind a flag.
enum Candidates<'a> {
    /// The flag takes no value.
    NoValue,
    /// The value can be anything.
    Anything,
    Files,
    Folders,
    /// The value is one of these words.
    Words(Vec<&'a str>),
}

fn candidates<S>(flag: &Flag<S>) -> Candidates<'_> {
    match (flag.value(), flag.choices()) {
        ("", _) => Candidates::NoValue,
        ("FILE", _) => Candidates::Files,
        ("DIR", _) => Candidates::Folders,
        (_, words) if words.is_empty() => Candidates::Anything,
        (_, words) => Candidates::Words(words),
    }
}

/// The completion for bash. bash-completion finds it by the name of the program.
pub(crate) fn bash<S>(program: &Program<S>) -> String {
    let (name, function) = (program.name, format!("_{}", program.name.replace('-', "_")));
    let mut branches = String::new();
    for flag in &program.flags {
        let offer = match candidates(flag) {
            Candidates::NoValue => continue,
            Candidates::Anything => String::new(),
            Candidates::Files => "compopt -o default ".to_owned(),
            Candidates::Folders => "compopt -o dirnames ".to_owned(),
            Candidates::Words(words) => offer_words(&words),
        };
        branches += &format!("        {}) {offer};;\n", flag.name());
    }
    format!(
        "# The completion of {name} for bash.\n\
         {function}() {{\n\
         \x20   local word=${{COMP_WORDS[COMP_CWORD]}} flag=${{COMP_WORDS[COMP_CWORD - 1]}}\n\
         \x20   # bash makes three words of --flag=value.\n\
         \x20   if [[ $flag == = ]]; then flag=${{COMP_WORDS[COMP_CWORD - 2]}}; fi\n\
         \x20   if [[ $word == = ]]; then word=; fi\n\
         \x20   COMPREPLY=()\n\
         \x20   case $flag in\n{branches}        *) {};;\n\
         \x20   esac\n\
         }}\n\
         complete -F {function} {name}\n",
        offer_words(&program.flags.iter().map(Flag::name).collect::<Vec<_>>())
    )
}

/// The statement of bash that offers those of these words that fit.
fn offer_words(words: &[&str]) -> String {
    format!("COMPREPLY=($(compgen -W \"{}\" -- \"$word\")) ", words.join(" "))
}

/// The completion for zsh, which finds it by its first line.
pub(crate) fn zsh<S>(program: &Program<S>) -> String {
    let mut text = format!("#compdef {}\n_arguments", program.name);
    for flag in &program.flags {
        let action = match candidates(flag) {
            Candidates::NoValue => String::new(),
            Candidates::Anything => " ".to_owned(),
            Candidates::Files => "_files".to_owned(),
            Candidates::Folders => "_files -/".to_owned(),
            Candidates::Words(words) => format!("({})", words.join(" ")),
        };
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]");
        let (equals, value) = match flag.value() {
            "" => ("", String::new()),
            // A value in brackets can be left out.
            value if value.starts_with('[') => ("=", format!("::topic:{action}")),
            value => ("=", format!(":{}:{action}", escaped(value).replace(':', "\\:"))),
        };
        let specification = format!("{}{equals}[{}]{value}", flag.name(), escaped(&flag.text));
        text += &format!(" \\\n    '{}'", specification.replace('\'', "'\\''"));
    }
    text + "\n"
}

/// The completion for fish.
pub(crate) fn fish<S>(program: &Program<S>) -> String {
    let name = program.name;
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    // Neither program takes the name of a file that stands by itself.
    let mut text = format!("# The completion of {name} for fish.\ncomplete -c {name} -f\n");
    for flag in &program.flags {
        let value = match candidates(flag) {
            Candidates::NoValue => String::new(),
            Candidates::Anything => " -x".to_owned(),
            Candidates::Files => " -r -F".to_owned(),
            Candidates::Folders => " -x -a '(__fish_complete_directories)'".to_owned(),
            Candidates::Words(words) => format!(" -x -a {}", quoted(&words.join(" "))),
        };
        let long = flag.name().trim_start_matches("--");
        text += &format!("complete -c {name} -l {long}{value} -d {}\n", quoted(&flag.text));
    }
    text
}
