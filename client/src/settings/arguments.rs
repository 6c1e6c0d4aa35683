//! Reads the command line and the environment variables. No I/O: `main.rs` passes both in.

use super::{
    closed_flags::ClosedFlags,
    flags::CommandLine,
    options::{
        Bell, Environment, InputSource, Invocation, Options, ScreenOptions, Surface, TimeFormat,
        DEFAULT_HISTORY,
    },
    server_address::{DEFAULT_PORT, DEFAULT_SERVER},
};
use crate::session::JoinOptions;
use chat_common::{
    program::flags::{Arguments, Program},
    text::invisible::trim,
};

/// Parses the arguments, without the program's name.
///
/// # Errors
/// One line for people that says which argument is wrong.
pub fn parse_arguments(
    program: &Program<CommandLine>,
    arguments: impl IntoIterator<Item = String>,
    environment: &Environment<'_>,
) -> Result<Invocation, String> {
    let mut line = CommandLine {
        options: defaults(),
        history: None,
        time: None,
        color: None,
        json: false,
        plain: false,
        closed: ClosedFlags::default(),
    };
    if let Arguments::Print(text) = program.read(arguments, environment.variable, &mut line)? {
        return Ok(Invocation::Print(text));
    }
    let CommandLine { mut options, history, time, color, mut json, plain, .. } = line;
    check_combinations(&options)?;
    let Options { join, screen, source, json_input, .. } = &mut options;
    // No name can have a plus sign, so it is never a part of the name.
    if let Some(name) = join.member.name.as_mut().filter(|name| name.ends_with('+')) {
        name.pop();
        join.member.may_add_number = true;
    }
    let operates = join.operator.command.is_some();
    if operates {
        // It does not join, so nobody is asked for a name.
        join.member.name = Some(String::new());
    }
    let lines = *source == InputSource::StdinLines && !operates;
    join.member.send_only = operates || !lines && !join.stay && history.unwrap_or(0) == 0;
    join.remembers = !join.member.send_only;
    json |= *json_input;
    // Such a client receives nothing, and a script needs no words about the message that it has sent.
    screen.quiet |= join.member.send_only && !json;
    join.interactive = environment.stdin_terminal && lines && !*json_input;
    let typing = join.interactive;
    let variable = |name| (environment.variable)(name).filter(|value| !value.is_empty());
    let has_escapes = environment.stdout_terminal && variable("TERM").is_some_and(|term| term != "dumb");
    let color = color.unwrap_or(has_escapes && variable("NO_COLOR").is_none());
    screen.surface = match () {
        () if json => Surface::Json,
        () if !environment.stdout_terminal => {
            Surface::Pipe { color, asks_on_stderr: screen.quiet || environment.stdout_file }
        }
        () if plain || !has_escapes => Surface::Plain { typing },
        () if typing && cfg!(feature = "edit") => Surface::Edited { color },
        () => Surface::Lines { color, typing },
    };
    let on_terminal = screen.surface.is_terminal();
    join.member.asks_who = on_terminal && typing && !screen.quiet;
    screen.time = time.unwrap_or(if on_terminal { TimeFormat::Time } else { TimeFormat::Off });
    join.member.history = history.unwrap_or(if on_terminal && lines { DEFAULT_HISTORY } else { 0 });
    #[cfg(feature = "closed")]
    line.closed.apply(&mut options, environment)?;
    Ok(Invocation::Run(Box::new(options)))
}

/// The options without any argument.
fn defaults() -> Options {
    let join = JoinOptions::new(format!("{DEFAULT_SERVER}:{DEFAULT_PORT}"));
    let screen = ScreenOptions {
        // The flags decide.
        surface: Surface::Pipe { color: false, asks_on_stderr: false },
        quiet: false,
        time: TimeFormat::Off,
        bell: Bell::Mention,
        log: None,
    };
    let source = InputSource::StdinLines;
    Options {
        join,
        screen,
        source,
        to: None,
        json_input: false,
        paste_guard: true,
        operator: None,
        #[cfg(feature = "closed")]
        passphrase: None,
    }
}

/// Checks which options go together.
fn check_combinations(options: &Options) -> Result<(), String> {
    let Options { join, source, to, json_input, operator, .. } = options;
    let operates = join.operator.command.is_some();
    let sends = *source != InputSource::StdinLines;
    let no_name = join.member.name.is_none();
    Err(match () {
        () if operates && (sends || *json_input) => {
            "--operate does one command and leaves, so --send and --json-input do not go with it"
        }
        () if operates && operator.is_none() => "--operate needs --operator-file FILE, or $CHAT_OPERATOR",
        () if sends && *json_input => "--json-input reads what to send, so --send does not go with it",
        () if sends && no_name => "--send needs a --name, because nobody is asked for one",
        () if *json_input && no_name => "--json-input needs a --name, because no line is a name",
        () if join.member.name.as_ref().is_some_and(|name| trim(name).is_empty()) => "--name needs a name",
        () if to.is_some() && !sends => "--to needs a --send with the text",
        () if to.as_ref().is_some_and(|to| to.trim().is_empty()) => "--to needs a name",
        () => return Ok(()),
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::{run, with};
    use std::time::Duration;

    /// A terminal on which a person types.
    fn typed_on(color: bool) -> Surface {
        match cfg!(feature = "edit") {
            true => Surface::Edited { color },
            false => Surface::Lines { color, typing: true },
        }
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_the_environment_over_the_default() {
        let variables =
            [("CHAT_SERVER", "there:1"), ("CHAT_NAME", "Env"), ("NO_COLOR", "1"), ("TERM", "xterm")];
        let options = run(&[], true, &variables);
        assert_eq!(
            (options.join.server.as_str(), options.join.member.name.as_deref()),
            ("there:1", Some("Env"))
        );
        assert_eq!(options.screen.surface, typed_on(false));
        assert!(options.join.interactive);
        assert_eq!(options.join.member.history, 20);
        let options = run(&["--server=[::1]:9", "--name", "Flag", "--color", "always"], true, &variables);
        assert_eq!(
            (options.join.server.as_str(), options.join.member.name.as_deref()),
            ("[::1]:9", Some("Flag"))
        );
        assert_eq!(options.screen.surface, typed_on(true));
        assert_eq!(run(&[], false, &[("CHAT_SERVER", "::1")]).join.server, "[::1]:1234");
        let options = run(&[], false, &[("CHAT_NAME", "")]);
        assert_eq!((options.join.server.as_str(), options.join.member.name), ("127.0.0.1:1234", None));
        assert_eq!(options.join.member.history, 0);
    }

    #[test]
    fn each_wrong_argument_is_one_line_of_error() {
        for arguments in [
            &["--serve"][..],
            &["hello"],
            &["--server"],
            &["--server", ""],
            &["--server", "here there"],
            &["--server", "::1:80"],
            &["--server", "[::1"],
            &["--server", "[here]:80"],
            &["--server", "http://here:80"],
            &["--server", "here:"],
            &["--server", "here:65536"],
            &["--server", "here:0"],
            &["--server", ":"],
            &["--server", ":0"],
            &["--server", "2000"],
            &["--history", "many"],
            &["--color", "red"],
            &["--bell=loud"],
            &["--time", "later"],
            &["--wait", "5x"],
            &["--wait", "-5"],
            &["--wait", ""],
            &["--wait", "999999999999999999m"],
            &["--json=yes"],
            &["--send", "hi"],
            &["--send", " ", "--name", "ci"],
            &["--send", "\u{feff}\u{200b}", "--name", "ci"],
            &["--send", "one", "--name", "ci", "--send=two"],
            &["--send", "-", "--name", "ci", "--send", "-"],
            &["--send", "/msg Bob hi", "--name", "ci"],
            &["--send", " \t/reply hi", "--name", "ci"],
            &["--send", "/MSG", "--name", "ci", "--to", "Bob"],
            &["--send", "\u{feff}/msg Bob hi", "--name", "ci"],
            &["--send", " \u{200b}\u{301}/rep\u{2060}ly\u{200e} hi", "--name", "ci"],
            &["--send", "\u{ff0f}msg Bob hi", "--name", "ci"],
            &["--send", "\u{200e} \u{2215}who", "--name", "ci", "--to", "Bob"],
            &["--name", ""],
            &["--name", " \u{200b}"],
            &["--to", "Bob", "--name", "ci"],
            &["--to", " ", "--name", "ci", "--send", "hi"],
            &["--json-input"],
            &["--json-input", "--name", "ci", "--send", "hi"],
        ] {
            let error = with(arguments, false, &[]).unwrap_err();
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_port_alone_is_on_this_machine_and_a_number_alone_is_seconds_to_wait() {
        assert_eq!(run(&["--server", ":2000"], false, &[]).join.server, "127.0.0.1:2000");
        assert_eq!(run(&[], false, &[("CHAT_SERVER", ":2000")]).join.server, "127.0.0.1:2000");
        for (wait, seconds) in [("5", 5), ("5s", 5), ("0", 0), ("00", 0), ("2m", 120)] {
            let options = run(&["--wait", wait], false, &[]);
            assert_eq!(options.join.wait, Some(Duration::from_secs(seconds)), "{wait}");
        }
    }

    #[test]
    fn of_a_repeated_flag_the_last_counts() {
        let variables = [("TERM", "xterm")];
        let arguments = ["--color", "always", "--color", "auto", "--wait", "1s", "--wait", "2s"];
        let options = run(&arguments, false, &variables);
        let pipe = Surface::Pipe { color: false, asks_on_stderr: false };
        assert_eq!((options.screen.surface, options.join.wait), (pipe, Some(Duration::from_secs(2))));
        let options = run(&["--color", "never", "--color", "auto"], true, &variables);
        assert_eq!(options.screen.surface, typed_on(true));
    }

    #[test]
    fn a_text_to_send_is_said_as_it_is_except_for_a_slash_before_msg_and_reply() {
        for (given, said) in [
            ("/etc/passwd changed", "/etc/passwd changed"),
            ("//etc", "//etc"),
            ("/msgs", "/msgs"),
            ("exit", "exit"),
            ("//msg Bob hi", "/msg Bob hi"),
            (" //reply hi", " /reply hi"),
            ("\u{feff} //reply hi", " /reply hi"),
            ("\u{feff}hi\u{feff}", "hi\u{feff}"),
        ] {
            let options = run(&["--name", "ci", "--send", given], false, &[]);
            assert_eq!(options.source, InputSource::Message(said.into()));
        }
    }

    #[test]
    fn a_name_with_a_plus_sign_takes_a_number_where_it_is_taken() {
        for (arguments, variables) in
            [(&["--name", "ci+"][..], &[][..]), (&[][..], &[("CHAT_NAME", "ci+")][..])]
        {
            let join = run(arguments, false, variables).join;
            assert_eq!((join.member.name.as_deref(), join.member.may_add_number), (Some("ci"), true));
        }
        assert!(!run(&["--name", "ci"], false, &[]).join.member.may_add_number);
    }

    #[test]
    fn only_a_client_that_sends_and_leaves_receives_nothing() {
        for (arguments, send_only) in [
            (&["--send", "hi"][..], true),
            (&["--send", "-", "--json"], true),
            (&["--send", "hi", "--history", "0"], true),
            (&["--send", "hi", "--history", "5"], false),
            (&["--send", "hi", "--stay"], false),
            (&[], false),
        ] {
            let options = run(&[arguments, &["--name", "ci"]].concat(), false, &[]);
            assert_eq!(options.join.member.send_only, send_only, "{arguments:?}");
            let json = options.screen.surface == Surface::Json;
            assert_eq!(options.screen.quiet, send_only && !json, "{arguments:?}");
        }
    }

    #[test]
    fn json_input_is_for_programs_and_implies_json() {
        let options = run(&["--name", "bot", "--json-input"], true, &[("TERM", "xterm")]);
        assert_eq!(options.screen.surface, Surface::Json);
        assert!(options.json_input && !options.join.interactive && options.join.member.history == 0);
    }

    #[test]
    fn send_on_a_terminal_is_not_interactive() {
        let options = run(&["--name", "ci", "--send", "hi"], true, &[("TERM", "xterm")]);
        assert_eq!(options.screen.surface, Surface::Lines { color: true, typing: false });
        assert!(!options.join.interactive && options.join.member.history == 0);
    }

    #[test]
    fn a_dumb_terminal_gets_no_escape_sequences() {
        let options = run(&[], true, &[("TERM", "dumb")]);
        assert_eq!(options.screen.surface, Surface::Plain { typing: true });
        assert!(options.join.interactive);
    }
}
