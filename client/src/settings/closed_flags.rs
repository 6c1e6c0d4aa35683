//! What the flags for closed rooms and `$CHAT_PASSPHRASE` mean. No I/O.

#[cfg(feature = "closed")]
use super::options::{Environment, Options};
#[cfg(feature = "closed")]
use crate::session::{AccessOptions, PassphraseSource};
#[cfg(feature = "closed")]
use chat_common::handshake::state::default_directory;
use std::path::PathBuf;

/// The error of `--passphrase`.
pub(super) const PASSPHRASE_WAYS: &str =
    "a passphrase is never an argument, because others on this machine can read those: set $CHAT_PASSPHRASE, \
     use --passphrase-file FILE, or type it where the client asks for it";
/// The flags for closed rooms, as they were given.
#[derive(Default)]
pub(super) struct ClosedFlags {
    pub(super) passphrase_file: Option<PathBuf>,
    /// The value of `$CHAT_PASSPHRASE`.
    pub(super) passphrase: Option<String>,
    pub(super) state: Option<PathBuf>,
    pub(super) accept_new_key: bool,
}

#[cfg(feature = "closed")]
impl ClosedFlags {
    /// Puts what was given into the options.
    ///
    /// # Errors
    /// When the passphrase is none, or the client has no directory for its key. One line for people.
    pub(super) fn apply(self, options: &mut Options, environment: &Environment<'_>) -> Result<(), String> {
        let ClosedFlags { passphrase_file, passphrase, state, accept_new_key } = self;
        options.passphrase = match (passphrase_file, passphrase) {
            (Some(path), _) => Some(PassphraseSource::File(path)),
            (None, Some(words)) => Some(PassphraseSource::given(&words, "$CHAT_PASSPHRASE")?),
            (None, None) => None,
        };
        let state = match state.map_or_else(|| default_directory(environment.variable), Ok) {
            // Only a closed room needs the directory.
            Err(why) if options.passphrase.is_some() => return Err(why),
            state => state.ok(),
        };
        let asks_passphrase = options.join.interactive && environment.stdout_terminal && state.is_some();
        options.join.access =
            AccessOptions { state, accept_new_key, asks_passphrase, ..AccessOptions::default() };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "closed")]
    use super::*;
    use crate::settings::tests::{run, with};
    #[cfg(feature = "closed")]
    use chat_common::handshake::passphrase::Passphrase;

    #[test]
    fn a_passphrase_is_no_argument_and_the_error_says_the_ways() {
        for arguments in [&["--passphrase", "lamp river"][..], &["--passphrase=lamp"], &["--passphrase"]] {
            let error = with(arguments, false, &[]).unwrap_err();
            assert!(
                error.contains("$CHAT_PASSPHRASE") && error.contains("--passphrase-file FILE"),
                "{error}"
            );
            assert!(!error.contains("lamp"), "{error}");
        }
    }

    #[cfg(not(feature = "closed"))]
    #[test]
    fn a_build_for_open_rooms_knows_the_flags_of_closed_ones_and_how_to_get_them() {
        for (arguments, variables, used) in [
            (&["--passphrase-file", "f"][..], &[][..], "--passphrase-file"),
            (&["--state=d"], &[], "--state"),
            (&["--accept-new-key"], &[], "--accept-new-key"),
            (&[], &[("CHAT_PASSPHRASE", "lamp")], "$CHAT_PASSPHRASE"),
        ] {
            let error = with(arguments, false, variables).unwrap_err();
            assert!(error.starts_with(used) && error.ends_with("closed"), "{error}");
            assert!(error.contains(": cargo install --path client --features "), "{error}");
        }
        run(&[], false, &[("CHAT_PASSPHRASE", "")]);
    }

    #[cfg(feature = "closed")]
    #[test]
    fn the_passphrase_comes_from_the_flag_or_else_from_the_variable() {
        let home = ("HOME", "/home/sara");
        let passphrase = |words| Some(PassphraseSource::Given(Passphrase::new(words).unwrap()));
        let from = |arguments: &[&str], words| {
            let options = run(arguments, false, &[home, ("CHAT_PASSPHRASE", words)]);
            assert_eq!(options.join.access.state.unwrap(), PathBuf::from("/home/sara/.local/state/rpc-chat"));
            options.passphrase
        };
        assert_eq!(from(&[], ""), None);
        assert_eq!(from(&[], "lamp river"), passphrase("lamp river"));
        assert_eq!(from(&["--passphrase-file", "f"], "lamp"), Some(PassphraseSource::File("f".into())));
        for (arguments, variables) in
            [(&[][..], &[home, ("CHAT_PASSPHRASE", " ")][..]), (&[], &[("CHAT_PASSPHRASE", "lamp")])]
        {
            let error = with(arguments, false, variables).unwrap_err();
            assert!(!error.contains('\n'), "{error}");
        }
        let options = run(&["--state", "/keys", "--accept-new-key"], false, &[]);
        assert!(
            options.join.access.accept_new_key
                && options.join.access.state.is_some_and(|path| path.ends_with("keys"))
        );
    }

    #[cfg(feature = "closed")]
    #[test]
    fn only_a_person_at_a_terminal_is_asked_for_the_passphrase() {
        let variables = [("HOME", "/home/sara"), ("TERM", "xterm")];
        assert!(run(&[], true, &variables).join.access.asks_passphrase);
        assert!(!run(&[], false, &variables).join.access.asks_passphrase);
        assert!(!run(&["--name", "ci", "--send", "hi"], true, &variables).join.access.asks_passphrase);
    }
}
