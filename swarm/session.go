package swarm

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

const (
	silence    = 15 * time.Second       // without any frame: the session is dead
	keepalive  = 5 * time.Second        // a PING after this long without a frame of ours
	helloTime  = 10 * time.Second       // for the HELLO of the other side
	byeTime    = 200 * time.Millisecond // for BYE to be written
	partTime   = time.Second            // for the other side to close once it was told BYE
	maxControl = 8 << 20                // bytes of control frames that a peer may leave unread
	maxAwaited = 1024                   // Requests and Grants outstanding when another Grant comes: no core gives so many
	maxNamed   = 4096                   // members that one peer may tell us of: it has 64 sessions, and tells of each once
	maxHeard   = 4                      // times that a peer may announce everything: each Block once, and what it withdrew
	maxAnswers = 1 << 20                // bytes of control frames that one who still asks may leave unread
	readBuffer = 32 << 10
)

// slot names a Request on a session.
type slot struct {
	index  blocks.Index
	offset uint32
}

// send is a Block that is to be sent.
type send struct {
	wire.Request
	stopped bool // not wanted any more; the writer says so (Served)
}

// session is one live connection to a member. It is up from its registration until gone is closed; then PeerDown follows. Who
// ends it: close, at once; leave, with BYE after the Block that is being sent.
//
// The reader goroutine owns in, the writer out; the rest is shared.
type session struct {
	s        *Swarm
	id       PeerID
	conn     net.Conn
	member   string
	addr     netip.AddrPort // where it can be dialled
	source   netip.Addr     // what we see it come from
	counted  netip.Addr     // what that counts as: sourceOf
	seed     bool
	claims   bool // it says that it is a seed, from where we don't believe it
	zone     uint32
	dialed   bool          // by us
	headless bool          // no HELLO in it had the Header
	since    time.Time     // of its registration
	ration   *ration       // of its source
	gone     chan struct{} // closed when both goroutines have ended

	// guarded by Swarm.mu
	live  bool                      // PeerUp has been stepped
	told  *blocks.Bitfield          // what our HELLO said we have; nil once live
	known map[string]netip.AddrPort // members this peer was told of, and where they are if it told us of them

	fed *atomic.Uint64 // bytes that the member has sent, in this session and before

	in  incoming // the reader's
	out outgoing // the writer's

	wake chan struct{} // capacity 1: something for the writer

	landings sync.WaitGroup // Blocks that land beside the reader

	mu        sync.Mutex     // guards what follows
	control   []byte         // whole frames to be written
	fresh     []blocks.Index // announced, not yet in control
	withheld  bool           // a HAVE was left out, since the peer has the Block itself
	sends     []send
	busy      bool // sends[0] has begun
	leaving   bool
	bye       byte  // the reason that BYE gives
	parted    bool  // BYE was sent: nothing is written any more, the other side is to close
	err       error // why the session ends; the first one counts
	ended     bool
	announced *blocks.Bitfield // what the peer has: Proofs are cut by it
	awaited   map[slot]bool    // Requests and Grants that may be answered; what else comes is discarded
	sent      int              // Blocks sent whole that no REJECT was taken for
	acks      []chan byte      // RESULTs waiting for their ACK
	trees     map[wire.Tree]chan wire.Nodes
}

var (
	errSelf      = errors.New("that is ourselves")
	errFull      = errors.New("peer is full")
	errDuplicate = errors.New("another session to this member stands")
	errBanned    = errors.New("banned")
	errBye       = errors.New("peer left")
	errCrowded   = errors.New("makes room for others")
	errReplaced  = errors.New("replaced by a newer session")
	errHeadless  = errors.New("greeted without the header that is known meanwhile")
	errUnread    = errors.New("peer doesn't read")
)

// far tells whether the peer is of another zone.
func (ss *session) far() bool { return ss.zone != ss.s.cfg.Core.Zone }

// push queues control frames, behind the HAVEs that have gathered: those of our own zone go with whatever goes. A peer that leaves
// too much unread is dropped.
func (ss *session) push(appendTo func(b []byte) []byte) {
	ss.mu.Lock()
	if !ss.ended && !ss.parted {
		if !ss.far() {
			ss.tell()
		}
		ss.control = appendTo(ss.control)
	}
	over := len(ss.control) > maxControl
	ss.mu.Unlock()
	if over {
		ss.close(errUnread)
		return
	}
	ss.signal()
}

// unread is how many bytes of control frames wait to be written.
func (ss *session) unread() int {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return len(ss.control)
}

func (ss *session) signal() {
	select {
	case ss.wake <- struct{}{}:
	default:
	}
}

// queueSend queues a Block for the writer.
func (ss *session) queueSend(r wire.Request) {
	ss.mu.Lock()
	ss.sends = append(ss.sends, send{Request: r})
	ss.mu.Unlock()
	ss.signal()
}

// stopSend takes a queued or running Send back. One that isn't there any more has been served already.
func (ss *session) stopSend(i blocks.Index, offset uint32) {
	ss.mu.Lock()
	k := slices.IndexFunc(ss.sends, func(r send) bool { return r.Index == i && r.Offset == offset && !r.stopped })
	if k >= 0 {
		ss.sends[k].stopped = true
	}
	ss.mu.Unlock()
	ss.signal()
}

// await allows the peer to answer a Request. forget takes it back: what comes is discarded.
func (ss *session) await(i blocks.Index, offset uint32) {
	ss.mu.Lock()
	ss.awaited[slot{i, offset}] = true
	ss.mu.Unlock()
}

func (ss *session) forget(i blocks.Index, offset uint32) {
	ss.mu.Lock()
	delete(ss.awaited, slot{i, offset})
	ss.mu.Unlock()
}

// claim is awaits and forget in one step: of several answers only one has it.
func (ss *session) claim(i blocks.Index, offset uint32) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s := slot{i, offset}
	ok := ss.awaited[s]
	delete(ss.awaited, s)
	return ok
}

// awaits tells whether an answer is allowed.
func (ss *session) awaits(i blocks.Index, offset uint32) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.awaited[slot{i, offset}]
}

// leave lets the writer finish the Block that is being sent and its control frames, say BYE and end the session.
func (ss *session) leave(reason byte) {
	ss.mu.Lock()
	if !ss.leaving {
		ss.leaving, ss.bye = true, reason
	}
	ss.mu.Unlock()
	ss.signal()
}

// drop ends the session for the peer's fault or because it isn't needed.
func (ss *session) drop(ban bool, text string) {
	ss.s.cfg.Log.Debug("dropping peer", "peer", ss.member, "why", text, "ban", ban)
	switch {
	case ban:
		ss.close(fmt.Errorf("%w: %s", errBanned, text))
	case text == "full":
		ss.leave(wire.ByeFull)
	default:
		ss.leave(wire.ByeLeaving)
	}
}

// close ends the session at once; the first reason counts.
func (ss *session) close(err error) {
	ss.mu.Lock()
	if !ss.ended {
		ss.ended, ss.err = true, err
	}
	waiting := ss.acks
	ss.acks = nil
	ss.mu.Unlock()
	for _, c := range waiting {
		close(c)
	}
	closeQuietly(ss.conn)
	ss.signal()
}

func (ss *session) reason() error {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.err
}

// part says BYE and closes our direction only: closing both while the other side still sends would make the kernel throw away
// what it hasn't delivered yet.
func (ss *session) part(reason byte) {
	_ = ss.conn.SetWriteDeadline(time.Now().Add(byeTime))
	_, err := ss.conn.Write(wire.AppendByte(nil, wire.TBye, reason))
	half, ok := ss.conn.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		ss.close(nil)
		return
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.parted = true
	_ = ss.conn.SetReadDeadline(time.Now().Add(partTime))
}

// hearOut ends a session that can't be written to any more, once what has arrived is read: the other side may have said BYE, and
// before it its RESULT, while this process was stopped.
func (ss *session) hearOut() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.leaving, ss.parted = true, true
	_ = ss.conn.SetReadDeadline(time.Now().Add(wakeTime))
}

// waking reads once more when its deadline has passed: a process that was stopped for so long finds what came meanwhile. Only its
// reader uses it.
type waking struct {
	net.Conn
	last time.Time // when it did so
}

// wakeTime is for what has arrived already to be read.
const wakeTime = 200 * time.Millisecond

// Read implements io.Reader.
func (w *waking) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	now := time.Now()
	if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || now.Sub(w.last) < silence/2 || w.SetReadDeadline(now.Add(wakeTime)) != nil {
		return n, err
	}
	w.last = now
	return w.Conn.Read(p)
}

// moveDeadline restarts the silence clock.
func (ss *session) moveDeadline(now time.Time) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if !ss.parted {
		_ = ss.conn.SetReadDeadline(now.Add(silence))
	}
}

// addrOf is a connection's address, invalid if it isn't an IP's.
func addrOf(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// sourceOfConn is what the other end of conn counts as.
func sourceOfConn(conn net.Conn) netip.Addr {
	return sourceOf(addrOf(conn.RemoteAddr()).Addr(), addrOf(conn.LocalAddr()).Addr())
}
