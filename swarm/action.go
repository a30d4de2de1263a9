package swarm

import (
	"net/netip"

	"p2pcp/blocks"
)

// ActionKind says what the shell must do, and which fields of the Action are set.
type ActionKind uint8

// Kinds of Action.
const (
	// Ask Peer for Index, Offset, Length (0: the whole Block, whose length the shell knows).
	Ask ActionKind = iota + 1
	// Any: tell Peer that Count Blocks of its choice may be in flight to us.
	Any
	// Grant: tell Peer that Index comes unasked, and queue it (GRANT frame, then as Send).
	Grant
	// Send: queue Index, Offset, Length to Peer. Served follows, exactly once for each Grant and Send unless PeerDown comes first.
	Send
	// Refuse Peer's Request for Index, Offset with Reason.
	Refuse
	// Offer: tell Peer that a slot is free.
	Offer
	// Cancel our Request for Index, Offset to Peer; what still arrives of it is discarded by the shell.
	Cancel
	// StopSend: drop a queued or running Send of Index, Offset to Peer (after Cancelled); Served (OK false) follows.
	StopSend
	// Announce Index to every Session (the shell batches).
	Announce
	// Withdraw Index from every Session.
	Withdraw
	// Reject: tell Peer that its Index was wrong.
	Reject
	// Dial Member at Addr.
	Dial
	// Drop the Session with Peer. Ban: don't accept or dial this Member again; Fault: it is named all the same. Text says why.
	Drop
	// Accuse Peer of what Text says: it is named, and its Session goes on. Peer 0 is the gossip, which anybody may have told.
	Accuse
	// Open: the Manifest's Blocks are all verified: make Layout and Store (answered by Opened).
	Open
	// Place: all wanted Blocks are held: put the content under its name (answered by PlacedNow).
	Place
	// Done: leave. Err is nil at a good end, else what ended the swarm for us.
	Done
)

// Action is one order to the shell.
type Action struct {
	Kind   ActionKind
	Peer   PeerID
	Index  blocks.Index
	Offset uint32
	Length uint32
	Count  uint32
	Reason RefuseReason
	Ban    bool
	Fault  bool
	Text   string
	Member string
	Addr   netip.AddrPort
	Err    error
}
