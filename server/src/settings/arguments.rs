//! Reads the command line: words in, an [`Invocation`] or a one-line error out. No I/O; runs on the main
//! thread.

use super::{flags::CommandLine, options::Invocation};
use chat_common::program::flags::{Arguments, Program};

/// Reads the command line, without the program's name.
///
/// # Errors
/// One line that says what is wrong and what is allowed.
pub fn parse(
    program: &Program<CommandLine>,
    arguments: impl IntoIterator<Item = String>,
) -> Result<Invocation, String> {
    let mut line = CommandLine::default();
    match program.read(arguments, &|_| None, &mut line)? {
        Arguments::Run(given) => check_combinations(&given)?,
        Arguments::Print(text) => return Ok(Invocation::Print(text)),
    }
    let CommandLine { options, check, repair, export, since, private } = line;
    options.settings.limits.check()?;
    let export = export.map(|directory| Invocation::Export { directory, since, private });
    let task = check.map(Invocation::Check).or(repair.map(Invocation::Repair)).or(export);
    Ok(task.unwrap_or_else(|| Invocation::Run(Box::new(options))))
}

/// Checks which of the flags that were given go together. Without this, one of them would do nothing, and
/// nobody would notice.
fn check_combinations(given: &[String]) -> Result<(), String> {
    let found = |flags: &[&'static str]| -> Vec<&str> {
        flags.iter().copied().filter(|flag| given.iter().any(|name| name == flag)).collect()
    };
    if let [one, other, ..] = found(&["--check", "--repair", "--export"])[..] {
        return Err(format!("{one} and {other} are two tasks; give one of the two"));
    }
    if let [one, other] = found(&["--closed", "--passphrase-file"])[..] {
        return Err(format!("{one} makes a passphrase up, and {other} has one; give one of the two"));
    }
    let needs = [
        (
            &["--private", "--since"][..],
            &["--export"][..],
            "--export, which names the directory of a journal",
        ),
        (
            &["--keep", "--keep-size", "--segment-size"],
            &["--journal"],
            "--journal, which names the directory of the room",
        ),
        (
            &["--operators-in-clear"],
            &["--operators"],
            "--operators, which names the file of their passphrase",
        ),
        (
            &["--names", "--state"],
            &["--closed", "--passphrase-file"],
            "a closed room: --closed, or --passphrase-file FILE",
        ),
    ];
    for (flags, others, what) in needs {
        if let (Some(flag), true) = (found(flags).first(), found(others).is_empty()) {
            return Err(format!("{flag} goes with {what}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{flags::program, limits::Limits, options::Options};
    use std::time::Duration;

    fn parsed(line: &str) -> Result<Invocation, String> {
        parse(&program(Vec::new()), line.split_whitespace().map(str::to_owned))
    }

    fn options(line: &str) -> Options {
        match parsed(line) {
            Ok(Invocation::Run(options)) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_default_is_loopback() {
        assert_eq!(options("").listen, "127.0.0.1:1234");
    }

    #[test]
    fn a_value_stands_after_a_space_or_an_equals_sign() {
        assert_eq!(options("--listen [::]:0").listen, "[::]:0");
        assert_eq!(options("--listen=example.org:99").listen, "example.org:99");
        assert_eq!(options("--listen :0").listen, "127.0.0.1:0");
        assert_eq!(options("--dead-after 3s").settings.limits.dead_after, Duration::from_secs(3));
    }

    #[test]
    fn each_limit_shows_its_default_as_its_flag_takes_it_and_says_its_range() {
        let flags = program(Vec::new()).flags;
        let limits = flags.iter().filter(|flag| flag.topic == Some("limits"));
        let mut line: Vec<String> =
            limits.map(|flag| format!("{} {}", flag.name(), flag.otherwise())).collect();
        assert!(line.len() > 20, "{line:?}");
        // One of them is for a journal.
        line.push("--journal j".to_owned());
        assert_eq!(options(&line.join(" ")).settings.limits, Limits::default());
        assert_eq!(parsed("--max-text 1MiB").unwrap_err(), "--max-text takes 16 to 32KiB, not \"1MiB\"");
    }

    #[test]
    fn an_export_has_its_flags_before_or_after_it() {
        let since = Some(Duration::from_secs(7_200));
        let export = |line| match parsed(line) {
            Ok(Invocation::Export { directory, since, private }) => (directory, since, private),
            other => panic!("{other:?}"),
        };
        assert_eq!(export("--export j"), ("j".into(), None, false));
        assert_eq!(export("--since 2h --export j --private"), ("j".into(), since, true));
        assert_eq!(export("--export i --since 1h --export=j --since 2h"), ("j".into(), since, false));
    }

    #[test]
    #[cfg(feature = "closed")]
    fn a_room_is_closed_by_a_file_or_by_words_that_the_server_makes_up() {
        use crate::settings::options::ClosedFlags;
        let closed = |line: &str| options(line).closed;
        let made_up = ClosedFlags { made_up: true, ..ClosedFlags::default() };
        assert_eq!((closed(""), closed("--closed")), (ClosedFlags::default(), made_up.clone()));
        let file = ClosedFlags { passphrase_file: Some("p".into()), ..ClosedFlags::default() };
        assert_eq!(closed("--passphrase-file o --passphrase-file=p"), file);
        assert_eq!(
            closed("--names n --closed --state s"),
            ClosedFlags { state: Some("s".into()), ..made_up }
        );
        assert_eq!(options("--closed --names n").settings.door.names, Some("n".into()));
        for (line, word) in [
            ("--closed --passphrase-file p", "one of the two"),
            ("--names n", "--names goes with a closed room"),
            ("--state s", "--state goes with a closed room"),
            ("--closed=yes", "--closed takes no value"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    #[cfg(not(feature = "closed"))]
    fn a_build_without_the_feature_says_how_to_get_it() {
        for line in ["--closed", "--passphrase-file p", "--state s", "--names=n"] {
            let error = parsed(line).unwrap_err();
            assert!(error.ends_with("cargo install --path server --features closed"), "{error}");
        }
    }

    #[test]
    #[cfg(feature = "trace")]
    fn a_trace_has_its_file() {
        assert_eq!(options("--trace t").trace, Some("t".into()));
    }

    #[test]
    #[cfg(not(feature = "trace"))]
    fn a_build_without_the_trace_says_how_to_get_it() {
        let error = parsed("--trace t").unwrap_err();
        assert!(error.ends_with("cargo install --path server --features trace"), "{error}");
    }

    #[test]
    fn an_error_is_one_line() {
        for line in [
            "--lisen x:1",
            "--listen",
            "--listen 1234",
            "--listen x:70000",
            "-x",
            "hello",
            "--rate many",
            "--max-text 1MiB",
            "--max-frame 4096",
            "--export",
            "--since 2h",
            "--private",
            "--private --check somewhere",
            "--export somewhere --since yesterday",
            "--export somewhere --private=yes",
            "--console=yes",
            "--listen :",
            "--listen :70000",
            "--keep 5d",
            "--keep-size 1GiB",
            "--segment-size=1MiB",
            "--keep 5d --check somewhere",
            "--check somewhere --repair somewhere",
            "--export somewhere --repair somewhere",
        ] {
            let error = parsed(line).expect_err(line);
            assert!(!error.contains('\n') && error.len() > 10, "{error}");
        }
    }
}
