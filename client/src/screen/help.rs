//! The output of `--help`: the flags, and the commands in the room.

use crate::input::COMMAND_HELP;

const FLAGS: &str = "\
Joins a room of rpc-chat and takes part in it.

Usage: chat-client [--server HOST:PORT] [--name NAME] [options]

  --server HOST[:PORT]  where the room is [$CHAT_SERVER, or 127.0.0.1:1234]
  --name NAME           your name there [$CHAT_NAME, or the first line typed];
                        NAME+ takes NAME-2, NAME-3, ... if NAME is taken
  --send TEXT           say TEXT and leave; - says all of standard input
  --to NAME             with --send: say it to NAME alone
  --stay                stay and read on after the end of input
  --wait TIME           how long to try to join, and to come back: 0, 30s, 5m
  --history N           show the last N messages first [20 on a terminal, or 0]
  --quiet               print nothing but what others say
  --json                print one JSON object a line for everything that happens
  --json-input          read one JSON object a line, such as {\"say\":\"hello\"}
  --log FILE            append a transcript to FILE
  --time FORMAT         before each line: off, time, date [time on a terminal]
  --color WHEN          auto, always or never [auto: on a terminal, unless
                        $NO_COLOR is set]
  --bell MODE           ring on a terminal for: off, mention, all [mention]
  --plain               one line after the other, and no cursor movement
  --no-paste-guard      send a paste of many lines without asking
  --no-listen           do not let the server dial this client
  --passphrase-file FILE
                        the first line of FILE is the passphrase of a closed
                        room [$CHAT_PASSPHRASE, or asked for on a terminal]
  --state DIR           where keys are kept [$XDG_STATE_HOME/rpc-chat, or
                        ~/.local/state/rpc-chat]
  --accept-new-key      let a closed room have another key than before
  --help, --version     print this, or the version

In the room:
";

/// What stands below the commands.
const NOTES: &str = "
Exit codes: 0 left; 1 could not join, was refused, was lost for good, or could
not read or write; 2 wrong usage. More about scripts: client/README.md.
";

/// Returns the output of `--help`. No line is wider than 80 columns.
pub fn help_text() -> String {
    let commands: String = COMMAND_HELP.iter().map(|line| format!("  {line}\n")).collect();
    format!("{FLAGS}{commands}{NOTES}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_fits_80_columns_and_lists_every_command() {
        let help = help_text();
        assert!(help.lines().all(|line| line.len() <= 80), "{help}");
        assert!(COMMAND_HELP.iter().all(|line| help.contains(line)), "{help}");
    }
}
