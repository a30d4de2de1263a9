package cmd

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"p2pcp/swarm"

	"github.com/spf13/cobra"
)

// Times of wait.
const (
	waitPeriod  = 500 * time.Millisecond // between two looks at the seeds
	waitConfirm = 3 * time.Second        // between two looks at everybody, while all that is missing is lost
)

// waitFlags are those of 'p2pcp wait'.
type waitFlags struct {
	observerFlags
	expect  int           // at least so many; 0: not said
	timeout time.Duration // 0: none
}

func newWaitCmd(a *app) *cobra.Command {
	var f waitFlags
	c := &cobra.Command{
		Use:   "wait TICKET|-|@FILE",
		Short: "Wait until every host that began has a result; the verdict",
		Long: "wait looks at a swarm until every host that has begun is complete, has failed or\n" +
			"is lost, and with -n until there are at least N of them. It prints the verdict\n" +
			"and returns the worst host's exit code: 6 for one that is lost, 3 at --timeout\n" +
			"or where nobody has begun. The seed must outlast it.",
		Example: "  T=$(p2pcp seed -d big.tar)\n" +
			"  for h in $(cat hosts); do ssh $h p2pcp get --no-wait $T -o /data/; done\n" +
			"  p2pcp wait $T",
		Args: wantArgs(1, 1, "a TICKET"),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("expect") && f.expect < 1 {
				return usagef("", "--expect is at least 1")
			}
			o, err := a.observed(args[0], &f.observerFlags)
			if err != nil {
				return err
			}
			return newWaitRun(a, &f, o).run()
		},
	}
	c.Flags().SortFlags = false
	c.Flags().IntVarP(&f.expect, "expect", "n", 0, "wait for at least `N` hosts")
	c.Flags().Var(newDurationValue(&f.timeout), "timeout", "give up after this time (exit 3)")
	f.register(c)
	return c
}

// waitRun is one run of wait: an observer that asks the seeds for their Ledgers. Whom they take for lost is asked before that counts.
type waitRun struct {
	app    *app
	flags  *waitFlags
	swarm  *observed
	seeds  *crawler // asks only seeds
	all    *crawler // asks everybody
	memory map[[3]string]hostStatus
	asked  time.Time // when everybody was asked last
	sure   bool      // who is lost was asked in the last look, or nobody is
	begun  time.Time
}

func newWaitRun(a *app, f *waitFlags, o *observed) *waitRun {
	w := &waitRun{app: a, flags: f, swarm: o, seeds: newCrawler(o), all: newCrawler(o), memory: map[[3]string]hostStatus{}, begun: time.Now()}
	w.seeds.seeds = true
	return w
}

// run looks until all is told, and prints the verdict.
func (w *waitRun) run() error {
	a := w.app
	ctx := a.ctx
	if w.flags.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, w.flags.timeout, errGoal)
		defer cancel()
	}
	shown := w.startDisplay()
	defer a.screen.clear()
	var last statusMessage
	addrs, answered := w.swarm.addrs, time.Time{}
	for {
		m, found, err := w.look(ctx, addrs)
		switch {
		case err == nil:
			last, answered = m, time.Now()
			addrs = distinct(append(slices.Clone(w.swarm.addrs), found...))
			shown(m)
			if len(m.Hosts) == 0 && w.flags.expect == 0 {
				return exitf(exitGoal, "-n N waits for N hosts", "nobody has begun")
			}
			if w.sure && w.settled(&m) {
				return w.verdict(m, nil)
			}
		case a.ctx.Err() != nil:
			return context.Cause(a.ctx)
		case ctx.Err() != nil: // told below
		case time.Since(answered) > watchPatience, !errors.Is(err, swarm.ErrNobody):
			if answered.IsZero() {
				return err
			}
			return w.verdict(last, err)
		}
		sleep(ctx, waitPeriod)
		if ctx.Err() != nil {
			return w.verdict(last, context.Cause(ctx))
		}
	}
}

// look is the swarm as its seeds know it. Whom they forgot, as a seed does that was started again, stays as it was.
func (w *waitRun) look(ctx context.Context, addrs []netip.AddrPort) (statusMessage, []netip.AddrPort, error) {
	s, err := w.seeds.survey(ctx, addrs)
	if err != nil {
		return statusMessage{}, nil, err
	}
	m := mergeSurvey(w.swarm.ticket.ID, s)
	if len(m.Seeds) == 0 {
		return statusMessage{}, nil, nobody(errors.New("no seed answers"))
	}
	w.recall(&m)
	w.sure = !w.doubtful(&m)
	if !w.sure && time.Since(w.asked) >= waitConfirm {
		w.asked, w.sure = time.Now(), true
		everybody, err := w.all.survey(ctx, addrs)
		if err != nil {
			return statusMessage{}, nil, err
		}
		w.confirm(&m, mergeSurvey(w.swarm.ticket.ID, everybody))
	}
	return m, s.addrs(), nil
}

// recall adds the rows of earlier looks that are missing, and remembers those of now.
func (w *waitRun) recall(m *statusMessage) {
	here := map[[3]string]bool{}
	for _, h := range m.Hosts {
		if h.Source != "" {
			here[h.key()] = true
			w.memory[h.key()] = h
		}
	}
	for key, h := range w.memory {
		if !here[key] {
			if !h.over() {
				h.State, h.Code, h.Note = "lost", exitNobody, "the seed knows no more of it"
			}
			m.Hosts = append(m.Hosts, h)
		}
	}
	m.recount()
}

// doubtful tells whether all that is missing is lost.
func (w *waitRun) doubtful(m *statusMessage) bool { return m.Lost > 0 && w.settled(m) }

// confirm takes who answers for alive, whatever a seed says.
func (w *waitRun) confirm(m *statusMessage, now statusMessage) {
	for i := range m.Hosts {
		h := &m.Hosts[i]
		if h.State != "lost" {
			continue
		}
		for _, other := range now.Hosts {
			if other.Member == h.Member && other.Address != "" {
				h.State, h.Code, h.Note, h.Done = other.State, 0, "", other.Done
			}
		}
	}
	m.recount()
}

// settled tells whether nothing is to be waited for.
func (w *waitRun) settled(m *statusMessage) bool {
	return m.Known >= max(1, w.flags.expect) && m.Done+m.Failed+m.Lost == m.Known
}

// verdict prints the table and returns the worst code. why is what ended the wait before all was told: errGoal for --timeout.
func (w *waitRun) verdict(m statusMessage, why error) error {
	a := w.app
	a.screen.clear()
	m.Type, m.Code = "verdict", worstCode(m.fleet())
	if m.ID != "" {
		if err := a.result(strings.Join(m.lines(a.stdoutStyle()), "\n"), m); err != nil {
			return err
		}
	}
	waiting := m.Known - m.Done - m.Failed - m.Lost
	switch {
	case errors.Is(why, errGoal) && m.Known < w.flags.expect:
		return exitf(exitGoal, "", "%d of %d hosts have begun, %d have no result, after --timeout %s", m.Known, w.flags.expect, waiting,
			shortDuration(w.flags.timeout))
	case errors.Is(why, errGoal):
		return exitf(exitGoal, "", "%s without a result after --timeout %s", count(waiting, "host"), shortDuration(w.flags.timeout))
	case why != nil && a.ctx.Err() == nil:
		return exitf(exitNobody, "the table tells what was known last", "no seed answers any more: %w", why)
	case why != nil:
		return why
	case m.Code != 0:
		return exitf(m.Code, "the same get resumes", "%s failed, %d lost", count(m.Failed, "host"), m.Lost)
	}
	return nil
}

// startDisplay returns what shows one moment: a table on a terminal, else a line each interval.
func (w *waitRun) startDisplay() func(statusMessage) {
	a := w.app
	var told time.Time
	return func(m statusMessage) {
		switch {
		case a.quiet:
		case a.term.live && !a.json:
			a.screen.show(m.lines(a.term.frame(maxFleetLines)))
		case told.IsZero() || time.Since(told) >= a.interval:
			told = time.Now()
			if a.json {
				m.Hosts = nil
				a.screen.message(jsonLine(m))
				return
			}
			a.screen.message("p2pcp: wait " + strings.TrimPrefix(m.line(told), "status "))
		}
	}
}
