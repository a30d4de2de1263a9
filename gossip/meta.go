package gossip

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Role is what a member is for.
type Role uint8

// Roles of a member.
const (
	Seed Role = 1 + iota
	Receiver
)

// State is how far a member is. Getting -> Complete -> Leaving, or Getting -> Leaving.
type State uint8

// States of a member.
const (
	Getting  State = 1 + iota // wants Blocks
	Complete                  // has all it wants (a seed from the start), still serves
	Leaving                   // is about to end; the Event that follows is Left
)

// MetaLen is the length of a Meta in bytes.
const MetaLen = 16

const metaVersion = 1

// ErrMeta is wrapped by every error of ParseMeta.
var ErrMeta = errors.New("malformed member metadata")

// Meta is what a member says of itself.
//
//	offset size field
//	     0    1 protocol version: 1
//	     1    1 role: 1 seed, 2 receiver
//	     2    1 state: 1 getting, 2 complete, 3 leaving
//	     3    1 reserved: 0
//	     4    4 zone hash, 0 none
//	     8    8 the ID's first 8 bytes xor-ed with the tag
type Meta struct {
	Role  Role
	State State
	Zone  uint32
	Swarm [8]byte
}

// Append appends the MetaLen bytes of m to b.
func (m Meta) Append(b []byte) []byte {
	b = append(b, metaVersion, byte(m.Role), byte(m.State), 0)
	b = binary.BigEndian.AppendUint32(b, m.Zone)
	return append(b, m.Swarm[:]...)
}

// ParseMeta reads what Append wrote. Anything else, another length included, is an error.
func ParseMeta(b []byte) (Meta, error) {
	if len(b) != MetaLen {
		return Meta{}, fmt.Errorf("%w: %d bytes", ErrMeta, len(b))
	}
	m := Meta{Role: Role(b[1]), State: State(b[2]), Zone: binary.BigEndian.Uint32(b[4:])}
	copy(m.Swarm[:], b[8:])
	switch {
	case b[0] != metaVersion:
		return Meta{}, fmt.Errorf("%w: version %d", ErrMeta, b[0])
	case b[3] != 0:
		return Meta{}, fmt.Errorf("%w: reserved byte is %d", ErrMeta, b[3])
	}
	return m, m.check()
}

// check tells whether the fields are in range.
func (m Meta) check() error {
	if m.Role != Seed && m.Role != Receiver {
		return fmt.Errorf("%w: role %d", ErrMeta, m.Role)
	}
	if m.State < Getting || m.State > Leaving {
		return fmt.Errorf("%w: state %d", ErrMeta, m.State)
	}
	return nil
}
