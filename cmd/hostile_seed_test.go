package cmd

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/seed"
	"p2pcp/swarm"
)

// fakeSource is what a hostile seed sends beyond its Manifest: zeros.
type fakeSource struct{}

// ReadBlock implements swarm.Reader.
func (fakeSource) ReadBlock(_ blocks.Index, _ uint32, p []byte) error {
	clear(p)
	return nil
}

// emptyFile is an Entry that needs no Block.
func emptyFile(path string) blocks.Entry {
	return blocks.Entry{Kind: blocks.File, Path: path, Mode: 0o644, Root: blocks.Sum(nil)}
}

func someDir(path string) blocks.Entry {
	return blocks.Entry{Kind: blocks.Dir, Path: path, Mode: 0o755}
}

func symlink(path, to string) blocks.Entry {
	return blocks.Entry{Kind: blocks.Symlink, Path: path, Link: to, Mode: 0o777}
}

// seedAnything serves whatever a Manifest says, by the real engine on a real port: seed itself would refuse to. Its Header and Root are
// right for the bytes, which change may have made bad. It returns the ticket.
func seedAnything(t *testing.T, m *blocks.Manifest, change func(b []byte) []byte) string {
	t.Helper()
	b := m.Append(nil)
	if change != nil {
		b = change(b)
	}
	h := blocks.Header{
		BlockSize: 64 << 10, Dir: len(m.Entries) > 0 && m.Entries[0].Kind == blocks.Dir, Entries: uint32(len(m.Entries)),
		ManifestSize: uint64(len(b)), ManifestRoot: blocks.Sum(b), Bytes: m.Bytes(),
	}
	layout, err := blocks.NewLayout(m, h.BlockSize, h.ManifestBlocks())
	if err != nil {
		t.Fatal(err)
	}
	h.Blocks = layout.Blocks()
	c, err := blocks.SealContent(h, m, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	bound, err := port.Listen(t.Context(), port.Config{Listen: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	word := seed.Ticket{ID: c.ID(), Key: seed.NewKey(), Addrs: []netip.AddrPort{bound.Addr()}}
	have := blocks.NewBitfield(h.Blocks)
	have.SetSpan(blocks.Span{Count: h.Blocks})
	bad := bindMember(bound, memberConfig{
		id: c.ID(), secrets: secretsOf(word, word.Key), seed: true, self: bound.Addr(), log: slog.New(slog.DiscardHandler),
		swarm: swarm.Config{Core: swarm.CoreConfig{Have: have, RandSeed: randSeed()}, Content: c, Source: fakeSource{}},
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = bad.run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return word.String()
}
