package cmd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/seed"
	"p2pcp/swarm"
)

// observe connects as an observer to the first of a ticket's addresses that answers, or of those that were named besides. The
// caller closes it.
func (a *app) observe(ctx context.Context, t seed.Ticket, secret []byte, join []string) (*swarm.Observer, error) {
	addrs, err := bootstrapAddrs(ctx, t, join)
	if err != nil {
		return nil, err
	}
	return raceObserve(ctx, dialer{port.Derive(secret, t.ID)}, t.ID, addrs)
}

// raceObserve dials all addresses at once; the first that answers wins. The others end by themselves within the dial's time.
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
		if worst == nil || errors.Is(r.err, port.ErrSilent) || errors.Is(r.err, port.ErrVersion) {
			worst = r.err
		}
	}
	if errors.Is(worst, port.ErrSilent) || errors.Is(worst, port.ErrVersion) {
		return nil, worst
	}
	return nil, fmt.Errorf("%w: %w", swarm.ErrNobody, worst)
}

// observeContent fetches the Manifest as an observer.
func (a *app) observeContent(ctx context.Context, t seed.Ticket, secret []byte, join []string) (*blocks.Content, error) {
	o, err := a.observe(ctx, t, secret, join)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	return o.Content()
}
