// Package gossip tells who is in the swarm, and nothing of blocks: memberlist over our own Transport on the one port
// (docs/PROTOCOL.md section 5).
//
// A Node is one process's place in the gossip. It listens to nothing itself: datagrams come by Packet, authenticated
// connections by Stream, and it sends by Config.Net. What it learns comes out of Events as Up, Changed, Left and Dead; the queue
// behind that channel holds at most one fact per member (the latest), so a slow reader costs no memory and delays nobody.
//
// Gossip is a hint. A killed member is called dead after 9 to 15 seconds, a state reaches 1000 members in about a second, and
// where UDP is blocked the view still fills by joins and by the exchange of whole states every 30 s and more. Nothing may wait
// for it. Metadata changes on a state transition only: it costs every member of the swarm a rebroadcast.
//
// Goroutines: Run starts one that delivers events, one that joins (and one for each join under way) and one that announces our
// state, and waits for them. memberlist starts about nine and offers no way to wait for them: Shutdown tells them to end, our
// transport closes every connection and refuses every later call, and the last (a probe waiting for its answer) ends within
// memberlist's probe interval of 1 s, stretched to 8 s at most on an unhealthy host. They touch nothing of ours from then on:
// not Config.Net, not Config.Log, not the channel.
//
// memberlist panics on some messages that whoever holds the key can make (an empty plaintext in a stream, a padded packet with bad padding) and
// allocates what a header claims. screen.go drops those before memberlist sees them.
package gossip

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
)

// DefaultMaxMembers is the cap on members when Config.MaxMembers is 0.
const DefaultMaxMembers = 16384

// EventKind says what happened to a member.
type EventKind uint8

// Kinds of Event. A member's first is Up; after Left or Dead the next, if any, is Up.
const (
	Up      EventKind = 1 + iota
	Changed           // another Meta, or another address after a restart
	Left              // it said so
	Dead              // it was found dead
)

// String names the kind in lower case.
func (k EventKind) String() string {
	switch k {
	case Up:
		return "up"
	case Changed:
		return "changed"
	case Left:
		return "left"
	case Dead:
		return "dead"
	}
	return "unknown"
}

// Event is one change of the membership. Addr and Meta are the latest known, for Left and Dead too.
type Event struct {
	Kind   EventKind
	Member string
	Addr   netip.AddrPort
	Meta   Meta
}

// Net is the port as gossip needs it. Both are called from any goroutine, never after Run has returned.
type Net interface {
	// DialGossip returns an authenticated gossip connection, or an error by ctx's end.
	DialGossip(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	// WriteTo sends a datagram, best effort; it neither blocks nor keeps b.
	WriteTo(b []byte, to netip.AddrPort) error
}

// Config of a Node.
type Config struct {
	Member     string         // our name: 1..80 bytes of printable ASCII, different in every process
	Advertise  netip.AddrPort // where others reach us: a specified address without zone, and a port
	Key        [32]byte       // memberlist's AES-256 key
	Label      string         // memberlist's label, 1..255 bytes; sets swarms apart and makes 0xF4 every datagram's first byte
	Meta       Meta           // what we say of ourselves at first; SetState changes its State
	Net        Net
	MaxMembers int          // others that we remember, recently dead ones included; more are refused. 0: DefaultMaxMembers
	Log        *slog.Logger // memberlist's lines at debug level; nil: none
	Rand       io.Reader    // seeds jitter and the choice of members; nil: crypto/rand
}
