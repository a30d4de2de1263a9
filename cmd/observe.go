package cmd

import (
	"context"
	"net/netip"

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
