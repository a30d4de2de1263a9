package cmd

import (
	"context"
	"strings"
	"time"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

// ackTime bounds the wait for a seed to take a RESULT. Who returns before the end has it known first, for wait.
const (
	ackTime   = time.Second
	noWaitAck = 10 * time.Second
)

// resultMessage is the JSON form of get's one line.
type resultMessage struct {
	Type    string  `json:"message_type"` // result
	Changed bool    `json:"changed"`
	Path    string  `json:"path"`
	Root    string  `json:"root"`
	Bytes   uint64  `json:"bytes"`   // of the content
	Fetched uint64  `json:"fetched"` // bytes from the network, the Manifest's included
	Seconds float64 `json:"seconds"`
	DryRun  bool    `json:"dry_run,omitempty"`
	Started bool    `json:"started,omitempty"` // with --no-wait: begun, and nothing more is known
}

// resultLine is get's one line, the same on every host.
func resultLine(changed bool, target string, root blocks.Root) string {
	if changed {
		return "changed " + quoteName(target) + " " + root.Short()
	}
	return "unchanged " + quoteName(target) + " " + root.Short()
}

// rootOf is what names the content to a person: a file's Root, a directory's ID.
func rootOf(c *blocks.Content) blocks.Root {
	if c.Header().Dir {
		return c.ID()
	}
	return c.Manifest().Entries[0].Root
}

// finished says that the content is in place: to stdout, to a seed, to the gossip, and to who waits for a -d. A lost stdout ends
// the run, but not before the seed knows.
func (g *getRun) finished(c *blocks.Content, state wire.ResultState) error {
	now := time.Now()
	g.inPlace.Store(&now)
	g.app.signals.onStop("stopping")
	g.mu.Lock()
	target := g.target
	g.mu.Unlock()
	changed, root := state == wire.Changed, rootOf(c)
	printed := g.app.result(resultLine(changed, target, root), resultMessage{
		Type: "result", Changed: changed, Path: target, Root: root.String(), Bytes: c.Header().Bytes,
		Fetched: g.member.swarm.Stats().Received, Seconds: time.Since(g.begun).Seconds(),
	})
	g.member.complete()
	_ = g.tell(state, nil, ackTime)
	if printed == nil && g.after != nil {
		printed = g.after(changed, target, root)
	}
	if printed != nil || g.app.detached() == nil {
		return printed
	}
	return g.letGo(target, "finished")
}

// started says for --no-wait that what can be checked beforehand is right and the transfer has begun: to stdout, and to who waits.
func (g *getRun) started(c *blocks.Content) error {
	if !g.flags.noWait || g.app.detached() == nil || g.inPlace.Load() != nil {
		return nil
	}
	g.mu.Lock()
	target := g.target
	g.mu.Unlock()
	root := rootOf(c)
	err := g.app.result("started "+quoteName(target)+" "+root.Short(), resultMessage{
		Type: "result", Started: true, Path: target, Root: root.String(), Bytes: c.Header().Bytes, Seconds: time.Since(g.begun).Seconds(),
	})
	if err != nil {
		return err
	}
	return g.letGo(target, "started")
}

// letGo lets the command that started this background process return, once. outcome is the display's last word.
func (g *getRun) letGo(target, outcome string) error {
	g.mu.Lock()
	again := g.alone
	g.alone = true
	g.mu.Unlock()
	if again {
		return nil
	}
	g.shown.stop(outcome)
	listed, err := g.app.register("get", g.ticket.ID.String(), target)
	if err != nil {
		g.app.warn("%v", err)
	}
	g.mu.Lock()
	g.listed = listed
	g.mu.Unlock()
	return g.app.ready(exitOK)
}

// tell delivers a RESULT and waits so long for the acknowledgement. Not concurrently with itself, but for a failure.
func (g *getRun) tell(state wire.ResultState, why error, patience time.Duration) error {
	g.mu.Lock()
	target := g.target
	g.mu.Unlock()
	r := wire.Result{
		State: state, Bytes: g.member.swarm.Stats().Received, Millis: uint64(time.Since(g.begun).Milliseconds()),
		Member: g.member.cfg.swarm.Core.Self, Host: clip(hostName(), wire.MaxHost), Target: clip(target, wire.MaxTarget),
	}
	if state != wire.Begun {
		r.Steps, r.From = g.member.swarm.Stats().Steps, g.member.swarm.Sources()
	}
	if state == wire.Changed {
		for k := range r.Steps {
			if r.Steps[k] == 0 { // the last, since the last Stats
				r.Steps[k] = uint32(max(1, min(r.Millis, 1<<32-1)))
			}
		}
	}
	if why != nil {
		e := classify(why)
		r.Code, r.Reason = uint8(e.code), clip(quoteMessage(e.Error()), wire.MaxReason)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := g.member.swarm.Deliver(ctx, r)
	if err != nil {
		g.app.log.Debug("no seed took our result", "err", err)
	}
	return err
}

// tellFailure tells a seed why we end, once, if we had come as far as to begin.
func (g *getRun) tellFailure(why error) {
	g.mu.Lock()
	skip := g.target == "" || g.told || g.inPlace.Load() != nil
	g.told = true
	g.mu.Unlock()
	if !skip {
		_ = g.tell(wire.Failed, why, ackTime)
	}
}

// clip makes s valid UTF-8 of at most n bytes.
func clip(s string, n int) string {
	whole := strings.ToValidUTF8(s, "?")
	return strings.ToValidUTF8(whole[:min(len(whole), n)], "")
}
