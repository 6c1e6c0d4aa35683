#!/usr/bin/env python3
"""A client of closed rooms. It needs the packages `spake2` and `noiseprotocol`.

It was written from "Closed rooms" in the crate doc of chat-common, to show that the doc is complete. Everything that
an open room has too comes from client.py.

    closed_client.py HOST PORT NAME [--open]

The passphrase is $CHAT_PASSPHRASE. Standard input is that of client.py.
"""

import os
import re
import socket
import struct
import sys

from noise.connection import Keypair, NoiseConnection
from spake2 import SPAKE2_A

import client

CLOSED_CALL, CLOSED_CALLBACK, CLOSED_OPENED = 4, 5, 6
CALL_PATTERN = b"Noise_XXpsk3_25519_AESGCM_SHA256"
CALLBACK_PATTERN = b"Noise_NNpsk0_25519_AESGCM_SHA256"
TAG_BYTES = 16
RECORD_BYTES = 16384
REKEY_AFTER = 1 << 24


# What a passphrase of plain words may have between them: the White_Space of Unicode.
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"


def password(passphrase):
    """Returns the password of SPAKE2."""
    line = passphrase.removeprefix("\ufeff").split("\n")[0].removesuffix("\r")
    if re.fullmatch("[A-Za-z%s]*" % WHITE_SPACE, line):
        line = " ".join(re.findall("[a-z]+", line.lower()))
    return line.encode()


class SealedStream:
    """A connection after its handshake. It has those methods of a socket that client.py calls."""

    def __init__(self, stream, noise):
        self.stream, self.noise = stream, noise
        self.sealed = self.opened = 0
        self.plain = b""

    def sendall(self, data):
        size = RECORD_BYTES - TAG_BYTES
        for start in range(0, len(data), size):
            if self.sealed and self.sealed % REKEY_AFTER == 0:
                self.noise.rekey_outbound_cipher()
            record = self.noise.encrypt(data[start:start + size])
            self.sealed += 1
            self.stream.sendall(struct.pack("<H", len(record)) + record)

    def recv(self, count):
        if not self.plain:
            self.plain = self.open_record()
        data, self.plain = self.plain[:count], self.plain[count:]
        return data

    def open_record(self):
        length, = struct.unpack("<H", client.read_exactly(self.stream, 2))
        if not TAG_BYTES < length <= RECORD_BYTES:
            raise ConnectionError("a record of %d bytes" % length)
        if self.opened and self.opened % REKEY_AFTER == 0:
            self.noise.rekey_inbound_cipher()
        plain = self.noise.decrypt(client.read_exactly(self.stream, length))
        self.opened += 1
        return bytes(plain)

    def shutdown(self, how):
        self.stream.shutdown(how)

    def close(self):
        self.stream.close()


def handshake(pattern, initiates, psk, prologue, static=None):
    noise = NoiseConnection.from_name(pattern)
    if initiates:
        noise.set_as_initiator()
    else:
        noise.set_as_responder()
    noise.set_psks(psk)
    noise.set_prologue(prologue)
    if static:
        noise.set_keypair_from_private_bytes(Keypair.STATIC, static)
    noise.start_handshake()
    return noise


class ClosedClient(client.Client):
    callback_role = CLOSED_CALLBACK

    def __init__(self, server, name, listens, passphrase):
        super().__init__(server, name, listens)
        self.passphrase = password(passphrase)
        self.static = os.urandom(32)
        # The room's key, once a record of its server was opened.
        self.room_key = None

    def open_call(self):
        stream = socket.create_connection(self.server, timeout=client.TIMEOUT)
        said = client.hello(CLOSED_CALL, bytes(16))
        stream.sendall(said)
        welcome = client.read_answer(stream)
        said += welcome
        exchange = SPAKE2_A(self.passphrase, idA=b"rpc-chat client", idB=b"rpc-chat server")
        ours = exchange.start()
        stream.sendall(ours)
        theirs = client.read_exactly(stream, 33)
        psk = exchange.finish(theirs)
        noise = handshake(CALL_PATTERN, True, psk, said + ours + theirs, self.static)
        stream.sendall(noise.write_message())
        noise.read_message(client.read_exactly(stream, 96))
        key = noise.noise_protocol.handshake_state.rs.public_bytes
        if self.room_key not in (None, key):
            raise ConnectionError("the room has another key")
        # The package forgets the key with its last message.
        self.offered_key = key
        stream.sendall(noise.write_message())
        if client.read_answer(stream) != welcome:
            raise ConnectionError("the last answer was changed")
        self.call_hash = noise.get_handshake_hash()
        return SealedStream(stream, noise)

    def ask(self, variant, fields=b""):
        reply = super().ask(variant, fields)
        self.room_key = self.offered_key
        return reply

    def callback_psk(self):
        return self.token + bytes(16)

    def callback_name(self):
        return self.call_hash[:16]

    def open_callback(self):
        stream = client.dial(self.server, CLOSED_OPENED, self.callback_name())
        so_far = client.hello(CLOSED_OPENED, self.callback_name()) + client.answer(0)
        noise = handshake(CALLBACK_PATTERN, True, self.callback_psk(), self.call_hash + so_far)
        stream.sendall(noise.write_message())
        noise.read_message(client.read_exactly(stream, 48))
        return SealedStream(stream, noise)

    def welcomed(self, stream, so_far):
        noise = handshake(CALLBACK_PATTERN, False, self.callback_psk(), self.call_hash + so_far)
        noise.read_message(client.read_exactly(stream, 48))
        stream.sendall(noise.write_message())
        return SealedStream(stream, noise)


def main():
    host, port, name = sys.argv[1:4]
    passphrase = os.environ["CHAT_PASSPHRASE"]
    client.chat(ClosedClient((host, int(port)), name, "--open" not in sys.argv, passphrase))


if __name__ == "__main__":
    main()
