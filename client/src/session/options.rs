//! How a session joins, as plain values.

#[cfg(feature = "closed")]
use crate::session::credentials::AccessOptions;
use chat_common::{
    handshake::{gateway::GatewayKey, passphrase::Passphrase},
    wire::{protocol::Place, token::Token},
};
use std::{net::IpAddr, time::Duration};

/// How the client joins.
#[derive(Clone, Debug)]
pub struct JoinOptions {
    /// The server's address, as `HOST:PORT`. An IPv6 address stands in brackets.
    pub server: String,
    /// What the client asks the server for.
    pub member: MemberOptions,
    /// Whether to keep what is shown, so that a search finds what the server does not keep, and a room that
    /// was put back from a copy brings nothing twice. It takes 8 MiB at most.
    pub remembers: bool,
    /// Whether a person types. Then the client asks again after a refused name, and `/quit` does not wait for
    /// a lost server.
    pub interactive: bool,
    /// Whether to stay in the room after the end of input.
    pub stay: bool,
    /// How long to try to join, and to come back: where there is no server, where it is busy, and where
    /// somebody else has the name. With 0 there is one attempt to join, and none to come back. An attempt
    /// that has begun in time goes on to its own limit. With `None` a program makes one attempt to join, for
    /// 5 s where the server is busy, and then comes back without a limit; a person's client also waits for a
    /// busy server without a limit.
    pub wait: Option<Duration>,
    /// What makes the person an operator.
    pub operator: OperatorOptions,
    /// What a closed room wants to see.
    #[cfg(feature = "closed")]
    pub access: AccessOptions,
}

/// What an operator shows and wants. The default is nothing.
#[derive(Clone, Debug, Default)]
pub struct OperatorOptions {
    /// The operators' passphrase.
    pub passphrase: Option<Passphrase>,
    /// The command that the server is to carry out. The client then does not join: it leaves when it has the
    /// reply.
    pub command: Option<String>,
}

/// What kind of member the client asks to be. The default is a member without history.
#[derive(Clone, Debug, Default)]
pub struct MemberOptions {
    /// The person's name. Without one, the first line of input is the name.
    pub name: Option<String>,
    /// Whether to take the name with a number where somebody has it: `ci-2` for `ci`. The highest is 99.
    pub may_add_number: bool,
    /// The secret of the session, and the place up to which it was read. With a place the client resumes the
    /// session, or begins another one and asks for what it has missed. Without one it begins a session with
    /// this secret. With `None` it begins a session, and makes the secret itself.
    pub session: Option<(Token, Option<Place>)>,
    /// How many earlier messages a session begins with. One that goes on has none.
    pub history: u32,
    /// Whether the client comes only to speak. Then nobody is told of it, and it receives nothing. It has no
    /// callback connection.
    pub send_only: bool,
    /// Whether the client opens the callback connection itself. Otherwise the server may dial it.
    pub dials: bool,
    /// Whether to ask after the first join who is here. It takes one call more.
    pub asks_who: bool,
    /// For whom a gateway joins: the address of its guest, and the key that the gateway shares with the
    /// server. The server's bans and limits then hold for that address. With `None` the client joins for
    /// itself.
    pub on_behalf: Option<(IpAddr, GatewayKey)>,
}

impl JoinOptions {
    /// Returns the address of the guest for whom a gateway joins.
    pub(crate) fn guest(&self) -> Option<IpAddr> {
        self.member.on_behalf.map(|(guest, _)| guest)
    }

    /// Returns the options of a program that joins the room at `server`, and leaves at the end of the input.
    pub fn new(server: impl Into<String>) -> JoinOptions {
        JoinOptions {
            server: server.into(),
            member: MemberOptions::default(),
            remembers: false,
            interactive: false,
            stay: false,
            wait: None,
            operator: OperatorOptions::default(),
            #[cfg(feature = "closed")]
            access: AccessOptions::default(),
        }
    }
}
