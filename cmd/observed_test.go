package cmd

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/bubble"
	"p2pcp/swarm"
	"p2pcp/swarm/wire"
)

// fakeHolder is a member with or without the Manifest.
type fakeHolder struct {
	content *blocks.Content
	err     error
	peers   []wire.Peer
	closed  *int
}

func (h fakeHolder) Content() (*blocks.Content, error) { return h.content, h.err }
func (h fakeHolder) Peers() []wire.Peer                { return h.peers }

func (h fakeHolder) Close() error {
	*h.closed++
	return nil
}

func TestContentSearch(t *testing.T) {
	content := new(blocks.Content)
	closed := 0
	empty := fakeHolder{err: swarm.ErrNoManifest, closed: &closed}
	full := fakeHolder{content: content, closed: &closed}
	knows := empty
	knows.peers = []wire.Peer{{Addr: fakeAddr(5), Gone: true}, {Addr: netip.AddrPortFrom(fakeAddr(5).Addr(), 0)}, {Addr: fakeAddr(2)}}
	bad := fakeHolder{err: blocks.ErrManifest, closed: &closed}
	for _, c := range []struct {
		name  string
		first fakeHolder
		dial  func(addr netip.AddrPort, since time.Duration) (manifestHolder, error)
		err   error
		code  int
	}{
		{"at once", full, nil, nil, 0},
		{"refused manifest", bad, nil, blocks.ErrManifest, exitIntegrity},
		{"of a member that the first one names", knows, func(addr netip.AddrPort, _ time.Duration) (manifestHolder, error) {
			switch addr {
			case fakeAddr(2):
				return full, nil
			case fakeAddr(1):
				return nil, errors.New("gone")
			}
			t.Errorf("%s dialed", addr)
			return empty, nil
		}, nil, 0},
		{"a second later", empty, func(_ netip.AddrPort, since time.Duration) (manifestHolder, error) {
			if since > time.Second {
				return full, nil
			}
			return empty, nil
		}, nil, 0},
		{"never", empty, func(netip.AddrPort, time.Duration) (manifestHolder, error) { return empty, nil }, swarm.ErrNoManifest, exitNobody},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				begin, dials := time.Now(), 1
				closed = 0
				s := contentSearch{addrs: []netip.AddrPort{fakeAddr(1)}, patience: manifestPatience}
				s.dial = func(_ context.Context, addr netip.AddrPort) (manifestHolder, error) {
					h, err := c.dial(addr, time.Since(begin))
					if err == nil {
						dials++
					}
					return h, err
				}
				got, err := s.run(t.Context(), c.first)
				if !errors.Is(err, c.err) || (err == nil) != (got == content) {
					t.Fatalf("got %v, %v", got, err)
				}
				if err != nil && classify(err).code != c.code {
					t.Errorf("code %d", classify(err).code)
				}
				if closed != dials {
					t.Errorf("%d closed of %d", closed, dials)
				}
				if d := time.Since(begin); d > manifestPatience+time.Second {
					t.Errorf("took %s", d)
				}
			})
		})
	}
}

// TestContentSearchEndsWithContext: within a pause.
func TestContentSearchEndsWithContext(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		closed := 0
		empty := fakeHolder{err: swarm.ErrNoManifest, closed: &closed}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s := contentSearch{addrs: []netip.AddrPort{fakeAddr(1)}, patience: time.Hour}
		s.dial = func(context.Context, netip.AddrPort) (manifestHolder, error) { return empty, nil }
		if _, err := s.run(ctx, empty); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
