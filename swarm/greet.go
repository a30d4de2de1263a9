package swarm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
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

// running tells whether Run has begun.
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
	place := s.greeting.enter(sourceOfConn(conn), conn)
	if place == nil {
		closeQuietly(conn)
		return
	}
	ss, g, err := s.admit(conn, false)
	s.greeting.leave(place)
	if err == nil {
		err = s.attend(ss, g)
	}
	if err != nil {
		s.cfg.Log.Debug("session ended", "from", conn.RemoteAddr().String(), "err", err)
	}
}

// admit greets and registers, or closes conn. What HELLO told comes back in any case.
func (s *Swarm) admit(conn net.Conn, dialed bool) (*session, greeting, error) {
	g, err := s.greet(conn, dialed)
	var ss *session
	if err == nil {
		ss, err = s.register(g, dialed)
	}
	if err != nil {
		closeQuietly(conn)
		s.blame(suspect{g.hello.Member, hostOf(addrOf(conn.RemoteAddr()).Addr())}, err.Error(), gravityOf(err))
	}
	return ss, g, err
}

// attend runs a registered session until it ends, and returns why.
func (s *Swarm) attend(ss *session, g greeting) error {
	defer closeQuietly(ss.conn)
	defer s.unregister(ss)
	if !s.post(peerUp(ss, g.hello)) {
		return s.ctx.Err()
	}
	s.learnPeers(ss, ss.counted, g.hello.Peers)
	if s.cfg.OnPeer != nil {
		s.cfg.OnPeer(Peer{Member: ss.member, Addr: ss.addr, Local: addrOf(ss.conn.LocalAddr()), Seed: ss.seed})
	}
	writerDone := make(chan struct{})
	if !s.spawn(func() { defer close(writerDone); ss.writeLoop() }) {
		return s.ctx.Err()
	}
	ss.close(ss.readLoop(g.br))
	<-writerDone
	close(ss.gone)
	s.post(Event{Kind: PeerDown, Peer: ss.id})
	err := ss.reason()
	if err != nil {
		s.blame(ss.suspect(), err.Error(), gravityOf(err))
	}
	return err
}

// greeting is what an exchange of HELLO gave.
type greeting struct {
	conn  net.Conn
	br    *bufio.Reader
	hello wire.Hello       // theirs
	told  *blocks.Bitfield // what ours said we have; nil if we have no Header
	named []wire.Peer      // whom ours named
}

// greet exchanges HELLO and checks the Header. Who dialed speaks first.
func (s *Swarm) greet(conn net.Conn, dialed bool) (g greeting, err error) {
	stop := context.AfterFunc(s.ctx, func() { closeQuietly(conn) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(helloTime))
	g = greeting{conn: conn, br: bufio.NewReaderSize(&waking{Conn: conn}, readBuffer)}
	if dialed {
		err = s.begin(&g)
	} else {
		err = s.answer(&g)
	}
	_ = conn.SetDeadline(time.Time{})
	switch {
	case err != nil:
		return g, err
	case g.hello.Member == s.cfg.Core.Self:
		return g, errSelf
	case g.hello.Full:
		s.learnPeers(nil, sourceOfConn(conn), g.hello.Peers)
		return g, errFull
	}
	return g, nil
}

// begin sends our HELLO, which names nobody, and takes the answer: PEERS will have what that leaves.
func (s *Swarm) begin(g *greeting) error {
	var ours wire.Hello
	ours, g.told = s.hello(g.conn)
	if err := s.speak(g, ours); err != nil {
		return err
	}
	return s.hear(g, ours.Header)
}

// answer takes the other side's HELLO and sends ours, without a Header that it has told.
func (s *Swarm) answer(g *greeting) error {
	if err := s.hear(g, nil); err != nil {
		return err
	}
	var ours wire.Hello
	ours, g.told = s.hello(g.conn)
	if g.hello.Header != nil {
		ours.Header = nil
	}
	ours.Peers = s.peersFor(g.hello.Member)
	g.named = ours.Peers
	return s.speak(g, ours)
}

func (s *Swarm) speak(g *greeting, ours wire.Hello) error {
	n, err := g.conn.Write(ours.Append(nil))
	s.count.control.Add(uint64(n))
	if err != nil {
		return fmt.Errorf("send hello: %w", err)
	}
	return nil
}

// hear takes the other side's HELLO, which leaves out the Header that ours has told.
func (s *Swarm) hear(g *greeting, told *blocks.Header) error {
	var size int
	var err error
	if g.hello, size, err = readHello(g.br, s.helloLimit(), told); err != nil {
		return err
	}
	s.count.control.Add(uint64(size))
	if g.hello.Observer {
		return fmt.Errorf("%w: an observer's HELLO in a session", errProtocol)
	}
	if g.hello.Header == nil {
		return nil
	}
	return s.learnHeader(*g.hello.Header)
}

// helloRest is what a HELLO has beside its Bitfield, at most: PEERS nearly all of it.
const helloRest = 64 << 10

// helloLimit is how long a HELLO may be: many may come at once.
func (s *Swarm) helloLimit() uint32 {
	if c := s.Content(); c != nil {
		return helloRest + c.Header().Blocks/8
	}
	return maxHello
}

// maxHello is the longest HELLO there can be.
const maxHello = helloRest + blocks.MaxBlocks/8

// readHello reads the first frame, which must be HELLO, of so many bytes and at most limit; known is the Header that ours had.
func readHello(br *bufio.Reader, limit uint32, known *blocks.Header) (h wire.Hello, size int, err error) {
	if head, err := br.Peek(wire.HeadSize); err == nil {
		if t, n, err := wire.ParseHead([wire.HeadSize]byte(head)); err == nil && t == wire.THello && n > limit {
			return h, 0, fmt.Errorf("%w: a HELLO of %d bytes", errProtocol, n)
		}
	}
	t, payload, err := wire.ReadFrame(br, nil)
	if err != nil {
		return h, 0, fmt.Errorf("read hello: %w", err)
	}
	if t != wire.THello {
		return h, 0, fmt.Errorf("%w: first frame is %s, not HELLO", errProtocol, t)
	}
	h, err = wire.ParseHello(payload, known)
	return h, wire.HeadSize + len(payload), err
}

// hello is our HELLO for a connection, without Peers, and the Bitfield it carries; nil without a Header.
func (s *Swarm) hello(conn net.Conn) (wire.Hello, *blocks.Bitfield) {
	s.mu.Lock()
	defer s.mu.Unlock()
	source := addrOf(conn.RemoteAddr()).Addr()
	h := wire.Hello{
		Seed: s.cfg.Core.Seed, Zone: s.cfg.Core.Zone, Member: s.cfg.Core.Self,
		Full: len(s.sessions) >= maxSessions && s.crowder(source) == nil, Lingering: s.snap.Load().Lingering,
		Listen: s.listenAddr(conn),
	}
	if s.content == nil {
		return h, nil
	}
	header := s.content.Header()
	h.Header = &header
	told := s.have.Clone()
	switch {
	case s.cfg.Core.Seed && told.Equal(s.cfg.Core.Have):
		h.Form = wire.Every
	case told.Count() > 0:
		h.Form, h.Bits = wire.Raw, told
	}
	return h, told
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

// learnHeader takes the Header of the first HELLO that has one. When it returns nil the core knows, or is about to be told before
// anything else of this connection. Sessions in which neither side's HELLO had it are left: they are made anew, with it.
func (s *Swarm) learnHeader(h blocks.Header) error {
	if h.ID() != s.cfg.Core.ID {
		return errors.New("header of another swarm")
	}
	s.mu.Lock()
	known := s.content != nil
	if !known {
		s.content = blocks.NewContent(h)
		s.have = blocks.NewBitfield(h.Blocks)
		for _, ss := range s.sessions {
			if ss.headless {
				ss.leave(wire.ByeLeaving)
			}
		}
	}
	s.mu.Unlock()
	if known {
		select {
		case <-s.ready:
			return nil
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	s.post(Event{Kind: HeaderKnown, Count: h.Blocks, Length: h.BlockSize, Bytes: h.ManifestBlocks()})
	close(s.ready)
	return nil
}
