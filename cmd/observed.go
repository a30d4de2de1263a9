package cmd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/seed"
	"p2pcp/swarm"
	"p2pcp/swarm/wire"

	"github.com/spf13/cobra"
)

// observerFlags are those of the commands that look at a swarm and are no members: status, ls, verify, ping.
type observerFlags struct {
	join    []string // HOST:PORT
	keyFile string
}

func (f *observerFlags) register(c *cobra.Command) {
	c.Flags().SortFlags = false
	c.Flags().StringArrayVar(&f.join, "join", nil, "ask this member (`HOST:PORT`) too; repeatable")
	c.Flags().StringVar(&f.keyFile, "key-file", "", "take the key from `FILE`, not from the ticket")
	markFile(c, "key-file")
}

func (f *observerFlags) check() error { return checkAddresses("", nil, f.join) }

// again is a get of the ticket that was given as word; a ticket is a secret, and isn't repeated.
func (f *observerFlags) again(word string) string {
	if !strings.HasPrefix(word, "@") {
		word = "TICKET"
	}
	command := "p2pcp get " + shellWord(word)
	if f.keyFile != "" {
		command += " --key-file " + shellWord(f.keyFile)
	}
	return command
}

// observed is a swarm as an observer finds it.
type observed struct {
	ticket  seed.Ticket
	secrets port.Secrets
	addrs   []netip.AddrPort // at least one, each once: --join's, then the ticket's
}

// observed resolves a ticket argument to where its swarm may be found.
func (a *app) observed(word string, f *observerFlags) (*observed, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	t, secret, err := a.ticketAndSecret(word, f.keyFile)
	if err != nil {
		return nil, err
	}
	addrs, err := a.bootstrapAddrs(a.ctx, t, f.join, 0)
	if err != nil {
		return nil, err
	}
	return &observed{ticket: t, secrets: secretsOf(t, secret), addrs: distinct(addrs)}, nil
}

// tellsMore gives the error that says more about why nobody answered: silence (a wrong key) or another version before the rest.
func tellsMore(worst, err error) error {
	if worst == nil || errors.Is(err, port.ErrSilent) || errors.Is(err, port.ErrVersion) {
		return err
	}
	return worst
}

// nobody is the error for a swarm in which nobody answered, with what says most about it.
func nobody(worst error) error {
	if errors.Is(worst, port.ErrSilent) || errors.Is(worst, port.ErrVersion) {
		return worst
	}
	return fmt.Errorf("%w: %w", swarm.ErrNobody, worst)
}

// Patience of the search for a member that has the list of files: a swarm that just began has spread it within a second or so.
const (
	manifestPatience = 5 * time.Second
	manifestPause    = 300 * time.Millisecond
)

// manifestHolder is a *swarm.Observer as the search for the Manifest needs it.
type manifestHolder interface {
	Content() (*blocks.Content, error)
	Peers() []wire.Peer
	Close() error
}

// content fetches the Manifest, from whoever has it.
func (o *observed) content(ctx context.Context) (*blocks.Content, error) {
	d := dialer{o.secrets}
	first, err := raceObserve(ctx, d, o.ticket.ID, o.addrs)
	if err != nil {
		return nil, err
	}
	search := contentSearch{
		addrs: o.addrs, patience: manifestPatience,
		dial: func(ctx context.Context, addr netip.AddrPort) (manifestHolder, error) {
			return swarm.Observe(ctx, d, addr, o.ticket.ID, memberName())
		},
	}
	return search.run(ctx, first)
}

// contentSearch asks one member after the other for the Manifest.
type contentSearch struct {
	addrs    []netip.AddrPort // grows by what is learned
	patience time.Duration
	dial     func(ctx context.Context, addr netip.AddrPort) (manifestHolder, error)
}

// run goes around, beginning with who answered first, until someone has the Manifest or patience ends.
func (s *contentSearch) run(ctx context.Context, first manifestHolder) (*blocks.Content, error) {
	end := time.Now().Add(s.patience)
	c, last := s.take(first)
	for {
		for k := 0; k < len(s.addrs); k++ {
			switch {
			case last == nil || errors.Is(last, blocks.ErrManifest):
				return c, last
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case time.Now().After(end):
				return nil, exitf(exitNobody, "try again in a moment", "nobody reached has the list of files: %w", last)
			}
			h, err := s.dial(ctx, s.addrs[k])
			if err == nil {
				c, last = s.take(h)
			}
		}
		if last != nil {
			sleep(ctx, manifestPause)
		}
	}
}

// take asks one member, and learns of others from it.
func (s *contentSearch) take(h manifestHolder) (*blocks.Content, error) {
	defer h.Close()
	for _, p := range h.Peers() {
		if !p.Gone && p.Addr.Port() != 0 {
			s.addrs = append(s.addrs[:len(s.addrs):len(s.addrs)], p.Addr)
		}
	}
	s.addrs = distinct(s.addrs)
	return h.Content()
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

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
