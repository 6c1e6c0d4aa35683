//! The command line of chat-web: a table of flags, and what they mean together. No I/O.

use chat_client::{parse_server, PassphraseSource, DEFAULT_PORT, DEFAULT_SERVER};
use chat_common::program::flags::{Arguments, Feature, Flag, Misuse, Program};
use std::{net::IpAddr, path::PathBuf};

/// Where the gateway listens if nobody says so.
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
/// How many guests an address may have if nobody says so.
const DEFAULT_GUESTS_PER_ADDRESS: usize = 8;

/// Rooms with a passphrase.
const CLOSED: Feature = Feature {
    name: "closed",
    built: cfg!(feature = "closed"),
    missing: "needs the feature \"closed\", which this build does not have",
    how_to_build: "cargo install --path client/web --features closed",
};

/// What a person can set.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Where the room is, as `HOST:PORT`.
    pub(crate) server: String,
    /// Where to listen, as `HOST:PORT`.
    pub(crate) listen: String,
    /// By whom the page may be asked for.
    pub(crate) names: Names,
    pub(crate) guests_per_address: usize,
    /// The file with the key by which the server lets the gateway speak for its guests.
    pub(crate) gateway_key: Option<PathBuf>,
    /// Where the passphrase of a closed room comes from.
    pub(crate) passphrase: Option<PassphraseSource>,
}

/// Under which names browsers reach the gateway, and through what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// A name of this machine.
    pub(crate) host: Option<String>,
    /// The address that people type.
    pub(crate) url: Option<String>,
    /// The address of the proxy in front.
    pub(crate) behind: Option<IpAddr>,
    /// Whether the proxy speaks TLS.
    pub(crate) behind_tls: bool,
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Invocation {
    /// Serve a page.
    Run(Options),
    /// Print this text and exit.
    Print(String),
}

/// Returns the command line of chat-web.
pub(crate) fn program() -> Program<Options> {
    let flag = Flag::<Options>::new;
    let mut flags = vec![
        flag("--server HOST[:PORT]", |to, v| v.read(&mut to.server, parse_server))
            .does("where the room is")
            .variable("CHAT_SERVER")
            .default(format!("{DEFAULT_SERVER}:{DEFAULT_PORT}")),
        flag("--listen HOST:PORT", |to, v| v.read(&mut to.listen, parse_listen))
            .does("where browsers reach the page; 0.0.0.0 lets others in")
            .default(DEFAULT_LISTEN),
        flag("--gateway-key FILE", |to, v| v.text(&mut to.gateway_key))
            .does("the server's file: it then counts guests by their addresses"),
        flag("--host NAME", |to, v| v.read(&mut to.names.host, parse_host))
            .does("a name under which browsers may ask for the page"),
        flag("--url URL", |to, v| v.read(&mut to.names.url, parse_url))
            .does("the address that people type, for the QR code"),
        flag("--behind ADDRESS", |to, v| v.read(&mut to.names.behind, parse_address))
            .does("the proxy whose X-Forwarded-For counts"),
        flag("--behind-tls", |to, v| v.put(&mut to.names.behind_tls, true))
            .does("browsers reach the page by https, through a proxy"),
        flag("--guests-per-address N", |to, v| v.within(&mut to.guests_per_address, 1..=500))
            .does("how many guests an address may have")
            .default(DEFAULT_GUESTS_PER_ADDRESS.to_string()),
        flag("--passphrase-file FILE", |to, v| match v.is_variable() {
            true => v.read(&mut to.passphrase, |words| PassphraseSource::given(words, "$CHAT_PASSPHRASE")),
            false => v.read(&mut to.passphrase, |path| Ok(PassphraseSource::File(PathBuf::from(path)))),
        })
        .does("FILE begins with the passphrase of a closed room")
        .variable("CHAT_PASSPHRASE")
        .feature(&CLOSED),
    ];
    // The flag has no topics.
    flags.push(Flag::new("--help", |_, _| Ok(())).does("print this"));
    flags.push(Flag::new("--version", |_, _| Ok(())).does("print the version"));
    Program {
        name: "chat-web",
        summary: "Lets everybody with a browser into a room",
        features: &[&CLOSED],
        flags,
        commands: Vec::new(),
        notes: &[],
        misuse,
    }
}

/// Reads the command line, without the program's name.
///
/// # Errors
/// One line for people that says which argument is wrong.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = String>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Invocation, String> {
    let mut options = Options {
        server: format!("{DEFAULT_SERVER}:{DEFAULT_PORT}"),
        listen: DEFAULT_LISTEN.to_owned(),
        names: Names::default(),
        guests_per_address: DEFAULT_GUESTS_PER_ADDRESS,
        gateway_key: None,
        passphrase: None,
    };
    if let Arguments::Print(text) = program().read(arguments, variable, &mut options)? {
        return Ok(Invocation::Print(text));
    }
    if options.passphrase.is_some() && !options.names.behind_tls && !listens_here(&options.listen) {
        return Err(format!(
            "what is said in a closed room would cross the network as clear text: listen on this machine \
             alone with --listen {DEFAULT_LISTEN}, or put a proxy with TLS in front and say --behind-tls"
        ));
    }
    Ok(Invocation::Run(options))
}

/// Whether only this machine reaches the address.
fn listens_here(listen: &str) -> bool {
    let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn parse_listen(text: &str) -> Result<String, String> {
    let text = if text.starts_with(':') { format!("127.0.0.1{text}") } else { text.to_owned() };
    match text.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>())) {
        Some((host, Ok(_))) if !host.is_empty() && (!host.contains(':') || host.ends_with(']')) => Ok(text),
        _ => Err(format!("--listen needs HOST:PORT, such as 0.0.0.0:8080, not \"{text}\"")),
    }
}

fn parse_host(name: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    match !name.is_empty() && name.chars().all(is_name) {
        true => Ok(name.to_ascii_lowercase()),
        false => Err(format!("--host needs a name without a port, such as chat.example, not \"{name}\"")),
    }
}

fn parse_url(url: &str) -> Result<String, String> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let is_plain = |rest: &str| !rest.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@');
    match rest.filter(|rest| is_plain(rest) && !rest.starts_with(['/', ':'])) {
        Some(rest) if !rest.is_empty() => Ok(url.to_owned()),
        _ => Err(format!("--url needs an address such as http://192.168.1.5:8080/, not \"{url}\"")),
    }
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    let wrong = || format!("--behind needs the address of the proxy, such as 127.0.0.1, not \"{text}\"");
    text.parse::<IpAddr>().map(|address| address.to_canonical()).map_err(|_| wrong())
}

fn misuse(misuse: Misuse, flag: &str) -> String {
    match misuse {
        // Everybody on a machine can read the arguments of its programs.
        _ if flag == "--passphrase" => {
            "a passphrase is never an argument, because others on this machine can read those: set \
             $CHAT_PASSPHRASE, or use --passphrase-file FILE"
                .to_owned()
        }
        Misuse::NoValue => format!("{flag} needs a value"),
        Misuse::Unknown => format!("unknown argument \"{flag}\"; see --help"),
        Misuse::Value | Misuse::UnknownWithValue => format!("unknown flag {flag} with a value; see --help"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<Options, String> {
        match parse(line.split_whitespace().map(str::to_owned), &|_| None)? {
            Invocation::Run(options) => Ok(options),
            Invocation::Print(text) => panic!("{text}"),
        }
    }

    #[test]
    fn the_flags_are_read_and_each_mistake_says_what_is_wanted() {
        let options =
            run("--server room --listen 0.0.0.0:80 --host Chat.Example --behind ::ffff:10.0.0.1").unwrap();
        assert_eq!((options.server.as_str(), options.listen.as_str()), ("room:1234", "0.0.0.0:80"));
        assert_eq!(options.names.host.as_deref(), Some("chat.example"));
        assert_eq!(options.names.behind, Some(IpAddr::from([10, 0, 0, 1])));
        for (line, words) in [
            ("--listen 8080", "--listen needs HOST:PORT"),
            ("--listen ::1:80", "--listen needs HOST:PORT"),
            ("--host a:1", "--host needs a name without a port"),
            ("--url example.org", "--url needs an address"),
            ("--url http://a@b/", "--url needs an address"),
            ("--behind proxy", "--behind needs the address"),
            ("--guests-per-address 0", "--guests-per-address takes 1 to 500"),
            ("--name Ann", "unknown argument \"--name\""),
            ("--passphrase x", "a passphrase is never an argument"),
        ] {
            let error = run(line).unwrap_err();
            assert!(error.starts_with(words), "{error}");
        }
    }

    #[cfg(feature = "closed")]
    #[test]
    fn a_closed_room_is_served_on_this_machine_alone_or_behind_tls() {
        let file = "--passphrase-file f";
        for listen in ["", "--listen [::1]:8080", "--listen localhost:1", "--listen 0.0.0.0:1 --behind-tls"] {
            run(&format!("{file} {listen}")).unwrap();
        }
        for listen in ["--listen 0.0.0.0:8080", "--listen 192.0.2.7:8080", "--listen [::]:1"] {
            let error = run(&format!("{file} {listen}")).unwrap_err();
            assert!(error.contains("--behind-tls") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn the_help_names_each_flag_in_eighty_columns() {
        let Ok(Invocation::Print(help)) = parse(["--help".to_owned()], &|_| None) else { panic!() };
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        for flag in program().flags {
            assert!(help.contains(flag.name()), "{help}");
        }
    }
}
