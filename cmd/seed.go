package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
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
			"Several paths become one directory.\n\n" +
			"--run CMD runs a launcher (sh -c) instead of printing the ticket, which stands\n" +
			"for {}, on its stdin and in P2PCP_TICKET. The seed ends once the launcher has\n" +
			"ended and all hosts that began have a result, with the worst of their codes.",
		Example: "  T=$(p2pcp seed -d model/)\n  p2pcp seed --expect 500 --for 1h big.tar\n" +
			"  p2pcp seed f --run 'pdsh -f 512 -S -w node[1-8] p2pcp get {} -o /scratch/'",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(c *cobra.Command, args []string) error {
			err := f.check(c, args)
			if err == nil {
				err = f.checkRun(c)
			}
			if err != nil {
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
	app   *app
	flags *seedFlags
	paths []string

	command string // for the display of the hashing: empty for seed

	source *seed.Source
	ledger *seed.Ledger
	ticket seed.Ticket
	member *member

	advertise []netip.AddrPort // --advertise, resolved

	launching <-chan error // how --run's command ended; nil: there is none
	launched  int          // its exit code, once it has

	oneCopy uint64 // bytes that one receiver fetches
	rates   rowRates
	course  *course
	away    absences // wait's

	mu     sync.Mutex
	warned map[string]bool // what onReject has told; guarded by mu
}

// run hashes, prints the ticket and serves.
func (s *seedRun) run() error {
	if err := s.open(); err != nil {
		return err
	}
	defer s.source.Close()
	if s.app.detached() != nil {
		what := s.paths[0]
		if more := len(s.paths) - 1; more > 0 {
			what += fmt.Sprintf(" (+%d)", more)
		}
		r, err := s.app.register("seed", s.ticket.ID.String(), what)
		if err != nil {
			s.app.warn("%v", err)
		}
		defer r.remove()
	}
	return s.serve()
}

// open hashes, makes the ticket and binds the port. The caller closes the source.
func (s *seedRun) open() error {
	secret, kept, err := s.readKeys()
	if err != nil {
		return err
	}
	if s.advertise, err = resolveAll(s.app.ctx, s.flags.advertise); err != nil {
		return err
	}
	if err := s.tryListen(kept); err != nil {
		return err
	}
	if s.source, err = s.hash(); err != nil {
		return err
	}
	s.oneCopy = contentCopy(s.source.Content())
	s.ledger, s.away, s.course = seed.NewLedger(), absences{}, newCourse(time.Now())
	if s.flags.nat {
		s.ledger.ShareAddresses()
	}
	secret, bound, err := s.makeTicket(secret, kept)
	if err != nil {
		_ = s.source.Close() // it only reads
		return err
	}
	s.bind(bound, secret)
	return nil
}

// hash builds the Source, with its progress.
func (s *seedRun) hash() (*seed.Source, error) {
	var done, total atomic.Uint64
	p := s.app.startProgress(cmp.Or(s.command, "seed"), func() progressSnapshot {
		return progressSnapshot{Stage: stageHashing, Name: s.flags.name, Done: done.Load(), Total: total.Load()}
	})
	src, err := s.app.buildSource(s.app.ctx, s.paths, seed.Options{
		Name: s.flags.name, Exclude: s.flags.exclude, CacheDir: cacheDir(), BlockSize: s.flags.blockSize,
		Warn:     func(path, why string) { s.app.warn("%s is skipped: it %s", quoteName(path), why) },
		Progress: func(d, t uint64) { done.Store(d); total.Store(t) },
	})
	if err != nil {
		outcome := "stopped"
		if total.Load() == 0 {
			outcome = "" // nothing was hashed
		}
		p.stop(outcome)
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

// bind makes the member.
func (s *seedRun) bind(bound *port.Port, secret []byte) {
	c := s.source.Content()
	up, _ := s.flags.limit.limiters()
	cfg := memberConfig{
		id: s.ticket.ID, secrets: secretsOf(s.ticket, secret), advertise: s.advertise, seed: true, log: s.app.log,
		lost: func(member string) { s.ledger.Lost(member) },
		swarm: swarm.Config{
			Core:    swarm.CoreConfig{Have: c.Layout().Wanted(), Zone: wire.ZoneOf(s.flags.zone), RandSeed: randSeed()},
			Content: c, Source: s.source, Recheck: s.source.Recheck, Up: up,
			OnResult: s.onResult, OnReject: s.onReject, Ledger: s.ledgerRows, Account: s.course.account,
		},
	}
	if len(s.ticket.Addrs) > 0 {
		cfg.self = s.ticket.Addrs[0]
	}
	s.member = bindMember(bound, cfg)
}

// seedMessage is the JSON form of the ticket's line.
type seedMessage struct {
	Type   string `json:"message_type"` // ticket
	Ticket string `json:"ticket"`
	ID     string `json:"id"`
	Name   string `json:"name"`
	Bytes  uint64 `json:"bytes"`
}

// serve prints the ticket and serves until something ends it.
func (s *seedRun) serve() error {
	a := s.app
	ctx, stop := context.WithCancelCause(a.ctx)
	defer stop(nil)
	running := make(chan error, 1)
	go func() { running <- s.member.run(ctx) }()
	err := s.offer(ctx)
	if err != nil {
		stop(err)
		<-running
		return err
	}
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
	s.tellCourse()
	if err = s.verdict(err); s.launching != nil {
		return s.launchVerdict(err)
	}
	return err
}

// getArgs is what to give to get.
func (s *seedRun) getArgs() string {
	if s.ticket.Key == nil {
		return s.ticket.String() + " --key-file FILE"
	}
	return s.ticket.String()
}

// verdict is the exit of a seed that has ended.
func (s *seedRun) verdict(err error) error {
	if changed := s.source.Changed(); len(changed) > 0 {
		more := ""
		if len(changed) > 1 {
			more = " (and " + count(len(changed)-1, "other file") + ")"
		}
		return exitf(exitLocal, "seed it again: its content is another one now", "%s%s changed while it was seeded", quoteName(changed[0]), more)
	}
	if err != nil && !errors.Is(err, errGoal) {
		return err
	}
	if n := s.ledger.Counts().Hosts; n < s.flags.expect {
		return exitf(exitGoal, "the table above tells who is missing; 'p2pcp status' does while a seed runs", "%d of %d hosts completed", n, s.flags.expect)
	}
	return nil
}

// onResult puts a RESULT into the Ledger. It is taken even where the Ledger knows better (a beginning of what is complete): to
// refuse it would send the receiver on to our next address.
func (s *seedRun) onResult(from netip.Addr, r wire.Result) bool {
	_, ok := s.ledger.Put(from, seed.Result{
		State: seed.State(r.State), Code: r.Code, Member: r.Member, Host: r.Host, Target: r.Target, Reason: r.Reason,
		Bytes: r.Bytes, Millis: r.Millis,
	})
	if ok {
		s.course.told(time.Now(), r)
	}
	if ok && r.State == wire.Begun {
		s.rates.begin(r.Member, time.Now())
	}
	return true
}

// onReject names a file that can't be read right, once.
func (s *seedRun) onReject(_ blocks.Index, err error) {
	if err != nil {
		s.warnOnce(err)
	}
}

// noteChanged names each changed file once, also where all that was asked of it is intact.
func (s *seedRun) noteChanged() {
	for _, path := range s.source.Changed() {
		s.warnOnce(&seed.ChangedError{Path: path})
	}
}

func (s *seedRun) warnOnce(err error) {
	text := err.Error()
	s.mu.Lock()
	again := s.warned[text]
	s.warned[text] = true
	s.mu.Unlock()
	if !again {
		s.app.warn("%v: what is intact is still served", err)
	}
}
