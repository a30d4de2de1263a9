package cmd

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/seed"
	"p2pcp/swarm"
	"p2pcp/swarm/wire"
)

func newSeedCmd(a *app) *cobra.Command {
	var f seedFlags
	c := &cobra.Command{
		Use:   "seed PATH...",
		Short: "Offer files or directories and print the ticket for them",
		Long: "seed hashes PATH, listens, and prints one line on stdout: the ticket, which is\n" +
			"all that 'get' needs. It serves until it is interrupted, or as the flags say.\n" +
			"Several paths become one directory.",
		Example: "  T=$(p2pcp seed -d model/)\n  p2pcp seed --expect 500 --for 1h big.tar",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(c, args); err != nil {
				return err
			}
			if f.detach && a.detached() == nil {
				return a.detach("", "")
			}
			return (&seedRun{app: a, flags: &f, paths: args, warned: map[string]bool{}}).run()
		},
	}
	f.register(c)
	return c
}

// seedRun is one run of seed.
type seedRun struct {
	app    *app
	flags  *seedFlags
	paths  []string
	source *seed.Source
	ledger *seed.Ledger
	ticket seed.Ticket
	member *member
	copy   uint64 // bytes of content that one receiver fetches
	rates  rowRates

	mu     sync.Mutex
	warned map[string]bool // files that were named as changed
}

// run hashes, prints the ticket and serves.
func (s *seedRun) run() error {
	var err error
	if s.source, err = s.hash(); err != nil {
		return err
	}
	defer s.source.Close()
	s.ledger = seed.NewLedger()
	secret, bound, err := s.prepareTicket()
	if err != nil {
		return err
	}
	if err := s.bind(bound, secret); err != nil {
		return err
	}
	if s.app.detached() != nil {
		r, err := s.app.register("seed", s.ticket.ID.String(), s.paths[0])
		if err != nil {
			s.app.warn("%v", err)
		}
		defer r.remove()
	}
	return s.serve()
}

// hash builds the Source, with its progress.
func (s *seedRun) hash() (*seed.Source, error) {
	var done, total atomic.Uint64
	p := s.app.startProgress("seed", func() progressSnapshot {
		return progressSnapshot{Stage: stageHashing, Name: s.flags.name, Done: done.Load(), Total: total.Load()}
	})
	src, err := seed.Build(s.app.ctx, s.paths, seed.Options{
		Name: s.flags.name, Exclude: s.flags.exclude, CacheDir: cacheDir(),
		Warn:     func(path, why string) { s.app.warn("%s is skipped: %s", quoteName(path), why) },
		Progress: func(d, t uint64) { done.Store(d); total.Store(t) },
	})
	if err != nil {
		p.stop("stopped")
		return nil, err
	}
	p.stop("hashed")
	return src, nil
}

// cacheDir is where hashes are kept between runs, "" where there is no place.
func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "p2pcp")
}

// prepareTicket finds the secret, binds the port and makes the ticket: those of --ticket-file, if it is for this content.
func (s *seedRun) prepareTicket() ([]byte, *port.Port, error) {
	f, id := s.flags, s.source.Content().ID()
	s.ticket = seed.Ticket{ID: id}
	listen := f.listen
	kept, err := s.keptTicket(id)
	if err != nil {
		return nil, nil, err
	}
	var secret []byte
	switch {
	case f.keyFile != "":
		if secret, err = seed.LoadKeyFile(f.keyFile); err != nil {
			return nil, nil, exitf(exitLocal, "'p2pcp keygen -o FILE' makes one", "%w", err)
		}
	case kept != nil && kept.ticket.Key != nil:
		secret = kept.ticket.Key
		s.ticket.Key = secret
	default:
		secret = seed.NewKey()
		s.ticket.Key = secret
	}
	if kept != nil && kept.port != 0 {
		listen = onPort(listen, kept.port)
	}
	bound, err := port.Listen(s.app.ctx, port.Config{Listen: listen})
	if err != nil {
		return nil, nil, err
	}
	if s.ticket.Addrs, err = s.addresses(bound.Addr()); err != nil {
		_ = bound.Close()
		return nil, nil, err
	}
	if kept != nil && len(f.advertise) == 0 && kept.ticket.Key != nil == (s.ticket.Key != nil) && kept.port == bound.Addr().Port() {
		s.ticket = kept.ticket // to the letter, so that tickets given out stay the same
	}
	if f.ticketFile != "" {
		if err := seed.SaveTicketFile(f.ticketFile, s.ticket, bound.Addr().Port()); err != nil {
			_ = bound.Close()
			return nil, nil, err
		}
	}
	return secret, bound, nil
}

// kept is what a ticket file holds.
type kept struct {
	ticket seed.Ticket
	port   uint16
}

// keptTicket reads --ticket-file: nil if there is none, or it is for other content (which is said).
func (s *seedRun) keptTicket(id blocks.Root) (*kept, error) {
	if s.flags.ticketFile == "" {
		return nil, nil
	}
	t, p, err := seed.LoadTicketFile(s.flags.ticketFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, exitf(exitUsage, "name another file, or remove this one", "--ticket-file: %w", err)
	case t.ID != id:
		s.app.note("%s was for other content: it is replaced by a new ticket", quoteName(s.flags.ticketFile))
		return nil, nil
	}
	return &kept{t, p}, nil
}

// onPort is listen with the port that a restarted swarm keeps; a port that was named wins.
func onPort(listen string, p uint16) string {
	if host, named, err := splitAddress(listen); err == nil {
		if named != 0 {
			return listen
		}
		listen = host
	}
	if len(listen) > 0 && listen[0] != '[' && netipIs6(listen) {
		listen = "[" + listen + "]"
	}
	return listen + ":" + strconv.Itoa(int(p))
}

func netipIs6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6()
}

// addresses are those of the ticket: --advertise, the one we listen on, or what the interfaces say.
func (s *seedRun) addresses(bound netip.AddrPort) ([]netip.AddrPort, error) {
	if len(s.flags.advertise) > 0 {
		list, err := resolveAll(s.app.ctx, s.flags.advertise)
		return list[:min(len(list), maxAddrs)], err
	}
	if a := bound.Addr(); a.IsValid() && !a.IsUnspecified() {
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), bound.Port())}, nil
	}
	own := ownAddrs()
	if bound.Addr().Is4() {
		own = onlyV4(own)
	}
	return withPort(own, bound.Port()), nil
}

func onlyV4(list []netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, a := range list {
		if a.Is4() {
			out = append(out, a)
		}
	}
	return out
}

// bind makes the member.
func (s *seedRun) bind(bound *port.Port, secret []byte) error {
	c := s.source.Content()
	have := c.Layout().Wanted()
	s.copy = c.Header().ManifestSize
	for i, ok := have.Next(0); ok; i, ok = have.Next(i + 1) {
		s.copy += uint64(c.Layout().Len(i))
	}
	advertise, err := resolveAll(s.app.ctx, s.flags.advertise)
	if err != nil {
		_ = bound.Close()
		return err
	}
	up, _ := s.flags.limit.limiters()
	cfg := memberConfig{
		id: s.ticket.ID, secret: secret, advertise: advertise, seed: true, log: s.app.log,
		lost: func(member string) { s.ledger.Lost(member) },
		swarm: swarm.Config{
			Core: swarm.CoreConfig{
				Have: have, RandSeed: randSeed(),
			},
			Content: c, Source: s.source, Recheck: s.source.Recheck, Up: up,
			OnResult: s.onResult, OnReject: s.onReject, Ledger: s.ledgerRows,
		},
	}
	if len(s.ticket.Addrs) > 0 {
		cfg.self = s.ticket.Addrs[0]
	}
	s.member = bindMember(bound, cfg)
	return nil
}

// serve prints the ticket and serves until something ends it.
func (s *seedRun) serve() error {
	a, f := s.app, s.flags
	ctx, stop := context.WithCancelCause(a.ctx)
	defer stop(nil)
	a.signals.onStop("stopping")
	running := make(chan error, 1)
	go func() { running <- s.member.run(ctx) }()
	err := a.result(s.ticket.String(), seedMessage{
		Type: "ticket", Ticket: s.ticket.String(), ID: s.ticket.ID.String(), Name: f.name,
		Bytes: s.source.Content().Header().Bytes,
	})
	if err != nil {
		stop(err)
		<-running
		return err
	}
	a.note("on each host: p2pcp get %s", s.ticket)
	shown := a.startFleet(s.fleet)
	if a.detached() != nil {
		shown.quit()
		if err := a.ready(exitOK); err != nil {
			stop(err)
		}
	}
	err = s.wait(running, stop)
	if a.detached() == nil {
		shown.stop()
	}
	return s.verdict(err)
}

// seedMessage is the JSON form of the ticket's line.
type seedMessage struct {
	Type   string `json:"message_type"` // ticket
	Ticket string `json:"ticket"`
	ID     string `json:"id"`
	Name   string `json:"name"`
	Bytes  uint64 `json:"bytes"`
}

var errGoal = errors.New("over")

// wait returns once the member has ended: by a signal, a fault, --expect, --for or --until-idle. errGoal: as planned.
func (s *seedRun) wait(running <-chan error, stop context.CancelCauseFunc) error {
	f := s.flags
	var expected <-chan struct{}
	if f.expect > 0 {
		expected = s.ledger.Expect(f.expect)
	}
	var over <-chan time.Time
	if f.forTime > 0 {
		t := time.NewTimer(f.forTime)
		defer t.Stop()
		over = t.C
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	idle := idleWatch{since: time.Now()}
	for {
		select {
		case err := <-running:
			return err
		case <-expected:
			expected = nil
			stop(errGoal)
		case <-over:
			stop(errGoal)
		case <-ticker.C:
			if f.untilIdle > 0 && idle.longer(s, f.untilIdle) {
				stop(errGoal)
			}
		}
	}
}

// idleWatch tells how long nothing was sent.
type idleWatch struct {
	sent  uint64
	since time.Time
}

func (w *idleWatch) longer(s *seedRun, d time.Duration) bool {
	if sent := s.member.swarm.Stats().Sent; sent != w.sent {
		w.sent, w.since = sent, time.Now()
	}
	return time.Since(w.since) >= d
}

// verdict is the exit of a seed that has ended.
func (s *seedRun) verdict(err error) error {
	if changed := s.source.Changed(); len(changed) > 0 {
		return exitf(exitLocal, "seed it again: its content is another one now", "%s changed while it was seeded", quoteName(changed[0]))
	}
	if err != nil && !errors.Is(err, errGoal) {
		return err
	}
	if n := s.ledger.Counts().Completed; n < s.flags.expect {
		return exitf(exitGoal, "'p2pcp status TICKET' tells who is missing while a seed runs", "%d of %d hosts completed", n, s.flags.expect)
	}
	return nil
}

// onResult puts a RESULT into the Ledger.
func (s *seedRun) onResult(from netip.Addr, r wire.Result) bool {
	_, ok := s.ledger.Put(from, seed.Result{
		State: seed.State(r.State), Code: r.Code, Member: r.Member, Host: r.Host, Target: r.Target, Reason: r.Reason,
		Bytes: r.Bytes, Millis: r.Millis,
	})
	return ok
}

// onReject names a changed file, once.
func (s *seedRun) onReject(_ blocks.Index, err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	text := err.Error()
	again := s.warned[text]
	s.warned[text] = true
	s.mu.Unlock()
	if !again {
		s.app.warn("%v: what is intact is still served", err)
	}
}

// ledgerRows is the Ledger for a REPORT.
func (s *seedRun) ledgerRows() []wire.LedgerRow {
	rows := s.ledger.Rows()
	out := make([]wire.LedgerRow, len(rows))
	for i, r := range rows {
		out[i] = wire.LedgerRow{
			Member: r.Member, Host: r.Host, Source: r.Source.String(), Target: r.Target, State: r.State.String(),
			Code: int(r.Code), Reason: r.Reason, Bytes: r.Bytes, Millis: r.Millis,
		}
	}
	return out
}

// fleet is what the live display pulls: the Ledger, with the progress of those that we have a session with.
func (s *seedRun) fleet() (fleetHeader, []fleetRow) {
	n := s.member.swarm.Stats()
	h := fleetHeader{
		ID: s.ticket.ID.Short(), Name: s.flags.name, Size: s.source.Content().Header().Bytes, Expect: s.flags.expect,
		Rate: float64(n.UpRate), RateOf: "up", Sent: float64(n.Sent) / float64(max(s.copy, 1)), Rarest: -1,
	}
	live := s.rates.update(n, s.copy)
	var rows []fleetRow
	for _, r := range s.ledger.Rows() {
		row := fleetRow{
			Host: r.Host, State: r.State.String(), Bytes: r.Bytes, Seconds: float64(r.Millis) / 1000, Code: int(r.Code),
			Note: r.Reason,
		}
		if r.State.Complete() {
			row.Done = 1
		}
		if p, ok := live[r.Member]; ok && r.State == seed.Begun {
			row.Done, row.Rate = p.done, p.rate
		}
		delete(live, r.Member)
		rows = append(rows, row)
	}
	for member, p := range live {
		if p.joining {
			rows = append(rows, fleetRow{Host: hostOf(member), State: "manifest", Done: p.done, Rate: p.rate})
		}
	}
	return h, rows
}

// hostOf is the host part of a member name.
func hostOf(member string) string { return member[:max(0, len(member)-9)] }

// rowRates makes rates of the peers' counts.
type rowRates struct {
	mu   sync.Mutex
	last map[string]*peerRate
}

type peerRate struct {
	meter   meter
	done    float64
	rate    uint64
	joining bool // no receiver that was complete from the start
}

// update returns the progress of each receiver in session.
func (r *rowRates) update(n swarm.Snapshot, size uint64) map[string]peerRate {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, out := map[string]*peerRate{}, map[string]peerRate{}
	now := time.Now()
	for _, p := range n.Peers {
		if p.Seed || p.Wanted == 0 {
			continue
		}
		m := r.last[p.Member]
		if m == nil {
			m = &peerRate{joining: p.Have < p.Wanted}
		}
		m.done = min(1, float64(p.Have)/float64(p.Wanted))
		m.meter.update(now, uint64(m.done*float64(size)))
		m.rate = uint64(m.meter.rate())
		next[p.Member], out[p.Member] = m, *m
	}
	r.last = next
	return out
}
