"""Reads a journal of rpc-chat. Written from the documentation of the format alone.

Prints a line for each event: its sequence number, and for what was said the author and the text.
"""

import os
import struct
import sys

SECTOR, PAGE, DATA = 512, 8, 503
HEADER, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def table():
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


TABLE = list(table())


def read_sector(file, salt, segment, number):
    """Returns the tag, the number in the batch, the data and the checksum of a sector, or None for zeros."""
    raw = file[number * SECTOR:(number + 1) * SECTOR]
    if raw == bytes(SECTOR):
        return None
    (crc,) = struct.unpack("<I", raw[508:])
    assert crc == crc32c(salt + struct.pack("<QI", segment, number) + raw[:508]), "damaged"
    tag, length, index = struct.unpack("<BHH", raw[:5])
    return tag, index, raw[5:5 + length], crc


def read_batches(file, segment):
    salt = file[25:41]
    number, chain = 0, None
    while number * SECTOR < len(file):
        data, index = b"", 0
        while True:
            sector = read_sector(file, salt, segment, number + index)
            if sector is None:
                return  # The rest is zero, or a batch that a crash has torn.
            tag, place, piece, crc = sector
            assert place == index and (tag in (HEADER, FIRST)) == (index == 0)
            data, index = data + piece, index + 1
            if tag == LAST:
                break
        assert index % PAGE == 0
        if chain is None:
            assert data[:16] == b"rpc-chat journal" and data[16:20] == struct.pack("<I", 1)
        else:
            assert data[:4] == struct.pack("<I", chain), "a batch does not follow the one before"
            yield data[4:]
        number, chain = number + index, crc


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, form):
        size = struct.calcsize("<" + form)
        values = struct.unpack("<" + form, self.data[:size])
        self.data = self.data[size:]
        return values if len(values) > 1 else values[0]

    def text(self):
        size = self.take("Q")
        text, self.data = self.data[:size], self.data[size:]
        return text.decode()


def read_event(record):
    record.take("Q")  # the session that said it
    if record.take("I") < 2:  # the audience: all but one session, one alone, or all
        record.take("Q")
    record.take("Q")  # the digest
    sequence, _time, kind = record.take("QQI")
    if kind in (0, 6, 7):
        author = record.text()
        record.take("QB")
        print(f"{sequence} {author}: {record.text()}")
    else:
        print(sequence)
    return sequence


def main():
    directory = sys.argv[1]
    last = None
    for name in sorted(name for name in os.listdir(directory) if name.endswith(".journal")):
        with open(os.path.join(directory, name), "rb") as opened:
            file = opened.read()
        for batch in read_batches(file, int(name[:20])):
            records = Reader(batch)
            while records.data:
                size = records.take("I")
                record = Reader(records.data[:size])
                records.data = records.data[size:]
                if record.take("I") == 3:
                    sequence = read_event(record)
                    assert last is None or sequence == last + 1
                    last = sequence


main()
