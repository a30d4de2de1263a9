package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"p2pcp/blocks"
	"p2pcp/swarm"
	"p2pcp/swarm/wire"
)

// open is swarm's Config.Open: the Manifest is known, the target can be looked at.
func (g *getRun) open(ctx context.Context, c *blocks.Content) (swarm.Opening, error) {
	g.checking.Store(true)
	o, err := g.openTarget(ctx, c)
	if err != nil {
		g.tellFailure(err)
		return swarm.Opening{}, err
	}
	g.checking.Store(false)
	if err := g.started(c); err != nil {
		return swarm.Opening{}, err
	}
	return o, nil
}

func (g *getRun) openTarget(ctx context.Context, c *blocks.Content) (swarm.Opening, error) {
	place, err := findPlace(g.flags.to, c)
	if err != nil {
		return swarm.Opening{}, err
	}
	g.begin(place.target)
	if err := place.prepare(); err != nil {
		return swarm.Opening{}, err
	}
	lock, lockErr := blocks.LockTarget(ctx, blocks.StoreConfig{
		Target: place.target, Fsync: g.flags.fsync, Umask: g.umask, Progress: g.checked.Store,
		OnWait: func() { g.app.note("another p2pcp is writing %s: waiting for it", quoteName(place.target)) },
	})
	if lockErr != nil {
		if lockErr = cannotWrite(place.target, lockErr); !unwritable(lockErr) {
			return swarm.Opening{}, lockErr
		}
	}
	if lock != nil {
		g.mu.Lock()
		g.lock = lock // from here on end releases it
		g.mu.Unlock()
	}
	// A place that can't be written may hold the right content all the same.
	d, err := blocks.CompareTarget(ctx, c.Manifest(), place.target, g.flags.checksum, g.checked.Store)
	switch {
	case err != nil && unwritable(err) && lockErr != nil:
		return swarm.Opening{}, lockErr
	case err != nil:
		return swarm.Opening{}, cannotRead(place.target, err)
	case d.Same:
		return g.unchanged(ctx, c, place.target)
	case lockErr != nil:
		return swarm.Opening{}, lockErr
	}
	if err := mayReplace(d, g.flags, place.target); err != nil {
		return swarm.Opening{}, err
	}
	store, err := lock.Open(ctx, c)
	if err != nil {
		return swarm.Opening{}, cannotWrite(place.target, err)
	}
	g.mu.Lock()
	g.store = store
	g.mu.Unlock()
	return swarm.Opening{Store: store, Claims: store.Claims()}, nil
}

// begin notes the target, and tells a seed that we have begun.
func (g *getRun) begin(target string) {
	g.mu.Lock()
	g.target = target
	g.mu.Unlock()
	patience := ackTime
	if g.flags.noWait {
		patience = noWaitAck
	}
	if err := g.tell(wire.Begun, nil, patience); err != nil && g.flags.noWait {
		g.app.warn("no seed answers: 'p2pcp wait' won't know of this host")
	}
}

// mayReplace is the error for a target that differs and may not be replaced; nil too for one that is absent or the same.
func mayReplace(d blocks.Compare, f *getFlags, target string) error {
	differs, extra := d.NDiffer > 0, d.NExtra > 0
	switch {
	case d.Absent || d.Same:
		return nil
	case differs && !f.force:
		hint := "use --force to replace it, or "
		if extra && !f.delete {
			hint = "use --force --delete to replace it with all that is in it, or "
		}
		hint += elseOf(f.to, target)
		return exitf(exitExists, hint, "%s exists and differs%s", quoteName(target), where(d, target))
	case extra && !f.delete:
		return exitf(exitExists, "add --delete to remove what isn't sent, or use -o for another path",
			"%s has %s, such as %s", quoteName(target), strangers(d.NExtra), d.Extra[0])
	}
	return nil
}

// elseOf is the other way for a target that --to names: a directory was probably meant as the place, not the name.
func elseOf(to, target string) string {
	if st, err := os.Stat(target); err != nil || !st.IsDir() || to == "" || strings.HasSuffix(to, "/") {
		return "-o for another path"
	}
	return "-o " + shellWord(to+"/") + " to put it inside"
}

// where names the first path that differs, if it isn't the target itself.
func where(d blocks.Compare, target string) string {
	if len(d.Differs) == 0 || d.Differs[0] == strconv.Quote(filepath.Base(target)) {
		return ""
	}
	if d.NDiffer == 1 {
		return " in " + d.Differs[0]
	}
	return fmt.Sprintf(" in %d paths, such as %s", d.NDiffer, d.Differs[0])
}

func strangers(n int) string {
	if n == 1 {
		return "a path that isn't sent"
	}
	return count(n, "path") + " that aren't sent"
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// unchanged is the Opening of content that lies in place already. It is hashed in the background, only to be announced.
func (g *getRun) unchanged(ctx context.Context, c *blocks.Content, target string) (swarm.Opening, error) {
	g.mu.Lock()
	lock := g.lock
	g.lock = nil
	g.mu.Unlock()
	if lock != nil {
		if err := lock.Discard(ctx, c); err != nil {
			return swarm.Opening{}, err
		}
	}
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
	return swarm.Opening{Store: placedStore{store, g.app, c, target}, Claims: store.Claims(), Placed: true}, nil
}

// place is swarm's Config.Place: all Blocks are held. The old version is removed after the line is out: it may be large.
func (g *getRun) place(ctx context.Context) error {
	g.mu.Lock()
	store := g.store
	g.mu.Unlock()
	if err := store.Place(ctx); err != nil {
		g.tellFailure(err)
		return err
	}
	if err := g.finished(g.member.swarm.Content(), wire.Changed); err != nil {
		return err
	}
	if err := store.Sweep(ctx); err != nil && ctx.Err() == nil {
		g.app.warn("%v", err)
	}
	return nil
}
