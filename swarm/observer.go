package swarm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

// Observer is a connection that looks and is no member: it fetches the Manifest, asks for REPORTs and delivers RESULTs.
// Not safe for concurrent use.
type Observer struct {
	conn    net.Conn
	br      *bufio.Reader
	hello   wire.Hello
	content *blocks.Content
	stop    func() bool
}

// Observe dials addr as an observer. name is ours, for HELLO. ctx ends every later call too.
func Observe(ctx context.Context, n Net, addr netip.AddrPort, id blocks.Root, name string) (*Observer, error) {
	dctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := n.Dial(dctx, addr, port.Observer)
	if err != nil {
		return nil, err
	}
	o := &Observer{conn: conn, br: bufio.NewReaderSize(conn, readBuffer)}
	o.stop = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	if err := o.greet(id, name); err != nil {
		o.stop()
		closeQuietly(conn)
		return nil, err
	}
	return o, nil
}

func (o *Observer) greet(id blocks.Root, name string) error {
	unset := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	o.bound()
	if _, err := o.conn.Write(wire.Hello{Observer: true, Member: name, Listen: unset}.Append(nil)); err != nil {
		return fmt.Errorf("send hello: %w", err)
	}
	h, err := readHello(o.br)
	if err != nil {
		return err
	}
	if h.Header != nil {
		if h.Header.ID() != id {
			return errors.New("header of another swarm")
		}
		o.content = blocks.NewContent(*h.Header)
	}
	o.hello = h
	return nil
}

// bound gives the next exchange its time.
func (o *Observer) bound() { _ = o.conn.SetDeadline(time.Now().Add(helloTime)) }

// Close ends the connection.
func (o *Observer) Close() error {
	o.stop()
	_ = o.conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = o.conn.Write(wire.AppendByte(nil, wire.TBye, 1))
	return o.conn.Close()
}

// Peers are the members that the other side named.
func (o *Observer) Peers() []wire.Peer { return o.hello.Peers }

// Member and Seed tell who answers.
func (o *Observer) Member() string { return o.hello.Member }

// Seed tells whether a seed answers.
func (o *Observer) Seed() bool { return o.hello.Seed }

// ErrNoManifest: the other side doesn't have the whole Manifest yet.
var ErrNoManifest = errors.New("the peer doesn't have the manifest yet")

// Content fetches the Manifest and returns the open Content.
func (o *Observer) Content() (*blocks.Content, error) {
	if o.content == nil {
		return nil, ErrNoManifest
	}
	h := o.content.Header()
	buf := make([]byte, h.BlockSize)
	for i := range h.ManifestBlocks() {
		index := blocks.Index(i)
		if err := o.fetch(index, buf[:h.ManifestLen(index)]); err != nil {
			return nil, err
		}
	}
	if err := o.content.Open(); err != nil {
		return nil, err
	}
	return o.content, nil
}

// fetch asks for a Manifest Block, and verifies it.
func (o *Observer) fetch(i blocks.Index, buf []byte) error {
	o.bound()
	ask := wire.Request{Index: i, Length: uint32(len(buf))}
	if _, err := o.conn.Write(ask.Append(nil)); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	p, err := o.await(wire.TBlock)
	if err != nil {
		return err
	}
	m, err := wire.ParseBlock(p, nil)
	if err != nil {
		return err
	}
	if m.Request != ask {
		return fmt.Errorf("%w: another block than asked", errProtocol)
	}
	for got := 0; got < len(buf); {
		n, err := o.readData(i, uint32(got), buf[got:])
		if err != nil {
			return err
		}
		got += n
	}
	return o.content.Verify(i, 0, buf, m.Proof)
}

// readData reads one DATA frame into p.
func (o *Observer) readData(i blocks.Index, offset uint32, p []byte) (int, error) {
	payload, err := o.await(wire.TData)
	if err != nil {
		return 0, err
	}
	if len(payload) <= wire.DataHead {
		return 0, fmt.Errorf("%w: short DATA", errProtocol)
	}
	at, from := wire.ParseDataHead([wire.DataHead]byte(payload))
	if at != i || from != offset || len(payload)-wire.DataHead > len(p) {
		return 0, fmt.Errorf("%w: DATA outside of its block", errProtocol)
	}
	return copy(p, payload[wire.DataHead:]), nil
}

// await reads frames until one of type t; REFUSE, BYE and strangers end it.
func (o *Observer) await(t wire.Type) ([]byte, error) {
	for {
		o.bound()
		got, p, err := wire.ReadFrame(o.br, nil)
		switch {
		case err != nil:
			return nil, fmt.Errorf("read: %w", err)
		case got == t:
			return p, nil
		case got == wire.TPing:
		case got == wire.TRefuse:
			return nil, ErrNoManifest
		case got == wire.TBye:
			return nil, errBye
		default:
			return nil, fmt.Errorf("%w: frame of type %d", errProtocol, got)
		}
	}
}

// Report asks for the other side's view.
func (o *Observer) Report() (wire.Report, error) {
	o.bound()
	if _, err := o.conn.Write(wire.AppendEmpty(nil, wire.TStatus)); err != nil {
		return wire.Report{}, fmt.Errorf("ask: %w", err)
	}
	p, err := o.await(wire.TReport)
	if err != nil {
		return wire.Report{}, err
	}
	return wire.ParseReport(p)
}

// Deliver gives a RESULT to a seed.
func (o *Observer) Deliver(_ context.Context, r wire.Result) error {
	o.bound()
	if _, err := o.conn.Write(r.Append(nil)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	p, err := o.await(wire.TAck)
	if err != nil {
		return err
	}
	if v, err := wire.ParseByte(p); err != nil || v != 1 {
		return errNoSeed
	}
	return nil
}

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
	h, err := readHello(br)
	if err != nil || !h.Observer {
		return
	}
	ours, _ := s.hello(conn)
	if _, err := conn.Write(ours); err != nil {
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
		return s.report().Append(nil), nil
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
