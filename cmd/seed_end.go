package cmd

import (
	"context"
	"errors"
	"time"
)

// errGoal ends a seed as its flags planned.
var errGoal = errors.New("over")

// lookPeriod is the time between two looks at the swarm: how far a host was is known this well when it dies.
const lookPeriod = 500 * time.Millisecond

// wait returns once the member has ended: by a signal, a fault, --expect, --for or --until-idle, or with all that --run's command
// has begun. Then the error, or errGoal. The command has ended too.
func (s *seedRun) wait(running <-chan error, stop context.CancelCauseFunc) error {
	launched := s.launching
	defer func() {
		if launched != nil {
			s.launched = launchCode(<-launched)
		}
	}()
	over := func() bool { return s.flags.run != "" && launched == nil && s.ledger.Counts().Begun == 0 }
	f := s.flags
	var expected <-chan struct{}
	if f.expect > 0 && f.run == "" { // a launcher isn't cut short
		expected = s.ledger.Expect(f.expect)
	}
	var late <-chan time.Time
	if f.forTime > 0 {
		t := time.NewTimer(f.forTime)
		defer t.Stop()
		late = t.C
	}
	look := time.NewTicker(lookPeriod)
	defer look.Stop()
	idle := idleWatch{since: time.Now()}
	for {
		select {
		case err := <-running:
			return err
		case <-expected:
			expected = nil
			stop(errGoal)
		case err := <-launched:
			s.launched, launched = launchCode(err), nil
			if over() {
				stop(errGoal)
			}
		case <-late:
			stop(errGoal)
		case now := <-look.C:
			n := s.member.swarm.Stats()
			s.rates.update(now, n, s.oneCopy)
			s.noteLost(now, n)
			s.course.look(now, n, s.ledger.Counts(), false)
			s.noteChanged()
			if over() {
				stop(errGoal)
			}
			if idle.look(now, n.Sent) >= f.untilIdle && f.untilIdle > 0 {
				stop(errGoal)
			}
		}
	}
}

// idleWatch tells how long nothing was sent.
type idleWatch struct {
	sent  uint64 // bytes, at the last look
	since time.Time
}

// look takes what was sent so far.
func (w *idleWatch) look(now time.Time, sent uint64) time.Duration {
	if sent != w.sent {
		w.sent, w.since = sent, now
	}
	return now.Sub(w.since)
}
