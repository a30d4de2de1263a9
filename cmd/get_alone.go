package cmd

import (
	"context"
	"time"

	"p2pcp/swarm"
)

// What is said of being alone.
const (
	aloneLook  = 500 * time.Millisecond // between two looks
	aloneAfter = 2 * time.Second        // without a session: a session that is replaced doesn't count
	aloneQuiet = 10 * time.Second       // at least, from one time that it is said to the next
)

// loneliness notices that nobody is connected any more, and the end of that. Not safe for concurrent use.
type loneliness struct {
	since time.Time // of nobody being connected; zero: somebody is
	told  bool      // that nobody is
	last  time.Time // when that was told

	waiting bool // that nobody has answered yet was told
}

// first tells, once, whether it is time to say that nobody has answered yet.
func (l *loneliness) first(after time.Duration) bool {
	if l.waiting || after < aloneAfter {
		return false
	}
	l.waiting = true
	return true
}

// look takes how many sessions there are, and returns which of the two is to be said now, if any.
func (l *loneliness) look(now time.Time, sessions int) (lost, back bool) {
	switch {
	case sessions > 0:
		back = l.told
		l.told, l.since = false, time.Time{}
	case l.since.IsZero():
		l.since = now
	case !l.told && now.Sub(l.since) >= aloneAfter && (l.last.IsZero() || now.Sub(l.last) >= aloneQuiet):
		l.told, l.last = true, now
		lost = true
	}
	return lost, back
}

// watchPeers tells the user when the last peer vanishes before everything is there, and when one is back. The caller calls stop.
func (g *getRun) watchPeers(ctx context.Context) (stop func()) {
	var l loneliness
	return ticks(aloneLook, func() {
		n := g.member.swarm.Stats()
		if why := g.member.swarm.Unmet(); why != nil && g.member.swarm.Content() == nil && l.first(time.Since(g.begun)) {
			g.app.note("nobody answers yet: trying for --wait %s (%v)", shortDuration(g.flags.wait), why)
		}
		// Who knows the content has met somebody: until then --wait counts.
		if ctx.Err() != nil || hasAll(n) || g.member.swarm.Content() == nil {
			return
		}
		lost, back := l.look(time.Now(), n.Sessions)
		switch {
		case lost && g.flags.stall > 0:
			g.app.warn("nobody is connected any more: trying again until --stall-timeout %s", shortDuration(g.flags.stall))
		case lost:
			g.app.warn("nobody is connected any more: trying again")
		case back:
			g.app.note("connected again")
		}
	})
}

// hasAll tells whether nothing is left to be fetched.
func hasAll(n swarm.Snapshot) bool { return n.Placed || n.Done || n.Opened && n.Have == n.Wanted }
