//! The one way to log about a peer. It limits the lines about each host, so that a peer cannot fill the log.
//! Any thread may log. Nothing is logged under the lock of the table.

use super::host_rates::HostRates;
use crate::identity::Host;
use log::{log, log_enabled, Level};
use std::{fmt, time::Instant};

/// What `RUST_LOG` and the log call these lines, wherever they come from.
const TARGET: &str = "chat_server::peer";

/// Logs a line about `host`, or leaves it out. The next line about the host that is logged says how many were
/// left out.
pub(super) fn log(hosts: &HostRates, host: Host, level: Level, line: impl fmt::Display) {
    // A line of a level that is off costs the host nothing.
    if !log_enabled!(target: TARGET, level) {
        return;
    }
    if let Some(line) = line_at(hosts, host, line, Instant::now()) {
        log!(target: TARGET, level, "{line}");
    }
}

/// Returns the line as it is to be logged at `now`, or `None` when it is left out.
fn line_at(hosts: &HostRates, host: Host, line: impl fmt::Display, now: Instant) -> Option<String> {
    match hosts.of(host, now).take_line(now)? {
        0 => Some(line.to_string()),
        left_out => Some(format!("{line} ({left_out} earlier lines about {host} were left out)")),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::host_rates::LINE_BURST, *};
    use crate::settings::Limits;
    use std::time::Duration;

    #[test]
    fn a_flood_of_lines_about_a_host_is_cut_short_and_the_next_line_says_how_much_is_left_out() {
        let hosts = HostRates::new(&Limits::default());
        let [loud, quiet] = [1, 2].map(|last| Host::of([10, 0, 0, last].into()));
        let start = Instant::now();
        let logged = (0..1000).filter_map(|number| line_at(&hosts, loud, number, start)).count();
        assert_eq!(logged, LINE_BURST);
        assert_eq!(line_at(&hosts, quiet, "Sara joined", start).as_deref(), Some("Sara joined"));
        let later = start + Duration::from_secs(1);
        assert_eq!(
            line_at(&hosts, loud, "Tom joined", later).unwrap(),
            "Tom joined (940 earlier lines about 10.0.0.1 were left out)"
        );
        assert_eq!(line_at(&hosts, loud, "Tom left", later), None);
    }

    #[test]
    fn thirty_people_behind_one_address_who_join_and_leave_at_once_lose_no_line() {
        let hosts = HostRates::new(&Limits::default());
        let (school, now) = (Host::of([192, 0, 2, 7].into()), Instant::now());
        for what in ["joined", "left (connection lost)"] {
            for number in 0..30 {
                let line = format!("pupil{number} {what}");
                assert_eq!(line_at(&hosts, school, &line, now), Some(line));
            }
        }
    }
}
