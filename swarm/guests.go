package swarm

import (
	"io"
	"net/netip"
	"slices"
	"sync"
)

// Places for connections that have passed the handshake and are no sessions (yet).
const (
	maxGreeting = 256 // HELLO under way
	maxObserver = 32
)

// guests are connections in a bounded number of places, shared out by source (crowder). Safe for concurrent use.
type guests struct {
	max int

	mu   sync.Mutex // guards what follows
	here []*guest   // in order of arrival
}

type guest struct {
	source netip.Addr
	conn   io.Closer
}

// enter takes a place for conn, if need be that of another, which is closed; nil if there is none. leave gives it back.
func (g *guests) enter(source netip.Addr, conn io.Closer) *guest {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.here) >= g.max {
		sources := make([]netip.Addr, len(g.here))
		for k, o := range g.here {
			sources[k] = o.source
		}
		k := crowder(sources, source)
		if k < 0 {
			return nil
		}
		closeQuietly(g.here[k].conn)
		g.here = slices.Delete(g.here, k, k+1)
	}
	v := &guest{source, conn}
	g.here = append(g.here, v)
	return v
}

func (g *guests) leave(v *guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.here = slices.DeleteFunc(g.here, func(o *guest) bool { return o == v })
}
