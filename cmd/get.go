package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"p2pcp/blocks"
	"p2pcp/seed"
	"p2pcp/swarm"
	"p2pcp/swarm/wire"
)

// ackTime bounds the wait for a seed to take a RESULT.
const ackTime = time.Second

func newGetCmd(a *app) *cobra.Command {
	var f getFlags
	c := &cobra.Command{
		Use:   "get TICKET|-|@FILE",
		Short: "Fetch what a ticket names, and serve others meanwhile",
		Long: "get joins the swarm of a ticket, fetches, verifies, and puts the content under\n" +
			"its name. It prints 'changed PATH HASH' or 'unchanged PATH HASH'. What was\n" +
			"interrupted resumes with the same command.",
		Example: "  p2pcp get $T -o /scratch/\n  echo $T | p2pcp get - -o /scratch/model --force",
		RunE: func(c *cobra.Command, args []string) error {
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
	g := &getRun{app: a, flags: f, ticket: t, secret: secret, begun: time.Now()}
	if f.dryRun {
		return g.dryRun()
	}
	return g.run()
}

// ticketAndSecret resolves a ticket argument and the secret that goes with it.
func (a *app) ticketAndSecret(word, keyFile string) (seed.Ticket, []byte, error) {
	t, err := a.ticket(word)
	if err != nil {
		return t, nil, err
	}
	switch {
	case t.Encrypted:
		return t, nil, exitf(exitFailure, "use the release of p2pcp that made the ticket", "this ticket asks for encryption, which this release doesn't speak")
	case keyFile != "":
		secret, err := seed.LoadKeyFile(keyFile)
		if err != nil {
			return t, nil, exitf(exitLocal, "'p2pcp keygen -o FILE' makes one, for both sides", "%w", err)
		}
		return t, secret, nil
	case t.Key == nil:
		return t, nil, exitf(exitAuth, "give the seed's key file with --key-file", "this ticket carries no key")
	}
	return t, t.Key, nil
}

// getRun is one run of get. What Open and Place set is read by others only after the channels or atomics that guard it.
type getRun struct {
	app    *app
	flags  *getFlags
	ticket seed.Ticket
	secret []byte
	begun  time.Time

	member *member
	shown  *progress

	stage   atomic.Value // string: stageChecking while Open looks at the target
	checked atomic.Uint64
	inPlace atomic.Bool // the content lies under its name: from here on the exit code is 0

	mu     sync.Mutex // guards what follows
	target string
	lock   *blocks.Lock
	store  *blocks.Store
	told   bool // a seed has taken our last RESULT
}

// run fetches.
func (g *getRun) run() error {
	a, f := g.app, g.flags
	ctx := a.ctx
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, f.timeout, exitf(exitTimeout, "the same command resumes", "not complete after --timeout %s", shortDuration(f.timeout)))
		defer cancel()
	}
	boot, err := bootstrapAddrs(ctx, g.ticket, f.join)
	if err != nil {
		return err
	}
	advertise, err := resolveAll(ctx, f.advertise)
	if err != nil {
		return err
	}
	up, down := f.limit.limiters()
	g.member, err = newMember(ctx, memberConfig{
		id: g.ticket.ID, secret: g.secret, listen: f.listen, fromTop: true, advertise: advertise, log: a.log,
		swarm: swarm.Config{
			Core:      swarm.CoreConfig{Wait: f.wait, Stall: f.stall, Linger: f.linger, RandSeed: randSeed()},
			Bootstrap: boot, Up: up, Down: down, Open: g.open, Place: g.place, OnReject: g.rejected,
		},
	})
	if err != nil {
		return err
	}
	a.signals.onStop("stopping: what arrived is kept, the same command resumes")
	g.shown = a.startProgress("get", g.snapshot)
	stopTelling := context.AfterFunc(ctx, func() { g.tellFailure(context.Cause(ctx)) })
	err = g.member.run(ctx)
	stopTelling()
	return g.end(err)
}

// end closes the store, tells a seed of a failure, and decides what run returns.
func (g *getRun) end(err error) error {
	g.mu.Lock()
	store, lock := g.store, g.lock
	g.mu.Unlock()
	var closed error
	switch {
	case store != nil:
		closed = store.Close()
	case lock != nil:
		closed = lock.Release()
	}
	if g.inPlace.Load() {
		g.shown.stop("finished")
		return nil
	}
	if err == nil {
		err = closed
	}
	if err == nil {
		err = errors.New("the swarm ended before the content was complete")
	}
	g.shown.stop("stopped")
	g.tellFailure(err)
	return err
}

// open is swarm's Config.Open: the Manifest is known, the target can be looked at.
func (g *getRun) open(ctx context.Context, c *blocks.Content) (swarm.Opening, error) {
	g.stage.Store(stageChecking)
	defer g.stage.Store("")
	target, err := resolveTarget(g.flags.to, c)
	if err != nil {
		return swarm.Opening{}, err
	}
	g.mu.Lock()
	g.target = target
	g.mu.Unlock()
	g.tell(wire.Begun, nil)
	lock, lockErr := blocks.LockTarget(ctx, blocks.StoreConfig{
		Target: target, Fsync: g.flags.fsync, Umask: umask(), Progress: g.checked.Store,
		OnWait: func() { g.app.note("another p2pcp is writing %s: waiting for it", quoteName(target)) },
	})
	if lockErr != nil && !unwritable(lockErr) {
		return swarm.Opening{}, lockErr
	}
	same, err := g.compare(ctx, c, target)
	switch {
	case err == nil && same:
		if lock != nil {
			if err := lock.Release(); err != nil {
				return swarm.Opening{}, err
			}
		}
		return g.unchanged(c, target)
	case lockErr != nil:
		err = lockErr
	}
	if lock != nil {
		g.mu.Lock()
		g.lock = lock
		g.mu.Unlock()
	}
	if err != nil {
		return swarm.Opening{}, err
	}
	store, err := lock.Open(ctx, c)
	if err != nil {
		return swarm.Opening{}, err
	}
	g.mu.Lock()
	g.store = store
	g.mu.Unlock()
	return swarm.Opening{Store: store, Claims: store.Claims()}, nil
}

// unwritable tells whether a lock failed because the place can't be written: then the target may still be right as it is.
func unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// compare looks at the target: true if it has the content already, an error if it differs and may not be replaced.
func (g *getRun) compare(ctx context.Context, c *blocks.Content, target string) (bool, error) {
	d, err := blocks.CompareTarget(ctx, c.Manifest(), target, g.flags.checksum, g.checked.Store)
	if err != nil {
		return false, err
	}
	return d.Same, mayReplace(d, g.flags, target)
}

// mayReplace is the error for a target that differs and may not be replaced.
func mayReplace(d blocks.Compare, f *getFlags, target string) error {
	switch {
	case d.Absent || d.Same:
		return nil
	case d.NDiffer == 0 && d.NExtra > 0 && f.force && !f.delete, d.NExtra > 0 && f.force && !f.delete:
		return exitf(exitExists, "add --delete to remove them, or give another path with -o",
			"%s has %s that aren't sent, such as %s", quoteName(target), count(d.NExtra, "path"), quoteName(d.Extra[0]))
	case f.force:
		return nil
	case d.NDiffer > 0:
		return exitf(exitExists, "use --force to replace it, or -o for another path",
			"%s exists and differs%s", quoteName(target), where(d.Differs))
	default:
		return exitf(exitExists, "use --force --delete to remove what isn't sent, or -o for another path",
			"%s exists and has %s that aren't sent, such as %s", quoteName(target), count(d.NExtra, "path"), quoteName(d.Extra[0]))
	}
}

// where names the first path that differs, if it isn't the target itself.
func where(paths []string) string {
	if len(paths) == 0 || paths[0] == "" || paths[0] == `""` {
		return ""
	}
	return ", for one in " + quoteMessage(paths[0])
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// unchanged is the Opening of content that lies in place already. It is hashed in the background, only to be announced.
func (g *getRun) unchanged(c *blocks.Content, target string) (swarm.Opening, error) {
	store, err := blocks.OpenPlaced(c, target)
	if err != nil {
		return swarm.Opening{}, err
	}
	g.mu.Lock()
	g.store = store
	g.mu.Unlock()
	if err := g.finished(c, wire.Unchanged); err != nil {
		return swarm.Opening{}, err
	}
	return swarm.Opening{Store: placedStore{store, g, c}, Claims: store.Claims(), Placed: true}, nil
}

// placedStore names the files that turn out not to be what the size and time said.
type placedStore struct {
	*blocks.Store
	run     *getRun
	content *blocks.Content
}

// Check hashes what is in place; what differs is told, once a file, and not announced.
func (p placedStore) Check(ctx context.Context, fetch blocks.TreeFetcher, has, lacks func(blocks.Index)) error {
	var mu sync.Mutex
	named := map[int]bool{}
	return p.Store.Check(ctx, fetch, has, func(i blocks.Index) {
		lacks(i)
		slices := p.content.Layout().Slices(nil, i)
		mu.Lock()
		defer mu.Unlock()
		if len(slices) == 0 || named[slices[0].Entry] {
			return
		}
		named[slices[0].Entry] = true
		path := filepath.Join(p.run.target, filepath.FromSlash(p.content.Manifest().Entries[slices[0].Entry].Path))
		p.run.app.warn("%s has the right size and time and another content; 'get --checksum --force' mends it", quoteName(path))
	})
}

// place is swarm's Config.Place: all Blocks are held.
func (g *getRun) place(ctx context.Context) error {
	g.mu.Lock()
	store := g.store
	g.mu.Unlock()
	if err := store.Place(ctx); err != nil {
		return err
	}
	return g.finished(g.member.swarm.Content(), wire.Changed)
}

// resultMessage is the JSON form of get's one line.
type resultMessage struct {
	Type    string  `json:"message_type"` // result
	Changed bool    `json:"changed"`
	Path    string  `json:"path"`
	Root    string  `json:"root"`
	Bytes   uint64  `json:"bytes"`
	Fetched uint64  `json:"fetched"`
	Seconds float64 `json:"seconds"`
	DryRun  bool    `json:"dry_run,omitempty"`
}

// finished says that the content is in place: to stdout, to a seed, to the gossip, and to who waits for a -d.
func (g *getRun) finished(c *blocks.Content, state wire.ResultState) error {
	g.inPlace.Store(true)
	word := "changed"
	if state == wire.Unchanged {
		word = "unchanged"
	}
	root := rootOf(c)
	err := g.app.result(word+" "+quoteName(g.target)+" "+root.Short(), resultMessage{
		Type: "result", Changed: state == wire.Changed, Path: g.target, Root: root.String(), Bytes: c.Header().Bytes,
		Fetched: g.member.swarm.Stats().Received, Seconds: time.Since(g.begun).Seconds(),
	})
	if err != nil {
		return err
	}
	g.member.complete()
	g.tell(state, nil)
	if g.app.detached() != nil {
		g.shown.stop("finished")
		if r, err := g.app.register("get", g.ticket.ID.String(), g.target); err == nil {
			context.AfterFunc(g.app.ctx, r.remove)
		}
		return g.app.ready(exitOK)
	}
	return nil
}

// rootOf is what names the content to a person: a file's Root, a directory's ID.
func rootOf(c *blocks.Content) blocks.Root {
	if c.Header().Dir {
		return c.ID()
	}
	return c.Manifest().Entries[0].Root
}

// tell delivers a RESULT and waits for the acknowledgement, a second at most.
func (g *getRun) tell(state wire.ResultState, why error) {
	g.mu.Lock()
	target := g.target
	g.mu.Unlock()
	r := wire.Result{
		State: state, Bytes: g.member.swarm.Stats().Received, Millis: uint64(time.Since(g.begun).Milliseconds()),
		Member: g.member.cfg.swarm.Core.Self, Host: clip(hostName(), 255), Target: clip(target, 4096),
	}
	if why != nil {
		e := classify(why)
		r.Code, r.Reason = uint8(e.code), clip(quoteMessage(e.Error()), 1024)
	}
	ctx, cancel := context.WithTimeout(context.Background(), ackTime)
	defer cancel()
	err := g.member.swarm.Deliver(ctx, r)
	if err != nil {
		g.app.log.Debug("no seed took our result", "err", err)
	}
	g.mu.Lock()
	g.told = err == nil && state != wire.Begun
	g.mu.Unlock()
}

// tellFailure tells a seed why we end, once, if we had come as far as to begin.
func (g *getRun) tellFailure(why error) {
	g.mu.Lock()
	begun, told := g.target != "", g.told
	g.told = true
	g.mu.Unlock()
	if begun && !told && !g.inPlace.Load() {
		g.tell(wire.Failed, why)
	}
}

// clip cuts s to n bytes.
func clip(s string, n int) string { return s[:min(len(s), n)] }

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
	}
	c := g.member.swarm.Content()
	if c == nil {
		return p
	}
	if m := c.Manifest(); m == nil {
		p.Stage, p.Total = stageManifest, c.Header().ManifestSize
	} else {
		p.Name, p.Stage, p.Total = m.Name, stageTransfer, c.Header().Bytes
	}
	checking, _ := g.stage.Load().(string)
	switch {
	case g.inPlace.Load():
		p.Stage, p.Done = stageLinger, p.Total
	case checking != "":
		p.Stage, p.Done = checking, min(g.checked.Load(), p.Total)
	case n.Wanted > 0:
		p.Done = uint64(float64(p.Total) * float64(n.Have) / float64(n.Wanted))
	}
	return p
}
