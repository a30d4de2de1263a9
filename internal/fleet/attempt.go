package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ending is how an attempt went, if it didn't bring the verdict.
type ending struct {
	err     error  // ours: ssh couldn't be started, no program
	code    int    // of err's verdict, or ssh's exit code
	hello   bool   // a shell answered
	ran     bool   // its get ran
	expired bool   // it took too long
	exit    Report // what get said at its end
	last    string // the last words on stderr; where there are none, on stdout before a shell answered
}

// attempt is one session with a host, from its login to the end of its process.
type attempt struct {
	fleet   *Fleet
	host    *hostRun
	session *session
	talk    talk
	program *program  // that is being sent
	sends   int       // how often
	sending time.Time // since when; zero: nothing had to be sent
	sent    func()    // it isn't any more; nil where sending is zero
	release func()    // gives the slot back

	end     ending
	watch   *time.Timer // ends what takes too long
	expired atomic.Bool
	hello   atomic.Bool
}

// attempt logs in and does what the host asks for. It holds a slot when it begins, and none when it returns.
func (f *Fleet) attempt(ctx context.Context, h *hostRun) ending {
	a := &attempt{fleet: f, host: h, talk: talk{marker: f.marker}, release: sync.OnceFunc(func() { <-f.slots })}
	defer a.release()
	f.update(h, func(s *Status) {
		s.State, s.Tries = Login, s.Tries+1
		if s.Began.IsZero() {
			s.Began = time.Now()
		}
	})
	var err error
	if a.session, err = start(f.command(h.Host)); err != nil {
		return ending{err: err, code: codeLocal}
	}
	unhook := context.AfterFunc(ctx, func() {
		if a.hello.Load() {
			a.session.hangUp()
		} else {
			a.session.kill()
		}
	})
	defer unhook()
	a.watch = time.AfterFunc(f.cfg.Login, func() {
		a.expired.Store(true)
		a.session.kill()
	})
	defer a.watch.Stop()
	a.session.send([]byte(script(f.marker, f.cfg.Protocol, f.cfg.Push)))
	banner := ""
	for {
		line, err := a.session.line()
		if err != nil {
			break
		}
		if words := strings.TrimSpace(line); !a.hello.Load() && words != "" {
			banner = strings.ToValidUTF8(words[:min(len(words), maxSaid)], "?")
		}
		a.take(ctx, a.talk.line(line))
	}
	if a.sent != nil {
		a.sent()
	}
	code := a.session.wait()
	if a.end.err == nil {
		a.end.code = code
	}
	a.end.expired, a.end.hello = a.expired.Load(), a.hello.Load()
	a.end.exit, a.end.last = a.session.said.ended()
	if a.end.last == "" && !a.end.hello {
		a.end.last = banner
	}
	return a.end
}

// take does what a line asks for.
func (a *attempt) take(ctx context.Context, q ask) {
	f := a.fleet
	switch q.wish {
	case welcome:
		a.answered()
	case sumsWanted:
		a.answered()
		p, err := f.cfg.Programs.find(q.system, q.machine)
		if err != nil {
			a.giveUp(codeFailure, err)
			return
		}
		a.program = p
		a.session.send([]byte(strings.TrimRight(fmt.Sprintf("%s %s %s %s", p.name(), p.sum, p.crc, f.cfg.Place), " ") + "\n"))
	case bytesWanted:
		if a.sends++; a.program == nil || a.sends > maxSends {
			a.giveUp(codeFailure, errors.New("it asks for the program again and again"))
			return
		}
		f.update(a.host, func(s *Status) { s.State, s.Sent = Sending, true })
		if a.sending.IsZero() {
			a.sending, a.sent = time.Now(), f.sends.begin()
		}
		bytes := a.program.raw
		if q.packed {
			bytes = a.program.packed
		}
		a.session.send(fmt.Appendf(nil, "%d\n", len(bytes)))
		a.session.send(bytes)
	case noPlace:
		why := "no directory there takes the program and lets it run (tried the cache, /var/tmp, /tmp and /dev/shm)"
		if q.came {
			why = "the program was sent and doesn't run there: is it of this release?"
		}
		a.giveUp(codeLocal, errors.New(why))
	case orders:
		a.order(ctx)
	case report:
		a.watch.Reset(silence)
		a.report(q.report)
	case nothing:
	}
}

// answered notes that a shell is there.
func (a *attempt) answered() {
	if !a.expired.Load() && !a.hello.Swap(true) { // one that comes too late doesn't count
		a.watch.Reset(sendTime)
	}
}

// giveUp ends the attempt for a reason of ours.
func (a *attempt) giveUp(code int, err error) {
	a.end.err, a.end.code = err, code
	a.session.hangUp()
}

// order gives the get there its orders. From here on the host needs no slot.
func (a *attempt) order(ctx context.Context) {
	f := a.fleet
	a.watch.Stop()
	a.release()
	a.end.ran = true
	f.update(a.host, func(s *Status) { s.State = Ready })
	if a.sent != nil {
		a.sent()
		f.sends.yield(ctx, time.Since(a.sending))
	}
	f.mu.Lock()
	changed := a.host.touched
	f.mu.Unlock()
	line, err := f.cfg.Orders(ctx, changed)
	if err != nil {
		a.giveUp(codeFailure, err)
		return
	}
	f.update(a.host, func(s *Status) { s.State = Getting })
	a.watch.Reset(silence)
	a.session.send(append(line[:len(line):len(line)], '\n'))
}

// report takes what get says.
func (a *attempt) report(r Report) {
	f := a.fleet
	switch r.Type {
	case "status", "start":
		if r.Outcome != "" || r.Stage == "linger" {
			return
		}
		f.update(a.host, func(s *Status) {
			s.Stage, s.Done, s.Total, s.Rate, s.Left = r.Stage, 0, 0, 0, -1
			if r.Stage != "transfer" {
				return
			}
			s.Done, s.Total, s.Rate = min(r.Done, r.Total), r.Total, r.Rate
			if r.ETA != nil && *r.ETA >= 0 && *r.ETA < maxLeft {
				s.Left = time.Duration(*r.ETA * float64(time.Second))
			}
			a.host.touched = a.host.touched || r.Done > 0
		})
	case "result":
		f.update(a.host, func(s *Status) {
			s.State, s.Path, s.Root, s.Fetched, s.Rate, s.Left = Running, r.Path, r.Root, r.Fetched, 0, -1
			s.Done = s.Total
			a.host.touched = a.host.touched || r.Changed
		})
		if !f.cfg.Command {
			f.decide(a.host, verdict{Unchanged, 0, ""}) // or Changed
		}
	case "run":
		f.update(a.host, func(s *Status) { s.Output = r.Output })
		v := verdict{Unchanged, 0, ""}
		if r.Code != 0 || r.TimedOut {
			v = verdict{Failed, codeGoal, runFailure(r)}
		}
		f.decide(a.host, v)
	}
}

// runFailure says how a command ended that wasn't good, with its last line.
func runFailure(r Report) string {
	text := fmt.Sprintf("the copy is in place, --run ended with exit %d", r.Code)
	if r.TimedOut {
		text = fmt.Sprintf("the copy is in place, --run wasn't done after %.0f s", r.Seconds)
	}
	lines := strings.Split(strings.TrimSpace(r.Output), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		text += ": " + last
	}
	return text
}

// judge is the verdict on an attempt that brought none, or that there is another one.
func (f *Fleet) judge(ctx context.Context, h *hostRun, e ending) (v verdict, again bool) {
	last := func(otherwise string, args ...any) string {
		if e.last != "" {
			return e.last
		}
		return fmt.Sprintf(otherwise, args...)
	}
	// ssh's own failure has this code; so has, for ssh, a program that a signal ended.
	died := e.code == 255 || e.code < 0
	switch {
	case ctx.Err() != nil:
		return verdict{Stopped, codeStopped, "stopped"}, false
	case e.err != nil:
		return verdict{Failed, e.code, e.err.Error()}, false
	case !e.hello && e.expired:
		return verdict{Unreachable, codeNobody, last("no shell answered") + fmt.Sprintf(" (gave up after %s)", f.cfg.Login)}, false
	case !e.hello:
		// Where many log in by way of one host, its sshd drops some (MaxStartups).
		busy := died && (strings.Contains(e.last, "closed by") || strings.Contains(e.last, "reset by"))
		text := last("ssh ended with exit %d", e.code)
		if strings.HasPrefix(text, "Host key verification failed") {
			text += " Log in once with ssh to see its key" // we can't be asked
		}
		return verdict{Unreachable, codeNobody, text}, busy && h.Tries < maxTries
	case e.exit.Type != "":
		text := e.exit.Message
		if e.exit.Hint != "" {
			text += "; " + e.exit.Hint
		}
		// The ticket is right: silence is a network that is full, or a seed that is.
		return verdict{Failed, known(e.exit.Code), text}, e.exit.Code == codeSilent && h.Tries < maxTries
	case e.expired:
		return verdict{Lost, codeNobody, last("not a word for too long")}, false
	case died:
		return verdict{Lost, codeNobody, last("ssh ended in the middle") + fmt.Sprintf(" (attempt %d)", h.Tries)}, h.Tries < maxTries
	case e.code == 0:
		return verdict{Failed, codeFailure, last("it ended without a result")}, false
	}
	return verdict{Failed, known(e.code), last("it ended with exit %d", e.code)}, false
}

// known is a code of p2pcp's table as it is, and a failure for any other: a host may tell us anything.
func known(code int) int {
	if code >= codeFailure && code <= codeWorst || slices.Contains([]int{codeStopped, 141, 143}, code) {
		return code
	}
	return codeFailure
}
