package wire

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
)

// The bytes of rpc-chat's wire, version 3: the docs of chat-common specify them.

const (
	version    = 3
	frameBytes = 64 * 1024
)

func putU16(to []byte, number uint16) []byte { return binary.LittleEndian.AppendUint16(to, number) }
func putU32(to []byte, number uint32) []byte { return binary.LittleEndian.AppendUint32(to, number) }
func putU64(to []byte, number uint64) []byte { return binary.LittleEndian.AppendUint64(to, number) }
func putText(to []byte, text string) []byte  { return append(putU64(to, uint64(len(text))), text...) }

func putBool(to []byte, value bool) []byte {
	if value {
		return append(to, 1)
	}
	return append(to, 0)
}

// reader takes values from a frame. A frame that is too short makes it short, and what it then returns means nothing.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) bytes(count uint64) []byte {
	if count > uint64(len(r.rest)) {
		r.short, r.rest = true, nil
		return make([]byte, 16)
	}
	taken := r.rest[:count]
	r.rest = r.rest[count:]
	return taken
}

func (r *reader) bool() bool   { return r.bytes(1)[0] != 0 }
func (r *reader) u16() uint16  { return binary.LittleEndian.Uint16(r.bytes(2)) }
func (r *reader) u32() uint32  { return binary.LittleEndian.Uint32(r.bytes(4)) }
func (r *reader) u64() uint64  { return binary.LittleEndian.Uint64(r.bytes(8)) }
func (r *reader) text() string { return string(r.bytes(r.u64())) }

func writeFrame(conn net.Conn, payload []byte) error {
	_, err := conn.Write(append(putU32(nil, uint32(len(payload))), payload...))
	return err
}

func readFrame(from io.Reader) (*reader, error) {
	var header [4]byte
	if _, err := io.ReadFull(from, header[:]); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(header[:])
	if length > frameBytes {
		return nil, errors.New("the frame is too long")
	}
	payload := make([]byte, length)
	_, err := io.ReadFull(from, payload)
	return &reader{rest: payload}, err
}
