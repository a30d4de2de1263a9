package cmd

import (
	"context"
	"net/netip"
	"sync"

	"p2pcp/blocks"
	"p2pcp/swarm"
)

// raceObserve dials all addresses at once; the first that answers wins. The others end by themselves within the dial's time. The
// caller closes it.
func raceObserve(ctx context.Context, d dialer, id blocks.Root, addrs []netip.AddrPort) (*swarm.Observer, error) {
	type outcome struct {
		o   *swarm.Observer
		err error
	}
	results := make(chan outcome, len(addrs))
	name := memberName()
	for _, addr := range addrs {
		go func() {
			o, err := swarm.Observe(ctx, d, addr, id, name)
			results <- outcome{o, err}
		}()
	}
	var worst error
	for n := len(addrs); n > 0; n-- {
		r := <-results
		if r.err == nil {
			go func() {
				for range n - 1 {
					if late := <-results; late.o != nil {
						_ = late.o.Close()
					}
				}
			}()
			return r.o, nil
		}
		worst = tellsMore(worst, r.err)
	}
	return nil, nobody(worst)
}

// contentOnce fetches the Manifest from the first member that has it, if it is small. Safe for concurrent use.
type contentOnce struct {
	mu      sync.Mutex
	busy    bool
	content *blocks.Content
}

func (c *contentOnce) fetch(o *swarm.Observer) {
	h := o.Header()
	c.mu.Lock()
	if c.busy || c.content != nil || h == nil || h.ManifestSize > cheapManifest {
		c.mu.Unlock()
		return
	}
	c.busy = true
	c.mu.Unlock()
	content, err := o.Content()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
	if err == nil {
		c.content = content
	}
}

func (c *contentOnce) get() *blocks.Content {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.content
}
