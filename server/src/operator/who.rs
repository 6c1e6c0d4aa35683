//! The words about members: the answer to `/who`, and who was removed. No I/O; runs where the commands do.

use crate::{
    identity::{fold, Ban, Host, ShownAddress, Terms},
    room::{Mutes, Removed, EVERYBODY},
};
use chat_common::{
    text::{excerpt::excerpt, units::show_roughly},
    wire::protocol::Person,
};
use std::time::Duration;

/// Returns the members whose names contain `pattern`, each with its address, and their number at the end.
/// With exactly one of them, or for the one that is called so, also since when it is here, and for how long
/// it is silent.
pub(super) fn who(people: &[(Person, ShownAddress)], pattern: &str, mutes: &Mutes) -> String {
    let wanted = pattern.to_lowercase();
    let found: Vec<_> =
        people.iter().filter(|(person, _)| person.name.to_lowercase().contains(&wanted)).collect();
    let total = people.len();
    match (&found[..], total) {
        (_, 0) => return "nobody is here".to_owned(),
        ([], _) => return format!("of {total} here, nobody has {:?} in the name", excerpt(pattern)),
        _ => {}
    }
    let width = found.iter().map(|(person, _)| person.name.chars().count()).max().unwrap_or_default();
    let mut lines: Vec<String> = Vec::new();
    for (person, address) in &found {
        let mut line = format!("{:width$}  {address}", person.name);
        let is_meant = found.len() == 1 || fold(&person.name) == fold(pattern);
        if !pattern.is_empty() && is_meant {
            let time = |seconds: u32| show_roughly(Duration::from_secs(seconds.into()));
            line += &format!("  here for {}, silent for {}", time(person.here), time(person.idle));
        }
        if person.operator {
            line += "  operator";
        }
        if let Some(terms) = mutes.of(&person.name) {
            line += &format!("  muted {terms}");
        }
        lines.push(line);
    }
    if let Some(terms) = mutes.of(EVERYBODY) {
        lines.push(format!("everybody but operators is muted {terms}"));
    }
    lines.push(match pattern {
        "" => format!("{total} here"),
        _ => format!("{} of {total} here", found.len()),
    });
    lines.join("\n")
}

/// Returns who was removed. `offer` adds how to ban the address of each, if that would hit nobody else.
pub(super) fn removed(members: &[Removed], offer: bool) -> String {
    if members.is_empty() {
        return "nobody here to remove".to_owned();
    }
    let names = members.iter().map(|Removed { name, address, .. }| format!("{name} ({address})"));
    let mut text = format!("removed: {}", names.collect::<Vec<_>>().join(", "));
    for Removed { address, others, .. } in members.iter().filter(|_| offer) {
        let host = Host::of(*address);
        match (address.is_loopback(), others) {
            (false, 0) => text += &format!("; /ban {host} bans the address"),
            (true, 0) => {}
            (_, others) => {
                let whose = if address.is_loopback() { "this machine's own address" } else { "the address" };
                let plural = if *others == 1 { "" } else { "s" };
                text += &format!("; a ban of {whose} {host} would hit {others} other{plural} here");
            }
        }
    }
    text
}

/// Returns the mutes, one on each line.
pub(super) fn muted(mutes: &[(String, Terms)]) -> String {
    if mutes.is_empty() {
        return "nobody is muted; /mute NAME [TIME] mutes a member".to_owned();
    }
    mutes.iter().map(|(name, terms)| format!("{name} {terms}")).collect::<Vec<_>>().join("\n")
}

/// Returns what a ban covers, in brackets behind it.
pub(super) fn covering(ban: &Ban) -> String {
    format!("{ban} ({})", ban.coverage())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn people(names: &[&str]) -> Vec<(Person, ShownAddress)> {
        let person =
            |name: &&str| Person { name: (*name).to_owned(), here: 7_500, idle: 53, operator: false };
        let shown = ShownAddress { address: IpAddr::from([192, 0, 2, 7]), is_guest: false };
        names.iter().map(|name| (person(name), shown)).collect()
    }

    #[test]
    fn who_lists_addresses_and_the_total_last_and_tells_more_of_a_single_one() {
        let (people, mutes) = (people(&["Ann", "Anton", "Bob"]), Mutes::default());
        assert_eq!(who(&people, "", &mutes), "Ann    192.0.2.7\nAnton  192.0.2.7\nBob    192.0.2.7\n3 here");
        assert_eq!(who(&people, "AN", &mutes), "Ann    192.0.2.7\nAnton  192.0.2.7\n2 of 3 here");
        assert_eq!(who(&people, "bo", &mutes), "Bob  192.0.2.7  here for 2h 5m, silent for 53s\n1 of 3 here");
        assert_eq!(who(&people, "x", &mutes), "of 3 here, nobody has \"x\" in the name");
        assert_eq!(who(&[], "x", &mutes), "nobody is here");
        let mut guest = people[..1].to_vec();
        guest[0].1.is_guest = true;
        assert_eq!(who(&guest, "", &mutes), "Ann  192.0.2.7 (web)\n1 here");
    }

    #[test]
    fn a_removal_offers_the_address_only_if_that_hits_nobody_else() {
        let removed = |address: &str, others, offer| {
            let address = address.parse().unwrap();
            super::removed(&[Removed { name: "Tom".to_owned(), address, others }], offer)
        };
        assert_eq!(
            removed("192.0.2.7", 0, true),
            "removed: Tom (192.0.2.7); /ban 192.0.2.7 bans the address"
        );
        assert_eq!(
            removed("2001:db8::7", 0, true),
            "removed: Tom (2001:db8::7); /ban 2001:db8::/64 bans the address"
        );
        assert_eq!(
            removed("192.0.2.7", 3, true),
            "removed: Tom (192.0.2.7); a ban of the address 192.0.2.7 would hit 3 others here"
        );
        assert_eq!(removed("127.0.0.1", 0, true), "removed: Tom (127.0.0.1)");
        assert!(removed("127.0.0.1", 1, true)
            .ends_with("; a ban of this machine's own address 127.0.0.1 would hit 1 other here"));
        assert_eq!(removed("192.0.2.7", 3, false), "removed: Tom (192.0.2.7)");
    }
}
