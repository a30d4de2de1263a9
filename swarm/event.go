package swarm

import (
	"net/netip"

	"p2pcp/blocks"
)

// PeerID is the shell's number for a live Session; never reused in a process, 0 is ourselves.
type PeerID uint32

// EventKind says which facts an Event states, and which of its fields are set.
type EventKind uint8

// Kinds of Event. Events are facts, never bytes.
const (
	// PeerUp: a Session passed HELLO. Peer, Member, Addr, Source, Seed, Zone, Lingering, Set (its Bitfield, owned by the core from here; nil: none).
	PeerUp EventKind = iota + 1
	// PeerDown: the Session ended. Peer. Bytes in flight from it are lost.
	PeerDown
	// PeerHave: Peer, Spans.
	PeerHave
	// PeerWithdraw: Peer no longer holds Index.
	PeerWithdraw
	// Asked: Peer asks us for Index, Offset, Length.
	Asked
	// PeerAny: Peer gives us standing credit for Count Blocks of our choice.
	PeerAny
	// Rejected: Peer says that what we sent for Index was wrong.
	Rejected
	// Granted: Peer will send us Index, whole, unasked.
	Granted
	// Refused: Peer refuses Index, Offset for Reason.
	Refused
	// Offered: Peer has a slot free again.
	Offered
	// Cancelled: Peer no longer wants Index, Offset from us.
	Cancelled
	// Progress: Bytes of our Request (Index, Offset) to Peer, or of a Block granted by it, have arrived so far. Length: of
	// the whole slice, 0 if unknown. Bytes equal to Length frees the Session for the next Request before Verified comes.
	Progress
	// Verified: a whole Block was checked and is held. Index; Peer who sent it, 0 if it was found locally.
	Verified
	// Bad: what Peer sent for Index didn't verify.
	Bad
	// Served: our sending of Index to Peer ended; Bytes actually sent (of Length); OK tells whether all.
	Served
	// Opened: Layout and Store are there. Set: every wanted Block. Claims: to be settled by Verified or Released. Length: block size.
	// Placed: the content is in place already (unchanged), Claims are hashed only to be announced.
	Opened
	// Released: the claim on Index was false; fetch it.
	Released
	// Unreadable: Index, which we announced, can't be served any more (changed source, rot). Withdraw it.
	Unreadable
	// PlacedNow: our content is under its final name; lingering begins.
	PlacedNow
	// MemberUp: Member can be dialled at Addr; Seed, Zone. From gossip or PEERS, told by Source.
	MemberUp
	// MemberGone: Member has left or died, says gossip or a PEERS delta.
	MemberGone
	// DialFailed: Member couldn't be reached, or was full (OK false).
	DialFailed
	// Tick: every 50 ms.
	Tick
	// Interrupt: finish what is being sent, then Done.
	Interrupt
	// HeaderKnown: the Header was learned. Count: Blocks; Length: block size; Bytes: number of Manifest Blocks. Comes before
	// the first PeerUp unless CoreConfig had them; later ones are ignored.
	HeaderKnown
)

// Event is one fact for the core.
type Event struct {
	Kind              EventKind
	Peer              PeerID
	Index             blocks.Index
	Offset            uint32
	Length            uint32
	Bytes             uint32
	Count             uint32
	OK                bool
	Seed              bool
	Lingering, Placed bool
	Reason            RefuseReason
	Spans             []blocks.Span
	Set               *blocks.Bitfield
	Claims            *blocks.Bitfield
	Member            string
	Zone              uint32
	Addr              netip.AddrPort
	Source            netip.Addr // where it comes from (sourceOf), or who told it; invalid: unknown
}

// RefuseReason is why a Request isn't served (PROTOCOL REFUSE).
type RefuseReason uint8

// Reasons of a refusal.
const (
	Busy RefuseReason = iota + 1
	NotHeld
	Withdrawn
	Elsewhere // another member of the asker's zone was given it just now
)
