package swarm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

const nodeBlock = 16 << 10

// goods is content to be moved: one large file of 20 Blocks and a bit, small ones in packed Blocks, and what every Block must hold.
type goods struct {
	*blocks.Content
	bytes [][]byte // by Index
	all   *blocks.Bitfield
}

func newGoods(t testing.TB, large int) *goods {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) []byte {
		p := make([]byte, n)
		for k := range p {
			p[k] = byte(random.Uint32())
		}
		return p
	}
	files := map[blocks.Root][]byte{}
	m := &blocks.Manifest{Name: "goods", Entries: []blocks.Entry{{Kind: blocks.Dir, Mode: 0o755}}}
	var trees []*blocks.Tree
	add := func(path string, p []byte) {
		tree, zeros, err := blocks.BuildTree(bytes.NewReader(p), uint64(len(p)), nodeBlock, nil)
		if err != nil {
			t.Fatal(err)
		}
		m.Entries = append(m.Entries, blocks.Entry{
			Kind: blocks.File, Path: path, Mode: 0o644, Size: uint64(len(p)), Root: tree.Root(), Zeros: zeros,
		})
		if len(p) > nodeBlock {
			trees = append(trees, tree)
		}
		files[tree.Root()] = p
	}
	add("large", noise(large*nodeBlock+777))
	for k := range 9 {
		add(fmt.Sprintf("small %d", k), noise(5000+k))
	}
	m.Sort()
	raw := m.Append(nil)
	h := blocks.Header{
		BlockSize: nodeBlock, Dir: true, Entries: uint32(len(m.Entries)), Bytes: m.Bytes(),
		ManifestSize: uint64(len(raw)), ManifestRoot: blocks.Sum(raw),
	}
	l, err := blocks.NewLayout(m, nodeBlock, h.ManifestBlocks())
	if err != nil {
		t.Fatal(err)
	}
	h.Blocks = l.Blocks()
	c, err := blocks.SealContent(h, m, raw, trees)
	if err != nil {
		t.Fatal(err)
	}
	g := &goods{Content: c, bytes: make([][]byte, h.Blocks), all: l.Wanted()}
	for i := range blocks.Index(h.Blocks) {
		if uint32(i) < h.ManifestBlocks() {
			g.bytes[i] = make([]byte, c.BlockLen(i))
			if err := c.ReadManifest(i, 0, g.bytes[i]); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for _, s := range l.Slices(nil, i) {
			g.bytes[i] = append(g.bytes[i], files[m.Entries[s.Entry].Root][s.Offset:s.Offset+uint64(s.Length)]...)
		}
	}
	return g
}

// shelf is a Store, or a seed's Source, in memory. It refuses bytes that aren't the goods'. Safe for concurrent use.
type shelf struct {
	t     testing.TB
	goods *goods
	claim func(ctx context.Context, fetch blocks.TreeFetcher, has, lacks func(blocks.Index)) error

	mu     sync.Mutex
	held   [][]byte
	rotten map[blocks.Index]error // reading it gives this, or wrong bytes if nil
	broken error                  // of writing
	gate   chan struct{}          // a write waits for it to be closed; nil: it doesn't
	writes int
}

func (g *goods) shelf(t testing.TB, full bool) *shelf {
	s := &shelf{t: t, goods: g, held: make([][]byte, len(g.bytes)), rotten: map[blocks.Index]error{}}
	if full {
		copy(s.held, g.bytes)
	}
	return s
}

func (s *shelf) ReadBlock(i blocks.Index, offset uint32, p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int(i) >= len(s.held) || int(offset)+len(p) > len(s.held[i]) {
		return errors.New("not on the shelf")
	}
	copy(p, s.held[i][offset:])
	if err, ok := s.rotten[i]; ok {
		p[0] ^= 1
		return err
	}
	return nil
}

func (s *shelf) WriteBlock(i blocks.Index, p []byte) error {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !bytes.Equal(p, s.goods.bytes[i]) {
		s.t.Errorf("block %d: wrong bytes were written", i)
	}
	s.writes++
	if s.broken != nil {
		return s.broken
	}
	s.held[i] = bytes.Clone(p)
	return nil
}

func (s *shelf) Forget(i blocks.Index) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[i] = nil
	return nil
}

func (s *shelf) Check(ctx context.Context, fetch blocks.TreeFetcher, has, lacks func(blocks.Index)) error {
	return s.claim(ctx, fetch, has, lacks)
}

// lacking counts the content Blocks that aren't held.
func (s *shelf) lacking() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := s.goods.Header().ManifestBlocks(); i < uint32(len(s.held)); i++ {
		if s.held[i] == nil {
			n++
		}
	}
	return n
}

func (s *shelf) written() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

func addrOfHost(k int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(k / 250), byte(1 + k%250)}), 7700)
}

// node is a Swarm on a memNet.
type node struct {
	*Swarm
	t    *testing.T
	addr netip.AddrPort
	net  *memNet
	disk *shelf
	stop context.CancelFunc
	done chan struct{} // closed when Run has returned
	err  error         // what it returned
}

// newNode makes a node that listens and isn't running. A seed is one without bootstrap addresses.
func newNode(t *testing.T, n *memNet, g *goods, k int, change func(*Config)) *node {
	t.Helper()
	p := &node{t: t, addr: addrOfHost(k), net: n, done: make(chan struct{})}
	cfg := Config{
		Core: CoreConfig{
			Self: fmt.Sprintf("host%03d-0000000%d", k, k%10), ID: g.ID(), RandSeed: [2]uint64{uint64(k), 7},
			Linger: Linger{Mode: LingerFor, Idle: 5 * time.Second},
		},
		Net: memHost{n, p.addr}, Listen: netip.AddrPortFrom(netip.IPv4Unspecified(), 7700), Host: "host",
	}
	if change != nil {
		change(&cfg)
	}
	p.disk = g.shelf(t, cfg.Core.Seed)
	if cfg.Core.Seed {
		cfg.Core.Have, cfg.Content, cfg.Source = g.all, g.Content, p.disk
	} else {
		open := cfg.Open
		cfg.Open = func(ctx context.Context, c *blocks.Content) (Opening, error) {
			if open != nil {
				return open(ctx, c)
			}
			return Opening{Store: p.disk}, nil
		}
		if cfg.Place == nil {
			cfg.Place = func(context.Context) error { return nil }
		}
	}
	p.Swarm = New(cfg)
	n.listen(p.addr, p.Accept)
	return p
}

// start runs it until the test, or stop, ends it.
func (p *node) start() *node {
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() {
		defer close(p.done)
		p.err = p.Run(ctx)
		p.net.listen(p.addr, nil)
	}()
	return p
}

// end stops it and waits.
func (p *node) end() error {
	p.stop()
	<-p.done
	return p.err
}

func asSeed(c *Config) { c.Core.Seed = true }

// knows gives the bootstrap addresses of hosts.
func knows(hosts ...int) func(*Config) {
	return func(c *Config) {
		for _, k := range hosts {
			c.Bootstrap = append(c.Bootstrap, addrOfHost(k))
		}
	}
}

// only is the single session of p.
func (p *node) only() *session {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sessions) != 1 {
		p.t.Fatalf("%d sessions", len(p.sessions))
	}
	for _, ss := range p.sessions {
		return ss
	}
	return nil
}

func (p *node) sessionCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sessions)
}

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
	theirs, _, err := readHello(q.br, maxHello)
	if err != nil {
		q.t.Errorf("puppet: %v", err)
	}
	q.hello = theirs
}

func full(h *wire.Hello)     { h.Form = wire.Every }
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

// block is the frames of a whole Block.
func (g *goods) block(i blocks.Index) []byte {
	return append(g.begin(i), g.data(i, 0, len(g.bytes[i]))...)
}

// begin is its BLOCK frame.
func (g *goods) begin(i blocks.Index) []byte {
	req := wire.Request{Index: i, Length: uint32(len(g.bytes[i]))}
	proof, ok := g.Proof(nil, i, 0, req.Length, nil, nil)
	if !ok {
		panic("no proof")
	}
	return wire.Block{Request: req, Proof: proof}.Append(nil)
}

// data is a DATA frame of bytes [from, to) of Block i.
func (g *goods) data(i blocks.Index, from, to int) []byte {
	return append(wire.AppendDataHead(nil, i, uint32(from), to-from), g.bytes[i][from:to]...)
}
