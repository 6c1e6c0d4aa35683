//! The list of the operator's commands, for `--help` and `/help`. `operator` carries them out.

/// One command on each line, at most 78 characters wide.
pub(crate) const COMMANDS: &str = "\
/who [PATTERN]              who is here; or only whose name has PATTERN in it
/say TEXT                   say something to everybody, as the server
/kick NAME [REASON]         remove a member, who can join again
/mute [NAME [TIME]]         let NAME say nothing, for 10m; or list the mutes
/unmute NAME                let the member speak again
/ban ADDRESS[/BITS]|NAME    remove who has the address or name; refuse them
/unban ADDRESS[/BITS]|NAME  remove a ban
/bans                       list the bans
/forget NAME                let others have a name that --names keeps
/stats                      show the statistics
/stop                       deliver what was accepted, and stop the server";
