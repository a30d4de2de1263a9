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
	// Closed, because a deadline would be overruled by the next call's.
	o.stop = context.AfterFunc(ctx, func() { closeQuietly(conn) })
	if err := o.greet(id, name); err != nil {
		o.stop()
		closeQuietly(conn)
		if ctx.Err() != nil {
			err = ctx.Err()
		}
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
	h, _, err := readHello(o.br, maxHello, nil)
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

// Within makes ctx end the calls from now on, instead of the one before.
func (o *Observer) Within(ctx context.Context) {
	o.stop()
	conn := o.conn
	o.stop = context.AfterFunc(ctx, func() { closeQuietly(conn) })
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

// Header is what the other side knows of the content; nil: nothing yet.
func (o *Observer) Header() *blocks.Header { return o.hello.Header }

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
func (o *Observer) Report() (wire.Report, error) { return o.report(0) }

// Account is Report with the course of the transfer so far.
func (o *Observer) Account() (wire.Report, error) { return o.report(wire.WithAccount) }

func (o *Observer) report(flags byte) (wire.Report, error) {
	o.bound()
	if _, err := o.conn.Write(wire.AppendStatus(nil, flags)); err != nil {
		return wire.Report{}, fmt.Errorf("ask: %w", err)
	}
	p, err := o.await(wire.TReport)
	if err != nil {
		return wire.Report{}, err
	}
	return wire.ParseReport(p)
}

// Deliver gives a RESULT to a seed. When ctx ends first, the connection is of no more use.
func (o *Observer) Deliver(ctx context.Context, r wire.Result) error {
	stop := context.AfterFunc(ctx, func() { closeQuietly(o.conn) })
	defer stop()
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
