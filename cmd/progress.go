package cmd

import (
	"sync"
	"time"
)

// Stages of a transfer, in their order.
const (
	stageHashing  = "hashing"
	stageJoining  = "joining"
	stageManifest = "manifest"
	stageChecking = "checking"
	stageTransfer = "transfer"
	stageLinger   = "linger"
	stageDone     = "done" // in the closing message alone
)

// barPeriod is the time between two frames of the bar: smooth, and slow enough for a terminal behind ssh.
const barPeriod = 200 * time.Millisecond

// progressSnapshot is what a transfer looks like at one moment. Counters only grow; rates are made from them here.
type progressSnapshot struct {
	Stage       string
	Name        string // of what is moved; empty until it is known
	Done, Total uint64 // bytes of this stage; Total 0: not known, or nothing to do

	Received uint64 // bytes of content from the network since the start
	Sent     uint64 // bytes of content to others since the start
	FromSeed uint64 // the part of Received that a seed sent
	Control  uint64 // bytes of sessions that are no content, both ways
	Peers    int    // live sessions

	Discarded uint64 // the part of Received that nobody wanted any more

	InPlace time.Time // when all of it was there and the lingering began; zero: not yet
}

// progressView is a snapshot with what was made from it and from the ones before.
type progressView struct {
	progressSnapshot
	Down    float64       // bytes per second, smoothed; in the stages that read the local disk the rate of Done; negative: not known
	Up      float64       // bytes per second, smoothed
	Left    time.Duration // until Done is Total; negative: not known
	Elapsed time.Duration // since the start
	Took    time.Duration // from the start until all was in place; before that, Elapsed
}

// shortest is the least time that a rate over the whole of a transfer is made from: below it the start of the process counts for
// more than the transfer.
const shortest = 100 * time.Millisecond

// overall is the rate of all that was moved until it was in place, in bytes per second; negative: not known.
func (v *progressView) overall() float64 {
	if v.Took < shortest {
		return -1
	}
	moved := v.Received
	if moved == 0 && (v.Stage == stageHashing || v.Stage == stageChecking) {
		moved = v.Done
	}
	return float64(moved) / v.Took.Seconds()
}

// leaving is how long a process may take to go: what is no longer is no lingering.
const leaving = 2 * time.Second

// lingered is the time from when all was in place, 0 if it was just that of leaving.
func (v *progressView) lingered() time.Duration {
	if d := v.Elapsed - v.Took; d > leaving {
		return d
	}
	return 0
}

// seedShare is the part of what was received that came from a seed, 0 to 1.
func (v *progressView) seedShare() float64 {
	if v.Received == 0 {
		return 0
	}
	return min(1, float64(v.FromSeed)/float64(v.Received))
}

// percent is 0 to 100, rounded down, so that 100 means all.
func (v *progressView) percent() int {
	if v.Total == 0 {
		return 0
	}
	return int(min(v.Done, v.Total) * 100 / v.Total)
}

// progress shows one transfer until stop. It pulls: the code that moves bytes only counts them. Safe for concurrent use.
type progress struct {
	app     *app
	command string
	pull    func() progressSnapshot
	terse   bool // nothing at the start and the end
	begun   time.Time
	halt    func() // ends the goroutine

	mu       sync.Mutex
	stage    string
	down, up meter
	done     bool
}

// startProgress begins to show what pull returns (called from one goroutine at a time, and from the signal goroutine, never
// after stop has returned). command is the verb: get, seed, hash, verify. The caller must call stop.
func (a *app) startProgress(command string, pull func() progressSnapshot) *progress {
	// hash stands in pipes and is mostly over at once.
	p := &progress{app: a, command: command, pull: pull, terse: command == "hash", begun: time.Now()}
	live, period := a.pace(barPeriod)
	p.report("start", live)
	p.halt = ticks(period, func() { p.report("status", live) })
	a.signals.onStatus(func() string { return p.line("progress", p.view()) })
	return p
}

// stop shows the end and how it ended ("finished", "stopped", "failed"), and returns once nothing is shown any more. With "" no
// word is lost on the end: what was said already says it all. Only the first call counts.
func (p *progress) stop(outcome string) {
	p.mu.Lock()
	again := p.done
	p.done = true
	p.mu.Unlock()
	if again {
		return
	}
	p.app.signals.onStatus(nil)
	p.halt()
	p.app.screen.clear()
	switch {
	case outcome != "":
		p.report(outcome, false)
	case p.app.json: // a reader of messages waits for the last one
		p.report("stopped", false)
	}
}

// view pulls a snapshot and brings the meters up to it.
func (p *progress) view() progressView {
	s := p.pull()
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.Stage != p.stage {
		// A stage has its own pace.
		p.stage, p.down = s.Stage, meter{}
	}
	moved := s.Received
	if s.Stage == stageHashing || s.Stage == stageChecking {
		moved = s.Done
	}
	p.down.update(now, moved)
	p.up.update(now, s.Sent)
	v := progressView{progressSnapshot: s, Down: -1, Up: p.up.rate(), Left: -1, Elapsed: now.Sub(p.begun)}
	if p.down.known() {
		v.Down = p.down.rate()
	}
	v.Took = v.Elapsed
	if !s.InPlace.IsZero() {
		v.Took = s.InPlace.Sub(p.begun)
	}
	if s.Total > s.Done && v.Down >= 1 {
		if left := float64(s.Total-s.Done) / v.Down; left < float64(10*365*24*3600) {
			v.Left = time.Duration(left * float64(time.Second))
		}
	}
	return v
}

// report shows one moment in the form that the flags and the terminal ask for.
func (p *progress) report(event string, live bool) {
	if p.app.quiet || (p.terse && !live && event != "status") {
		return
	}
	v := p.view()
	switch {
	case p.app.json:
		// A failure sticks in the stream and ends the run.
		_ = p.app.result("", p.message(event, v))
	case live:
		columns, _ := p.app.term.size()
		p.app.screen.show([]string{barLine(p.command, v, columns-1)})
	default:
		if event == "status" {
			event = "progress"
		}
		p.app.screen.message(p.line(event, v))
	}
}
