package swarm

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

const (
	silence    = 15 * time.Second // without any frame: the session is dead
	keepalive  = 5 * time.Second  // a PING after this long without a frame of ours
	helloTime  = 10 * time.Second // for the HELLO of the other side
	maxControl = 8 << 20          // bytes of control frames that a peer may leave unread
	readBuffer = 32 << 10
)

// slot names a Request on a session.
type slot struct {
	index  blocks.Index
	offset uint32
}

// session is one live connection to a member. The reader goroutine owns in, the writer out; the rest is shared.
type session struct {
	s      *Swarm
	id     PeerID
	conn   net.Conn
	member string
	addr   netip.AddrPort // where it can be dialled
	source netip.Addr     // what we see it come from
	seed   bool
	dialed bool          // by us
	gone   chan struct{} // closed when both goroutines have ended

	// the loop's
	live bool             // PeerUp has been stepped
	told *blocks.Bitfield // what our HELLO said we have; nil once live

	in  incoming // the reader's
	out outgoing // the writer's

	wake chan struct{} // capacity 1: something for the writer

	mu        sync.Mutex // guards what follows
	control   []byte     // whole frames to be written
	sends     []wire.Request
	stop      bool // the Send that is being written is to be given up
	leaving   bool
	err       error // why the session ends; the first one counts
	ended     bool
	announced *blocks.Bitfield // what the peer has: Proofs are cut by it
	expected  map[slot]bool    // Requests and Grants that may be answered; false: cancelled, to be discarded
	acks      []chan byte      // RESULTs waiting for their ACK
	trees     map[wire.Tree]chan wire.Nodes
	known     map[string]bool // members this peer was told of
}

var (
	errSelf      = errors.New("that is ourselves")
	errFull      = errors.New("peer is full")
	errDuplicate = errors.New("another session to this member stands")
	errBanned    = errors.New("banned")
	errBye       = errors.New("peer left")
	errReplaced  = errors.New("replaced by a newer session")
)

// Accept takes a connection that has passed the handshake, at any time.
func (s *Swarm) Accept(kind port.Kind, conn net.Conn) {
	s.mu.Lock()
	if s.waiting != nil || !s.running() {
		if len(s.waiting) < maxSessions && kind == port.Session {
			s.waiting = append(s.waiting, conn)
			conn = nil
		}
	}
	s.mu.Unlock()
	if conn == nil {
		return
	}
	if !s.spawn(func() { s.accept(kind, conn) }) {
		closeQuietly(conn)
	}
}

func (s *Swarm) running() bool {
	s.taskMu.Lock()
	defer s.taskMu.Unlock()
	return s.ctx != nil
}

// adoptWaiting serves the connections that came before Run.
func (s *Swarm) adoptWaiting() {
	s.mu.Lock()
	list := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	for _, c := range list {
		s.spawn(func() { s.accept(port.Session, c) })
	}
}

func (s *Swarm) accept(kind port.Kind, conn net.Conn) {
	if kind == port.Observer {
		s.observed(conn)
		return
	}
	if err := s.serve(conn, false); err != nil {
		s.cfg.Log.Debug("session ended", "from", conn.RemoteAddr().String(), "err", err)
	}
}

// serve runs a session on conn until it ends, and returns why.
func (s *Swarm) serve(conn net.Conn, dialed bool) error {
	defer closeQuietly(conn)
	hello, br, told, err := s.greet(conn)
	if err != nil {
		return err
	}
	ss, err := s.register(conn, hello, told, dialed)
	if err != nil {
		return err
	}
	defer s.unregister(ss)
	s.met.Store(true)
	s.learnPeers(hello.Peers)
	if !s.post(s.peerUp(ss, hello)) {
		return s.ctx.Err()
	}
	if s.cfg.OnPeer != nil {
		s.cfg.OnPeer(Peer{Member: ss.member, Addr: ss.addr, Local: addrOf(conn.LocalAddr()), Seed: ss.seed})
	}
	writerDone := make(chan struct{})
	if !s.spawn(func() { defer close(writerDone); ss.writeLoop() }) {
		return s.ctx.Err()
	}
	ss.close(ss.readLoop(br))
	<-writerDone
	close(ss.gone)
	s.post(Event{Kind: PeerDown, Peer: ss.id})
	return ss.reason()
}

// greet exchanges HELLO and checks the Header. told is what our HELLO said we have.
func (s *Swarm) greet(conn net.Conn) (wire.Hello, *bufio.Reader, *blocks.Bitfield, error) {
	_ = conn.SetDeadline(time.Now().Add(helloTime))
	ours, told := s.hello(conn)
	sent := make(chan error, 1)
	go func() { // both sides speak first, and a HELLO may be larger than the socket's buffers
		_, err := conn.Write(ours)
		sent <- err
	}()
	br := bufio.NewReaderSize(conn, readBuffer)
	hello, err := readHello(br)
	if err != nil {
		_ = conn.SetDeadline(time.Now())
		<-sent
		return hello, nil, nil, err
	}
	if err := <-sent; err != nil {
		return hello, nil, nil, fmt.Errorf("send hello: %w", err)
	}
	_ = conn.SetDeadline(time.Time{})
	if hello.Member == s.cfg.Core.Self {
		return hello, nil, nil, errSelf
	}
	if hello.Header != nil {
		if err := s.learnHeader(*hello.Header); err != nil {
			return hello, nil, nil, err
		}
	}
	if hello.Full {
		s.learnPeers(hello.Peers)
		return hello, nil, nil, errFull
	}
	return hello, br, told, nil
}

// readHello reads the first frame, which must be HELLO.
func readHello(br *bufio.Reader) (wire.Hello, error) {
	t, payload, err := wire.ReadFrame(br, nil)
	if err != nil {
		return wire.Hello{}, fmt.Errorf("read hello: %w", err)
	}
	if t != wire.THello {
		return wire.Hello{}, fmt.Errorf("first frame is of type %d, not HELLO", t)
	}
	return wire.ParseHello(payload)
}

// hello is our HELLO for a connection, and the Bitfield it carries.
func (s *Swarm) hello(conn net.Conn) ([]byte, *blocks.Bitfield) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := wire.Hello{
		Seed: s.cfg.Core.Seed, Zone: s.cfg.Zone, Member: s.cfg.Core.Self,
		Full: len(s.sessions) >= maxSessions, Lingering: s.snap.Load().Lingering,
		Listen: s.listenAddr(conn), Peers: s.peersLocked(),
	}
	var told *blocks.Bitfield
	if s.content != nil {
		header := s.content.Header()
		h.Header = &header
		told = s.have.Clone()
		switch {
		case s.cfg.Core.Seed && told.Equal(s.cfg.Core.Have):
			h.Form = wire.Every
		case told.Count() > 0:
			h.Form, h.Bits = wire.Raw, told
		}
	}
	return h.Append(nil), told
}

// listenAddr is where the other side of conn can dial us.
func (s *Swarm) listenAddr(conn net.Conn) netip.AddrPort {
	a := s.cfg.Listen
	if !a.Addr().IsValid() || a.Addr().IsUnspecified() {
		a = netip.AddrPortFrom(addrOf(conn.LocalAddr()).Addr(), a.Port())
	}
	if !a.Addr().IsValid() {
		a = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// peersLocked lists the members that we have sessions with; s.mu is held.
func (s *Swarm) peersLocked() []wire.Peer {
	var list []wire.Peer
	for _, ss := range s.byMember {
		if ss.addr.Port() != 0 && len(list) < 512 {
			list = append(list, wire.Peer{Seed: ss.seed, Member: ss.member, Addr: ss.addr})
		}
	}
	return list
}

// learnHeader takes the Header of the first HELLO that has one.
func (s *Swarm) learnHeader(h blocks.Header) error {
	if h.ID() != s.cfg.Core.ID {
		return errors.New("header of another swarm")
	}
	s.mu.Lock()
	if s.content != nil {
		s.mu.Unlock()
		return nil
	}
	s.content = blocks.NewContent(h)
	s.have = blocks.NewBitfield(h.Blocks)
	s.mu.Unlock()
	s.post(Event{Kind: HeaderKnown, Count: h.Blocks, Length: h.BlockSize, Bytes: h.ManifestBlocks()})
	close(s.ready)
	return nil
}

// register makes the session, unless one to this member stands already. Of two that were dialled crosswise the one
// whose dialer has the lower name stays; of two by the same dialer the newer.
func (s *Swarm) register(conn net.Conn, h wire.Hello, told *blocks.Bitfield, dialed bool) (*session, error) {
	ss := &session{
		s: s, conn: conn, member: h.Member, addr: h.Listen, source: addrOf(conn.RemoteAddr()).Addr().Unmap(),
		seed: h.Seed, dialed: dialed, told: told, gone: make(chan struct{}), wake: make(chan struct{}, 1),
		expected: map[slot]bool{}, trees: map[wire.Tree]chan wire.Nodes{}, known: map[string]bool{h.Member: true},
	}
	if ss.addr.Addr().IsUnspecified() {
		ss.addr = netip.AddrPortFrom(ss.source, ss.addr.Port())
	}
	ss.out.frame = minFrame
	ss.announced = announcedBy(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.banned[h.Member] {
		return nil, errBanned
	}
	if len(s.sessions) >= maxSessions {
		return nil, errFull
	}
	if old := s.byMember[h.Member]; old != nil {
		if old.dialed != dialed && s.keeps(old) {
			return nil, errDuplicate
		}
		old.close(errReplaced)
	}
	s.nextPeer++
	ss.id = s.nextPeer
	s.sessions[ss.id], s.byMember[h.Member] = ss, ss
	for _, p := range s.peersLocked() {
		ss.known[p.Member] = true
	}
	return ss, nil
}

// keeps tells whether ss is the one that stays of two crosswise dialled sessions.
func (s *Swarm) keeps(ss *session) bool {
	return ss.dialed == (s.cfg.Core.Self < ss.member)
}

func (s *Swarm) unregister(ss *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, ss.id)
	if s.byMember[ss.member] == ss {
		delete(s.byMember, ss.member)
	}
}

// announcedBy is the Bitfield of a HELLO over the whole Index space; nil without a Header.
func announcedBy(h wire.Hello) *blocks.Bitfield {
	if h.Header == nil {
		return nil
	}
	switch h.Form {
	case wire.Raw:
		return h.Bits.Clone()
	case wire.Every:
		all := blocks.NewBitfield(h.Header.Blocks)
		all.SetSpan(blocks.Span{Count: h.Header.Blocks})
		return all
	default:
		return blocks.NewBitfield(h.Header.Blocks)
	}
}

// peerUp is the Event of a session that passed HELLO.
func (s *Swarm) peerUp(ss *session, h wire.Hello) Event {
	return Event{
		Kind: PeerUp, Peer: ss.id, Member: ss.member, Addr: ss.addr, Seed: ss.seed,
		Lingering: h.Lingering, Set: announcedBy(h),
	}
}

// learnPeers gives the core the members that a peer knows.
func (s *Swarm) learnPeers(peers []wire.Peer) {
	for _, p := range peers {
		if p.Member == s.cfg.Core.Self || p.Addr.Port() == 0 {
			continue
		}
		if p.Gone {
			s.post(Event{Kind: MemberGone, Member: p.Member})
			continue
		}
		s.post(Event{Kind: MemberUp, Member: p.Member, Addr: p.Addr, Seed: p.Seed})
	}
}

// setLive marks that the core knows the session; s.mu is held. A seed is told how we stand.
func (ss *session) setLive() {
	if ss == nil {
		return
	}
	ss.live = true
	if r := ss.s.result; r != nil && ss.seed {
		ss.mu.Lock()
		ss.acks = append(ss.acks, make(chan byte, 1)) // nobody waits for this one
		ss.mu.Unlock()
		ss.push(func(b []byte) []byte { return r.Append(b) })
	}
}

// push queues control frames. A peer that leaves too much unread is dropped.
func (ss *session) push(appendTo func(b []byte) []byte) {
	ss.mu.Lock()
	if !ss.ended {
		ss.control = appendTo(ss.control)
	}
	over := len(ss.control) > maxControl
	ss.mu.Unlock()
	if over {
		ss.close(errors.New("peer doesn't read"))
		return
	}
	ss.signal()
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
	ss.sends = append(ss.sends, r)
	ss.mu.Unlock()
	ss.signal()
}

// stopSend drops a queued Send or stops the running one; Served follows either way.
func (ss *session) stopSend(i blocks.Index, offset uint32) {
	ss.mu.Lock()
	for n, r := range ss.sends {
		if r.Index == i && r.Offset == offset {
			if n == 0 && ss.out.busy {
				ss.stop = true
				ss.mu.Unlock()
				return
			}
			ss.sends = append(ss.sends[:n], ss.sends[n+1:]...)
			ss.mu.Unlock()
			ss.s.spawn(func() { ss.s.post(Event{Kind: Served, Peer: ss.id, Index: i, Offset: offset, Length: r.Length}) })
			return
		}
	}
	ss.mu.Unlock()
}

// expect allows the peer to answer a Request; unexpect keeps it allowed, to be discarded.
func (ss *session) expect(i blocks.Index, offset uint32) {
	ss.mu.Lock()
	ss.expected[slot{i, offset}] = true
	ss.mu.Unlock()
}

func (ss *session) unexpect(i blocks.Index, offset uint32) {
	ss.mu.Lock()
	if _, ok := ss.expected[slot{i, offset}]; ok {
		ss.expected[slot{i, offset}] = false
	}
	ss.mu.Unlock()
}

// tellPeers queues PEERS with those that this peer has not been told of; s.mu is held.
func (ss *session) tellPeers(peers []wire.Peer) {
	var fresh []wire.Peer
	for _, p := range peers {
		if !ss.known[p.Member] {
			ss.known[p.Member] = true
			fresh = append(fresh, p)
		}
	}
	if len(fresh) > 0 {
		ss.push(func(b []byte) []byte { return wire.AppendPeers(b, fresh) })
	}
}

// leave lets the writer finish its control frames, say BYE and end the session.
func (ss *session) leave() {
	ss.mu.Lock()
	ss.leaving = true
	ss.mu.Unlock()
	ss.signal()
}

// drop ends the session for the peer's fault or because it isn't needed.
func (ss *session) drop(ban bool, text string) {
	ss.s.cfg.Log.Debug("dropping peer", "peer", ss.member, "why", text, "ban", ban)
	if ban {
		ss.close(fmt.Errorf("%w: %s", errBanned, text))
		return
	}
	ss.leave()
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

// addrOf is a connection's address, invalid if it isn't an IP's.
func addrOf(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
