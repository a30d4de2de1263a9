package swarm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

// puppet is a peer that does what the test says.
type puppet struct {
	t     *testing.T
	conn  *memConn
	br    *bufio.Reader
	hello wire.Hello // theirs
}

// dialPuppet connects a puppet to p and exchanges HELLO, which change may change.
func dialPuppet(p *node, g *goods, k int, change func(*wire.Hello)) *puppet {
	p.t.Helper()
	conn, err := memHost{p.net, addrOfHost(k)}.Dial(context.Background(), p.addr, port.Session)
	if err != nil {
		p.t.Fatal(err)
	}
	q := &puppet{t: p.t, conn: conn.(*memConn), br: bufio.NewReader(conn)}
	q.greet(g, k, change)
	return q
}

// inABlock is a seed that sends perSecond bytes a second at most, and a puppet to which it has begun to send Block 3.
func inABlock(t *testing.T, g *goods, perSecond rate.Limit) (*node, *puppet) {
	t.Helper()
	seed := newNode(t, newMemNet(), g, 0, func(c *Config) { asSeed(c); c.Up = rate.NewLimiter(perSecond, 1000) }).start()
	time.Sleep(time.Millisecond)
	q := dialPuppet(seed, g, 5, nil)
	q.send(wire.Request{Index: 3, Length: nodeBlock}.Append(nil))
	q.next(wire.TBlock)
	return seed, q
}

// puppetAt waits for p to dial host k.
func puppetAt(t *testing.T, n *memNet, g *goods, k int, change func(*wire.Hello)) <-chan *puppet {
	c := make(chan *puppet, 8)
	n.listen(addrOfHost(k), func(_ port.Kind, conn net.Conn) {
		go func() {
			q := &puppet{t: t, conn: conn.(*memConn), br: bufio.NewReader(conn)}
			q.greet(g, k, change)
			c <- q
		}()
	})
	return c
}

func (q *puppet) greet(g *goods, k int, change func(*wire.Hello)) {
	h := g.Header()
	m := wire.Hello{Member: fmt.Sprintf("puppet%d", k), Listen: netip.AddrPortFrom(netip.IPv4Unspecified(), 0), Header: &h}
	if change != nil {
		change(&m)
	}
	q.send(m.Append(nil))
	theirs, _, err := readHello(q.br, maxHello, m.Header)
	if err != nil && !errors.Is(err, io.EOF) { // that is how one is turned away
		q.t.Errorf("puppet: %v", err)
	}
	q.hello = theirs
}

func full(h *wire.Hello) { h.Form = wire.Every }

func fullSeed(h *wire.Hello) { h.Form, h.Seed = wire.Every, true }

func (q *puppet) send(frames []byte) {
	if _, err := q.conn.Write(frames); err != nil {
		q.t.Errorf("puppet: %v", err)
	}
}

// next is the next frame of one of the wanted types; others are skipped.
func (q *puppet) next(want ...wire.Type) (wire.Type, []byte) {
	q.t.Helper()
	for {
		t, p, err := wire.ReadFrame(q.br, nil)
		if err != nil {
			q.t.Fatalf("puppet waits for %v: %v", want, err)
		}
		for _, w := range want {
			if t == w {
				return t, p
			}
		}
	}
}

// ended waits for the end of the session, and returns the last BYE's reason.
func (q *puppet) ended() (bye byte) {
	for {
		t, p, err := wire.ReadFrame(q.br, nil)
		if err != nil {
			_ = q.conn.Close()
			return bye
		}
		if t == wire.TBye {
			bye = p[0]
		}
	}
}
