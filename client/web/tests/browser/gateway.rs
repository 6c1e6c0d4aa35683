//! The gateway as a program of its own, on a free port of 127.0.0.1.

use chat_tests::process::Program;
use std::{net::SocketAddr, process::Command};

/// A running gateway. Dropping it kills it.
pub(crate) struct Gateway {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
}

impl Gateway {
    pub(crate) fn start(server: SocketAddr, arguments: &[&str]) -> Gateway {
        Gateway::listen("127.0.0.1:0", server, arguments)
    }

    /// Starts it again on the same port.
    pub(crate) fn start_again(&self, server: SocketAddr) -> Gateway {
        Gateway::listen(&self.address.to_string(), server, &[])
    }

    fn listen(at: &str, server: SocketAddr, arguments: &[&str]) -> Gateway {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-web"));
        command.args(["--server", &server.to_string(), "--listen", at]).args(arguments);
        let program = Program::start("gateway", &mut command);
        let line = program.line_starting_with("  http://127.0.0.1:");
        let address = line.trim().trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
        Gateway { program, address }
    }
}
