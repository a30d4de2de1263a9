package cmd

import (
	"context"
	"net/netip"
	"time"

	"p2pcp/seed"
)

// lookupPause is the time between two tries to find a name.
const lookupPause = time.Second

// bootstrap finds where a swarm may be: --join, each name with all of its addresses, then the ticket's. A name that isn't known is
// skipped where there is another address: a service's has none before its first member is up.
type bootstrap struct {
	resolve  func(ctx context.Context, list []string) ([]netip.AddrPort, error)
	patience time.Duration // for names, where nothing else is known
	warn     func(format string, args ...any)
}

// bootstrapAddrs is bootstrap.find with this host's resolver.
func (a *app) bootstrapAddrs(ctx context.Context, t seed.Ticket, join []string, patience time.Duration) ([]netip.AddrPort, error) {
	return bootstrap{resolveAll, patience, a.warn}.find(ctx, t, join)
}

func (b bootstrap) find(ctx context.Context, t seed.Ticket, join []string) ([]netip.AddrPort, error) {
	if len(join)+len(t.Addrs) == 0 {
		return nil, usagef("name a living member with --join HOST:PORT", "this ticket names no address")
	}
	for begun := time.Now(); ; {
		var list []netip.AddrPort
		var unknown error
		for _, name := range join {
			addrs, err := b.resolve(ctx, []string{name})
			switch {
			case err == nil:
				list = append(list, addrs...)
			case classify(err).code == exitUsage || ctx.Err() != nil:
				return nil, err
			default:
				unknown = err
			}
		}
		list = append(list, t.Addrs...)
		switch {
		case len(list) > 0:
			if unknown != nil {
				b.warn("%v: trying the other addresses", unknown)
			}
			return list, nil
		case time.Since(begun) >= b.patience:
			return nil, unknown
		}
		sleep(ctx, lookupPause)
	}
}
