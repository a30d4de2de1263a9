package swarm

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/netip"
	"time"

	"p2pcp/swarm/wire"
)

// observerIdle is how long an observer may say nothing, or not take an answer.
const observerIdle = 30 * time.Second

// observed serves an observer's connection.
func (s *Swarm) observed(conn net.Conn) {
	defer closeQuietly(conn)
	select {
	case s.observers <- struct{}{}:
		defer func() { <-s.observers }()
	default:
		return
	}
	stop := context.AfterFunc(s.ctx, func() { closeQuietly(conn) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(helloTime))
	br := bufio.NewReaderSize(conn, 4<<10)
	h, _, err := readHello(br)
	if err != nil || !h.Observer {
		return
	}
	ours, _ := s.hello(conn)
	ours.Full = false // of sessions; observers have places of their own
	if _, err := conn.Write(ours.Append(nil)); err != nil {
		return
	}
	source := addrOf(conn.RemoteAddr()).Addr().Unmap()
	for {
		_ = conn.SetDeadline(time.Now().Add(observerIdle))
		t, p, err := wire.ReadFrame(br, nil)
		if err != nil {
			return
		}
		reply, err := s.answer(source, t, p)
		if err != nil {
			return
		}
		if _, err := conn.Write(reply); err != nil {
			return
		}
	}
}

// answer is the reply to one frame of an observer.
func (s *Swarm) answer(source netip.Addr, t wire.Type, p []byte) ([]byte, error) {
	switch t {
	case wire.TAsk:
		m, err := wire.ParseRequest(p)
		if err != nil {
			return nil, err
		}
		return s.manifestBlock(m)
	case wire.TTree:
		m, err := wire.ParseTree(p)
		if err != nil {
			return nil, err
		}
		return s.nodesFor(m).Append(nil), nil
	case wire.TStatus:
		flags, err := wire.ParseStatus(p)
		if err != nil {
			return nil, err
		}
		return s.report(flags).Append(nil), nil
	case wire.TResult:
		r, err := wire.ParseResult(p)
		if err != nil {
			return nil, err
		}
		return wire.AppendByte(nil, wire.TAck, s.takeResultFrom(source, r)), nil
	case wire.TPing:
		return nil, nil
	default:
		return nil, io.EOF
	}
}

// manifestBlock is BLOCK and DATA of a whole Manifest Block, or REFUSE.
func (s *Swarm) manifestBlock(m wire.Request) ([]byte, error) {
	refuse := wire.Refuse{Index: m.Index, Offset: m.Offset, Reason: byte(NotHeld)}.Append(nil)
	c := s.Content()
	if c == nil || uint32(m.Index) >= c.Header().ManifestBlocks() || m.Offset != 0 || m.Length != c.BlockLen(m.Index) || !c.ManifestComplete() {
		return refuse, nil
	}
	proof, ok := c.Proof(nil, m.Index, 0, m.Length, nil, nil)
	if !ok {
		return refuse, nil
	}
	b := wire.Block{Request: m, Proof: proof}.Append(nil)
	for at := uint32(0); at < m.Length; at += wire.MaxData {
		n := min(m.Length-at, wire.MaxData)
		b = wire.AppendDataHead(b, m.Index, at, int(n))
		from := len(b)
		b = append(b, make([]byte, n)...)
		if err := c.ReadManifest(m.Index, at, b[from:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}
