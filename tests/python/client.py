#!/usr/bin/env python3
"""A client of rpc-chat that uses only Python's standard library.

It was written from the crate doc of chat-common and nothing else, to show that the doc is complete.

    client.py HOST PORT NAME [--open]

Each line of standard input is a message. The commands are `/who`, `/tell NAME TEXT`, `/ping`, `/drop` (closes both
connections and resumes) and `/quit`. With --open the client announces no port and opens the callback connection itself.
"""

import os
import queue
import socket
import struct
import sys
import threading

# The longest that the client waits for one read, in seconds.
TIMEOUT = 20
# The client pings after this many seconds without input, so that the server does not take it for dead.
PING_AFTER = 5

MAGIC = b"RPC-CHAT"
VERSION = 3
CALL, CALLBACK, OPENED = 1, 2, 3
STATUS = ["welcome", "no version in common", "busy", "role not served", "unknown token", "too many connections",
          "banned", "shutting down", "closed", "wrong passphrase"]


def encode_text(string):
    data = string.encode()
    return struct.pack("<Q", len(data)) + data


class Fields:
    """Reads the fields of a payload one by one."""

    def __init__(self, payload):
        self.payload, self.offset = payload, 0

    def take(self, layout):
        values = struct.unpack_from("<" + layout, self.payload, self.offset)
        self.offset += struct.calcsize("<" + layout)
        return values[0]

    def text(self):
        length = self.take("Q")
        data = self.payload[self.offset:self.offset + length]
        self.offset += length
        return data.decode()

    def optional_text(self):
        return self.text() if self.take("?") else None

    def event(self):
        sequence, _time, variant = self.take("Q"), self.take("Q"), self.take("I")
        if variant in (0, 6, 7):  # Message, Private, Action
            return sequence, variant, (self.text(), self.take("Q"), self.take("?"), self.text())
        if variant == 2:  # Left
            return sequence, variant, (self.text(), self.optional_text())
        if variant == 3:  # Missed
            return sequence, variant, (self.take("Q"), self.take("?"))
        if variant == 8:  # Renamed
            return sequence, variant, (self.text(), self.text())
        return sequence, variant, (self.text(),)  # Joined, Ended, Back, Notice


def read_exactly(stream, count):
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            raise ConnectionError("the connection ended")
        data += more
    return data


def write_frame(stream, payload):
    stream.sendall(struct.pack("<I", len(payload)) + payload)


def read_frame(stream):
    return Fields(read_exactly(stream, struct.unpack("<I", read_exactly(stream, 4))[0]))


def hello(role, token):
    return MAGIC + struct.pack("<HHB", VERSION, VERSION, role) + token


def answer(status):
    return MAGIC + struct.pack("<BH", status, VERSION)


def read_answer(stream):
    """Reads the answer of the side that accepts. Returns its bytes if it is a welcome."""
    data = read_exactly(stream, 11)
    if data[:8] != MAGIC or data[8] != 0:
        raise ConnectionError("refused: %s (version %d there, %d here)" % (STATUS[data[8]], data[9], VERSION))
    return data


def dial(server, role, token):
    stream = socket.create_connection(server, timeout=TIMEOUT)
    stream.sendall(hello(role, token))
    read_answer(stream)
    return stream


class Client:
    def __init__(self, server, name, listens):
        self.server, self.name, self.listens = server, name, listens
        self.token = os.urandom(16)
        self.room = self.sequence = 0
        self.last_message_id = int.from_bytes(os.urandom(4), "little")

    # What a client of a closed room does in another way.

    callback_role = CALLBACK

    def open_call(self):
        return dial(self.server, CALL, bytes(16))

    def open_callback(self):
        return dial(self.server, OPENED, self.token)

    def callback_name(self):
        """The 16 bytes by which the server names our session when it dials."""
        return self.token

    def welcomed(self, stream, _so_far):
        """Returns the stream that carries frames, from a connection that the server has opened."""
        return stream

    def join(self, resume=None):
        listener = port = None
        if self.listens:
            listener = socket.create_server(("", 0))
            listener.settimeout(TIMEOUT)
            port = listener.getsockname()[1]
        self.call = self.open_call()
        accepted = queue.Queue()
        if listener:
            threading.Thread(target=self.accept, args=(listener, accepted), daemon=True).start()
        resume = b"\0" if resume is None else struct.pack("<BQ", 1, resume)
        since, send_only = b"\0", b"\0"
        reply = self.ask(0, encode_text(self.name) + self.token + struct.pack("<HI", port or 0, 0)
                         + resume + since + send_only)
        if reply.take("I") != 1:
            self.refused(reply)
        self.room, joined, called_back = reply.take("Q"), reply.take("Q"), reply.take("?")
        self.sequence = max(self.sequence, joined)
        if called_back:
            self.callback = accepted.get(timeout=TIMEOUT)
        else:
            self.callback = self.open_callback()
        if listener:
            listener.close()
        self.receiver = threading.Thread(target=self.receive, args=(self.callback,), daemon=True)
        self.receiver.start()

    def accept(self, listener, accepted):
        """Waits for the connection that shows our token, and refuses every other one."""
        try:
            while True:
                stream = listener.accept()[0]
                stream.settimeout(TIMEOUT)
                said = read_exactly(stream, 29)
                if said == hello(self.callback_role, self.callback_name()):
                    stream.sendall(answer(0))
                    return accepted.put(self.welcomed(stream, said + answer(0)))
                stream.sendall(answer(4))
                stream.close()
        except OSError:
            pass  # The listener is closed, or the peer has ended the connection.

    def ask(self, variant, fields=b""):
        write_frame(self.call, struct.pack("<I", variant) + fields)
        return read_frame(self.call)

    @staticmethod
    def refused(reply):
        cause = reply.take("I")
        sys.exit("refused (%d): %s" % (cause, reply.text()))

    def receive(self, stream):
        """Serves Receive until the connection ends."""
        try:
            while True:
                call = read_frame(stream)
                call.take("I")
                answer, count = call.take("?"), call.take("Q")
                for _ in range(count):
                    sequence, variant, fields = call.event()
                    self.sequence = max(self.sequence, sequence)
                    self.show(variant, fields)
                if answer:
                    write_frame(stream, struct.pack("<I", 0))
        except OSError:
            pass  # The connection has ended.

    @staticmethod
    def show(variant, fields):
        template = {0: "[{0}] {3}", 1: "User [{0}] joined", 2: "User [{0}] left", 3: "missed from {0}", 4: "ended: {0}",
                    5: "User [{0}] is back", 6: "[{0}] (to you) {3}", 7: "* {0} {3}", 8: "User [{0}] is now [{1}]",
                    9: "notice: {0}"}[variant]
        print(template.format(*fields), flush=True)

    def send(self, variant, fields):
        self.last_message_id += 1
        reply = self.ask(variant, struct.pack("<Q?", self.last_message_id, False) + fields)
        if reply.take("I") == 2:
            print("accepted", flush=True)
        else:
            self.refused(reply)

    def disconnect(self):
        for stream in (self.call, self.callback):
            stream.shutdown(socket.SHUT_RDWR)
        self.receiver.join()
        self.call.close()
        self.callback.close()

    def execute(self, line):
        if line == "/ping":
            assert self.ask(4).take("I") == 5
        elif line == "/who":
            reply = self.ask(2)
            reply.take("I")
            names = []
            for _ in range(reply.take("Q")):
                names.append(reply.text())
                reply.take("II?")  # for how long here, for how long silent, and whether it is an operator
            print("here: " + " ".join(names), flush=True)
        elif line == "/drop":
            self.disconnect()
            self.join(resume=self.sequence)
            print("resumed", flush=True)
        elif line.startswith("/tell "):
            _, recipient, words = line.split(" ", 2)
            self.send(5, encode_text(recipient) + encode_text(words))
        elif line:
            self.send(1, encode_text(line))


def read_lines(lines):
    for line in sys.stdin:
        lines.put(line.strip())
    lines.put("/quit")


def chat(client):
    """Joins, does what standard input says, and leaves."""
    client.join()
    print("joined", flush=True)
    lines = queue.Queue()
    threading.Thread(target=read_lines, args=(lines,), daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=PING_AFTER)
        except queue.Empty:
            line = "/ping"
        if line == "/quit":
            break
        client.execute(line)
    assert client.ask(3).take("I") == 4
    client.receiver.join(TIMEOUT)
    print("left", flush=True)


def main():
    host, port, name = sys.argv[1:4]
    chat(Client((host, int(port)), name, "--open" not in sys.argv))


if __name__ == "__main__":
    main()
