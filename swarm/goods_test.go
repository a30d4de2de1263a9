package swarm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"p2pcp/blocks"
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

func (g *goods) shelf(t testing.TB, full bool) *shelf {
	s := &shelf{t: t, goods: g, held: make([][]byte, len(g.bytes)), rotten: map[blocks.Index]error{}}
	if full {
		copy(s.held, g.bytes)
	}
	return s
}
