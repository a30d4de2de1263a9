package cmd

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"p2pcp/swarm"

	"github.com/spf13/cobra"
)

// Times of a live view.
const (
	topFrame  = 700 * time.Millisecond // for a look: who answers later counts in the next one
	topRecent = 3 * time.Second        // as long what a member said last stands
)

func newTopCmd(a *app) *cobra.Command {
	f := statusFlags{watch: true}
	c := &cobra.Command{
		Use:   "top TICKET|-|@FILE",
		Short: "Watch a swarm live, the slowest hosts first",
		Long: "top is 'status --watch': every host, redrawn each second on a terminal, failed\n" +
			"and lost hosts first, then those that stand still, then the slowest; complete\n" +
			"ones are folded. A host is stalled when nothing has come for 10 s, silent when\n" +
			"it doesn't answer, and lost when the seed has given it up.",
		Example: "  p2pcp top $T",
		Args:    wantArgs(1, 1, "a TICKET"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.status(args[0], &f) },
	}
	f.register(c)
	return c
}

// keeper asks members over connections that it keeps: for a live view of hundreds, greeting each of them each second would be most of
// the work. Safe for concurrent use.
type keeper struct {
	dial func(ctx context.Context, addr netip.AddrPort) (*swarm.Observer, error)

	mu   sync.Mutex
	open map[netip.AddrPort]*swarm.Observer // not in use
}

// use runs ask with the connection to addr, a new one where there is none or the old one fails.
func (k *keeper) use(ctx context.Context, addr netip.AddrPort, ask func(*swarm.Observer) error) error {
	k.mu.Lock()
	o := k.open[addr]
	delete(k.open, addr)
	k.mu.Unlock()
	for again := o != nil; ; again = false {
		if o == nil {
			var err error
			if o, err = k.dial(ctx, addr); err != nil {
				return err
			}
		} else {
			o.Within(ctx)
		}
		err := ask(o)
		if err == nil {
			break
		}
		_ = o.Close()
		if o = nil; !again || ctx.Err() != nil {
			return err
		}
	}
	o.Within(context.Background())
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open[addr] != nil {
		_ = k.open[addr].Close()
	}
	k.open[addr] = o
	return nil
}

// close gives all connections up.
func (k *keeper) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for addr, o := range k.open {
		_ = o.Close()
		delete(k.open, addr)
	}
}

// memory is what members said last, for a live view: who doesn't answer in time isn't gone at once, and isn't forgotten. Not safe for
// concurrent use.
type memory map[string]remembered

type remembered struct {
	sighting
	at time.Time
}

// complete adds to a survey whom it lacks: as it was, if that is recent or it was complete, else as silent.
func (m memory) complete(now time.Time, s *survey) {
	here := map[string]bool{}
	for _, seen := range s.members {
		here[seen.member] = true
		m[seen.member] = remembered{seen, now}
	}
	s.silent = slices.DeleteFunc(s.silent, func(x silentMember) bool { _, known := m[x.member]; return known })
	for member, r := range m {
		switch whole := r.report.State == "linger"; {
		case here[member]:
		case now.Sub(r.at) < topRecent || whole && r.report.Role != "seed":
			r.report.DownRate, r.report.UpRate = 0, 0
			s.members = append(s.members, r.sighting)
		default:
			s.silent = append(s.silent, silentMember{member, r.addr, r.report.Role == "seed"})
		}
	}
	slices.SortFunc(s.members, func(a, b sighting) int { return strings.Compare(a.member, b.member) })
	slices.SortFunc(s.silent, func(a, b silentMember) int { return strings.Compare(a.member, b.member) })
}

// annotate says of silent hosts how far they were, and for how long they have said nothing.
func (m memory) annotate(now time.Time, hosts []hostStatus) {
	for i := range hosts {
		h := &hosts[i]
		r, known := m[h.Member]
		if h.Address != "" || h.over() || !known {
			continue
		}
		if r.report.State != "manifest" && r.report.Blocks > 0 {
			h.Done = min(1, float64(r.report.BlocksHave)/float64(r.report.Blocks))
		}
		h.State, h.Note = "silent", fmt.Sprintf("no answer for %s", formatLeft(now.Sub(r.at)))
	}
}
