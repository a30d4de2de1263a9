package cmd

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"p2pcp/seed"
	"p2pcp/swarm"

	"github.com/spf13/cobra"
)

// Times of --watch.
const (
	watchPeriod   = time.Second      // between two looks on a terminal
	watchPatience = 30 * time.Second // without an answer, once there was one
)

// ticketMembers is how many members a ticket of --ticket names.
const ticketMembers = 3

// statusFlags are those of 'p2pcp status'.
type statusFlags struct {
	observerFlags
	watch  bool
	plain  bool
	ticket bool
}

func newStatusCmd(a *app) *cobra.Command {
	var f statusFlags
	c := &cobra.Command{
		Use:   "status TICKET|-|@FILE",
		Short: "Show who is how far",
		Long: "status asks every member of a swarm and prints who is how far, the slowest\n" +
			"first, with what the seeds know of hosts that are gone. --watch goes on until it\n" +
			"is interrupted: redrawn each second on a terminal, elsewhere a line each\n" +
			"--progress-interval. When the seed is gone, --ticket prints a ticket that names\n" +
			"members which still have content.",
		Example: "  p2pcp status --watch $T\n  T=$(p2pcp status --ticket --join node7:7799 $T)",
		Args:    wantArgs(1, 1, "a TICKET"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.status(args[0], &f) },
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVarP(&f.watch, "watch", "w", false, "go on until interrupted")
	c.Flags().BoolVar(&f.plain, "plain", false, "tab separated values, a line each host")
	c.Flags().BoolVar(&f.ticket, "ticket", false, "print a ticket that names three living members")
	f.register(c)
	return c
}

// status runs status and top.
func (a *app) status(word string, f *statusFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	o, err := a.observed(word, &f.observerFlags)
	if err != nil {
		return err
	}
	r := &statusRun{app: a, flags: f, swarm: o, crawler: newCrawler(o)}
	if f.watch {
		r.crawler.patience = topFrame
		defer r.crawler.keep.close()
		return r.watch()
	}
	return r.once()
}

func (f *statusFlags) check() error {
	switch {
	case f.watch && f.plain:
		return usagef("--json and --watch go together", "--plain and --watch exclude each other")
	case f.ticket && (f.watch || f.plain):
		return usagef("", "--ticket excludes --watch and --plain")
	}
	return f.observerFlags.check()
}

// statusRun is one run of status.
type statusRun struct {
	app     *app
	flags   *statusFlags
	swarm   *observed
	crawler *crawler
	frame   []string // that --watch shows on a terminal
	memory  memory   // of --watch
}

// once looks once and prints.
func (r *statusRun) once() error {
	a := r.app
	s, err := r.crawler.survey(a.ctx, r.swarm.addrs)
	if err != nil {
		return err
	}
	s.distrust(r.swarm.addrs)
	if r.flags.ticket {
		return r.freshTicket(s)
	}
	m := mergeSurvey(r.swarm.ticket.ID, s)
	switch {
	case a.json:
		return a.result("", m)
	case r.flags.plain:
		return a.result(m.tsv(), nil)
	}
	return a.result(strings.Join(m.lines(a.stdoutStyle()), "\n"), nil)
}

// stdoutStyle is what stdout can show.
func (a *app) stdoutStyle() fleetStyle {
	return detectTerminal(a.stdout.file, a.env).style()
}

// watch looks again and again until it is interrupted, or nobody answers for watchPatience.
func (r *statusRun) watch() error {
	a := r.app
	live, period := a.pace(watchPeriod)
	defer r.leave()
	addrs, answered := r.swarm.addrs, time.Time{}
	r.memory = memory{}
	for {
		begun := time.Now()
		s, err := r.crawler.survey(a.ctx, addrs)
		switch {
		case err == nil:
			answered = time.Now()
			s.distrust(r.swarm.addrs)
			addrs = distinct(append(slices.Clone(r.swarm.addrs), s.addrs()...))
			r.memory.complete(answered, &s)
			m := mergeSurvey(r.swarm.ticket.ID, s)
			r.memory.annotate(answered, m.Hosts)
			if err := r.show(m, live); err != nil {
				return err
			}
		case a.ctx.Err() != nil, time.Since(answered) > watchPatience, !errors.Is(err, swarm.ErrNobody):
			return err
		}
		sleep(a.ctx, max(period-time.Since(begun), watchPeriod/4))
		if a.ctx.Err() != nil {
			return context.Cause(a.ctx)
		}
	}
}

// show shows one moment of --watch.
func (r *statusRun) show(m statusMessage, live bool) error {
	a := r.app
	if !live {
		return a.result(m.line(time.Now()), m)
	}
	r.frame = m.lines(a.term.frame(math.MaxInt))
	a.screen.show(r.frame)
	return a.stderr.failure()
}

// leave lets the last frame of --watch stand.
func (r *statusRun) leave() {
	r.app.screen.clear()
	if r.frame != nil {
		r.app.screen.message(strings.Join(r.frame, "\n"))
	}
}

// addrs are where the members answered, so that a look can begin with any of them: those of the ticket may be gone.
func (s *survey) addrs() []netip.AddrPort {
	list := make([]netip.AddrPort, len(s.members))
	for i := range s.members {
		list[i] = s.members[i].addr
	}
	return list
}

// freshTicket prints the ticket with the addresses of members that live.
func (r *statusRun) freshTicket(s survey) error {
	t := seed.Ticket{
		Encrypted: r.swarm.ticket.Encrypted, ID: r.swarm.ticket.ID, Key: r.swarm.ticket.Key, Addrs: livingAddrs(s),
	}
	if len(t.Addrs) == 0 {
		return exitf(exitNobody, "somebody has to seed it again", "nobody who answers has any content")
	}
	return r.app.result(t.String(), ticketPublicMessage{"ticket", t.String()})
}

// livingAddrs are the addresses of up to ticketMembers members that answered and hold something: seeds, which stay longest,
// then those with the most.
func livingAddrs(s survey) []netip.AddrPort {
	var holders []sighting
	for _, m := range s.members {
		if m.report.Role == "seed" || m.report.State != "manifest" && m.report.BlocksHave > 0 {
			holders = append(holders, m)
		}
	}
	rank := func(m sighting) float64 {
		if m.report.Role == "seed" {
			return 2
		}
		return float64(m.report.BlocksHave) / float64(max(m.report.Blocks, 1))
	}
	slices.SortStableFunc(holders, func(a, b sighting) int { return cmp.Compare(rank(b), rank(a)) })
	var list []netip.AddrPort
	for _, m := range holders[:min(len(holders), ticketMembers)] {
		list = append(list, s.reachable(m))
	}
	return list
}

// reachable is where others can dial a member: where it answered us, unless that is this host's own loopback and somebody
// knows better.
func (s *survey) reachable(m sighting) netip.AddrPort {
	if !m.addr.Addr().IsLoopback() {
		return m.addr
	}
	for _, other := range s.members {
		for _, named := range other.report.Members {
			if addr, err := netip.ParseAddrPort(named.Addr); err == nil && named.Member == m.member && !addr.Addr().IsLoopback() {
				return addr
			}
		}
	}
	return m.addr
}
