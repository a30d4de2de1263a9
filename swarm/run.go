package swarm

import (
	"context"
	"errors"
	"time"

	"p2pcp/swarm/wire"
)

// Bounds on leaving: after an interrupt a process must be gone within 2 s, whatever its peers do.
const (
	leaveTime   = 800 * time.Millisecond // for Blocks being sent, after Interrupt
	goodbyeTime = 400 * time.Millisecond // for BYE, and what was sent before it, to be read
)

// Run takes part in the swarm until the core is done (nil or why it ended early), a local fault ends it, or ctx ends
// (context's cause, after at most 1.3 s of leaving). Every goroutine it started has ended when it returns.
func (s *Swarm) Run(ctx context.Context) error {
	s.start = time.Now()
	s.taskMu.Lock()
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.taskMu.Unlock()
	defer s.end()
	s.adoptWaiting()
	s.spawn(s.recheckLoop)
	if len(s.cfg.Bootstrap) > 0 {
		s.spawn(s.bootstrap)
	}
	return s.runLoop(ctx)
}

// end cancels what runs and waits for it.
func (s *Swarm) end() {
	s.cancel()
	s.taskMu.Lock()
	s.closed = true
	s.taskMu.Unlock()
	s.mu.Lock()
	for _, ss := range s.sessions {
		ss.close(nil)
	}
	s.mu.Unlock()
	s.tasks.Wait()
}

// spawn runs f as a goroutine of Run; false if Run is over.
func (s *Swarm) spawn(f func()) bool {
	s.taskMu.Lock()
	defer s.taskMu.Unlock()
	if s.closed || s.ctx == nil {
		return false
	}
	s.tasks.Add(1)
	go func() {
		defer s.tasks.Done()
		f()
	}()
	return true
}

// post gives the loop a fact; false if the loop is gone.
func (s *Swarm) post(e Event) bool {
	select {
	case s.events <- e:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// fail ends Run with a local fault; the first one counts.
func (s *Swarm) fail(err error) {
	if err == nil || (errors.Is(err, context.Canceled) && s.ctx.Err() != nil) {
		return
	}
	select {
	case s.fatal <- err:
	default:
	}
}

// runLoop is the loop: it alone steps the core.
func (s *Swarm) runLoop(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	s.loop.flush = time.NewTimer(time.Hour)
	defer s.loop.flush.Stop()
	s.loop.farFlush = time.NewTimer(time.Hour)
	defer s.loop.farFlush.Stop()
	intro := time.NewTicker(introTime)
	defer intro.Stop()
	interrupt, leave := ctx.Done(), (<-chan time.Time)(nil)
	s.publish()
	for !s.loop.done {
		select {
		case e := <-s.events:
			s.step(e)
		case <-ticker.C:
			s.step(Event{Kind: Tick})
			s.publish()
		case <-intro.C:
			s.introduceAll()
		case <-s.loop.flush.C:
			s.flushHave()
		case <-s.loop.farFlush.C:
			s.flushFar()
		case err := <-s.fatal:
			s.goodbye()
			return err
		case <-interrupt:
			interrupt, leave = nil, time.After(leaveTime)
			s.step(Event{Kind: Interrupt})
		case <-leave:
			s.loop.done = true
		}
	}
	s.goodbye()
	s.publish()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.loop.err
}

// step feeds the core one Event and does what it orders.
func (s *Swarm) step(e Event) {
	s.before(e)
	s.loop.actions = s.loop.core.Step(time.Since(s.start), e, s.loop.actions[:0])
	for _, a := range s.loop.actions {
		s.perform(a)
	}
	s.after(e)
}

// goodbye flushes what was announced and says BYE on every session; the others get a moment to read it.
func (s *Swarm) goodbye() {
	s.flushAll()
	s.mu.Lock()
	all := make([]*session, 0, len(s.sessions))
	for _, ss := range s.sessions {
		all = append(all, ss)
	}
	s.mu.Unlock()
	for _, ss := range all {
		ss.leave(wire.ByeLeaving)
	}
	deadline := time.After(goodbyeTime)
	for _, ss := range all {
		for waiting := true; waiting; {
			select {
			case <-s.events: // nobody may hang on a full queue meanwhile
			case <-ss.gone:
				waiting = false
			case <-deadline:
				return
			}
		}
	}
}
