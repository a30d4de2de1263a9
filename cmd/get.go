package cmd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"p2pcp/blocks"
	"p2pcp/seed"
	"p2pcp/swarm"
	"p2pcp/swarm/wire"
)

func newGetCmd(a *app) *cobra.Command {
	var f getFlags
	c := &cobra.Command{
		Use:   "get TICKET|-|@FILE",
		Short: "Fetch what a ticket names, and serve others meanwhile",
		Long: "get joins the swarm of a ticket, fetches, verifies, and puts the content under\n" +
			"its name. It prints 'changed PATH HASH' or 'unchanged PATH HASH'. What was\n" +
			"interrupted resumes with the same command.\n\n" +
			"-o DIR/, with a slash, puts it inside DIR, which is made where it is missing.\n" +
			"-o PATH, without, is the exact path it gets, whatever it was called; except that\n" +
			"one file goes inside where PATH is a directory.",
		Example: "  p2pcp get $T -o /scratch/\n  echo $T | p2pcp get - -o /scratch/model --force",
		RunE: func(c *cobra.Command, args []string) error {
			if f.pushed {
				return runPushed(a, c, &f)
			}
			if err := f.check(c, args); err != nil {
				return err
			}
			return runGet(a, &f, args[0])
		},
	}
	f.register(c)
	return c
}

func runGet(a *app, f *getFlags, word string) error {
	t, secret, err := a.ticketAndSecret(word, f.keyFile)
	if err != nil {
		return err
	}
	if f.detach && a.detached() == nil {
		return a.detach(word, t.String())
	}
	g := &getRun{app: a, flags: f, ticket: t, secret: secret, umask: umask(), begun: time.Now()}
	if f.dryRun {
		return g.dryRun()
	}
	return g.run()
}

// getRun is one run of get. The Swarm calls open, then place, then rejected, each from a goroutine of its own.
type getRun struct {
	app    *app
	flags  *getFlags
	ticket seed.Ticket
	secret []byte
	umask  uint16
	begun  time.Time
	after  func(changed bool, target string, root blocks.Root) error // what to do once the content is in place; nil: nothing

	// Set by run before the Swarm starts.
	member *member
	shown  *progress

	checking atomic.Bool               // open looks at the target
	checked  atomic.Uint64             // bytes hashed of it
	inPlace  atomic.Pointer[time.Time] // since when the content lies under its name: from then on the exit code is 0; nil: not yet

	mu sync.Mutex
	// Guarded by mu.
	target string // absolute; empty until the Manifest is known
	lock   *blocks.Lock
	store  *blocks.Store // owns the lock, if it is set
	told   bool          // a seed knows how we ended, or was told as well as could be
	listed *registration // of -d's background process
	alone  bool          // nobody waits for it any more
}

// run fetches, and stays as long as --linger says.
func (g *getRun) run() error {
	a, f := g.app, g.flags
	ctx := a.ctx
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, f.timeout,
			exitf(exitTimeout, "the same command resumes", "not complete after --timeout %s", shortDuration(f.timeout)))
		defer cancel()
	}
	var err error
	if g.member, err = g.join(ctx); err != nil {
		return err
	}
	a.signals.onStop("stopping: what arrived is kept, the same command resumes")
	g.shown = a.startProgress("get", g.snapshot)
	// A seed is told of an interrupt while there still are sessions; of what ends the Swarm itself, by end.
	told := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(told)
		g.tellFailure(context.Cause(ctx))
	})
	stopWatch := g.watchPeers(ctx)
	err = g.member.run(ctx)
	stopWatch()
	if !unhook() {
		<-told
	}
	return g.end(err)
}

// join binds the port and makes the member.
func (g *getRun) join(ctx context.Context) (*member, error) {
	f := g.flags
	boot, err := g.app.bootstrapAddrs(ctx, g.ticket, f.join, f.wait)
	if err != nil {
		return nil, err
	}
	advertise, err := resolveAll(ctx, f.advertise)
	if err != nil {
		return nil, err
	}
	up, down := f.limit.limiters()
	stall := f.stall
	if stall == 0 { // the core takes that for its default
		stall = math.MaxInt64
	}
	return newMember(ctx, memberConfig{
		id: g.ticket.ID, secrets: secretsOf(g.ticket, g.secret), listen: f.listen, fromTop: true, advertise: advertise, log: g.app.log,
		swarm: swarm.Config{
			Core:      swarm.CoreConfig{Wait: f.wait, Stall: stall, Linger: f.linger, Zone: wire.ZoneOf(f.zone), RandSeed: randSeed()},
			Bootstrap: boot, Up: up, Down: down, Open: g.open, Place: g.place, OnReject: g.rejected,
		},
	})
}

// end closes what open has opened, tells a seed of a failure, and decides what run returns.
func (g *getRun) end(err error) error {
	g.mu.Lock()
	store, lock, listed := g.store, g.lock, g.listed
	g.mu.Unlock()
	defer listed.remove()
	var closed error
	switch {
	case store != nil:
		closed = store.Close()
	case lock != nil:
		closed = lock.Release()
	}
	if g.inPlace.Load() != nil {
		g.shown.stop("finished")
		return nil
	}
	if err == nil {
		err = closed
	}
	if err == nil {
		err = errors.New("the swarm ended before the content was complete")
	}
	outcome := "stopped"
	if store == nil || g.app.ctx.Err() != nil {
		outcome = "" // the error, or the signal's one line, says it all
	}
	g.shown.stop(outcome)
	err = g.explain(err)
	g.tellFailure(err)
	return err
}

// explain says why nobody was reached, and of a Block without a holder what the hint for it can't know: that a seed is there and no
// longer has it.
func (g *getRun) explain(err error) error {
	if why := g.member.swarm.Unmet(); why != nil && errors.Is(err, swarm.ErrNobody) {
		return fmt.Errorf("%w: %w", err, why)
	}
	if !errors.Is(err, swarm.ErrLost) {
		return err
	}
	for _, p := range g.member.swarm.Stats().Peers {
		if p.Seed {
			return exitf(exitNobody, "the source may have changed: it has to be seeded again, and has another ticket then", "%w", err)
		}
	}
	return err
}

// rejected is swarm's OnReject: someone refused a Block of ours, or it can't be read any more.
func (g *getRun) rejected(i blocks.Index, err error) {
	if err != nil {
		g.app.log.Warn("a block of ours is no longer what was verified: withdrawn", "block", i, "err", err)
	}
}

// snapshot is what the progress display pulls.
func (g *getRun) snapshot() progressSnapshot {
	n := g.member.swarm.Stats()
	p := progressSnapshot{
		Stage: stageJoining, Received: n.Received, Sent: n.Sent, FromSeed: n.FromSeed, Peers: n.Sessions,
		Control: n.Control, Discarded: n.Discarded,
	}
	c := g.member.swarm.Content()
	if c == nil {
		return p
	}
	m := c.Manifest()
	if m == nil {
		p.Stage, p.Total = stageManifest, c.Header().ManifestSize
		p.Done = min(n.Received, p.Total)
		return p
	}
	p.Name, p.Stage, p.Total = m.Name, stageTransfer, c.Header().Bytes
	since := g.inPlace.Load()
	switch {
	case since != nil:
		p.Stage, p.Done, p.InPlace = stageLinger, p.Total, *since
	case g.checking.Load():
		p.Stage, p.Done = stageChecking, min(g.checked.Load(), p.Total)
	case n.Wanted > 0:
		p.Done = uint64(float64(p.Total) * float64(n.Have) / float64(n.Wanted))
	}
	return p
}
