package port

import (
	"errors"
	"fmt"
)

// Errors a caller branches on.
var (
	// ErrSilent: what was dialed closed, or said nothing right, before the handshake was answered: the wrong key, or no
	// p2pcp there.
	ErrSilent = errors.New("closed or silent before the handshake was answered")
	// ErrVersion: the other side speaks another protocol version; a *VersionError names it.
	ErrVersion = errors.New("another protocol version")
	// ErrInsecure: the swarm is encrypted, and TLS with what was dialed failed or ended at another than who shook hands. It is an
	// ErrSilent too.
	ErrInsecure = errors.New("no private connection: somebody may stand in between")
	// ErrTaken: a port is in use by another process; a *TakenError names it.
	ErrTaken = errors.New("port is taken")
	// ErrListen: this host has no such address, or doesn't let us listen there.
	ErrListen = errors.New("cannot listen")
)

// VersionError names both versions; errors.Is(err, ErrVersion).
type VersionError struct{ Ours, Theirs uint8 }

// Error names both versions.
func (e *VersionError) Error() string {
	return fmt.Sprintf("another protocol version: ours is %d, theirs %d", e.Ours, e.Theirs)
}

// Is makes it an ErrVersion.
func (e *VersionError) Is(target error) bool { return target == ErrVersion }

// TakenError names the port and protocol that another process uses; errors.Is(err, ErrTaken).
type TakenError struct {
	Protocol    string // tcp, udp, or tcp and udp for a range
	First, Last uint16 // equal for one port
}

// Error names the port.
func (e *TakenError) Error() string {
	if e.First != e.Last {
		return fmt.Sprintf("every port from %d to %d is taken (%s)", e.First, e.Last, e.Protocol)
	}
	return fmt.Sprintf("%s port %d is taken", e.Protocol, e.First)
}

// Is makes it an ErrTaken.
func (e *TakenError) Is(target error) bool { return target == ErrTaken }

// insecureError is why there is no private connection.
type insecureError struct{ err error }

func (e insecureError) Error() string        { return fmt.Sprintf("%v (%v)", ErrInsecure, e.err) }
func (e insecureError) Unwrap() error        { return e.err }
func (e insecureError) Is(target error) bool { return target == ErrInsecure || target == ErrSilent }

// errRefused is why a listener hung up on a dialer; the dialer never learns it.
var errRefused = errors.New("handshake refused")
