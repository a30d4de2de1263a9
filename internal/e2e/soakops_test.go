package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"p2pcp/internal/lab"
)

// do carries one operation out, as far as there is something to do it to.
func (s *soak) do(op soakOp) {
	s.Helper()
	at := pair{op.host, op.content}
	if slices.Contains([]string{"kill", "interrupt", "pause"}, op.kind) {
		at = s.running(op)
	}
	g := s.gets[at]
	did := true
	switch {
	case op.kind == "get" && g == nil && op.host != op.content:
		s.startGet(at, []string{"--linger", []string{"auto", "0", "2s"}[op.arg%3]})
	case op.kind == "kill" && g != nil:
		g.hurt = true
		g.Signal(syscall.SIGKILL)
	case op.kind == "interrupt" && g != nil:
		g.hurt = true
		g.Signal(syscall.SIGINT)
	case op.kind == "pause" && g != nil:
		g.Signal(syscall.SIGSTOP)
		time.Sleep(time.Duration(op.arg%3000) * time.Millisecond)
		g.Signal(syscall.SIGCONT)
	case op.kind == "kill seed" && op.content > 0:
		s.killSeed(op)
	case op.kind == "rot" && g == nil && op.host != op.content:
		s.rot(at, op.arg)
	case op.kind == "remove" && g == nil && op.host != op.content:
		s.run(op.host, "rm", "-rf", lab.Scratch+"/"+contentName(op.content))
		s.dirty[at] = false
	case op.kind == "partition":
		s.partition(op)
	case op.kind == "unplug":
		s.must(s.host(op.host).LinkDown())
		time.Sleep(time.Duration(op.arg%4000) * time.Millisecond)
		s.must(s.host(op.host).LinkUp())
	case op.kind == "status":
		p := s.start(op.host, s.bin, "status", s.tickets[op.content])
		s.sane(p, s.wait(p, 30*time.Second))
	default:
		did = false
	}
	if did {
		s.done[op.kind]++
	}
}

// running is where a get runs: one of them by the operation's number, what the operation names if there is none.
func (s *soak) running(op soakOp) pair {
	all := slices.DeleteFunc(s.pairs(), func(at pair) bool { return s.gets[at] == nil })
	if len(all) == 0 {
		return pair{op.host, op.content}
	}
	return all[int(op.arg)%len(all)]
}

func (s *soak) startGet(at pair, flags []string) {
	s.Helper()
	args := append([]string{"-f", "--checksum", "--stall-timeout", "20s", "--wait", "20s"}, flags...)
	s.gets[at] = &soakGet{Proc: s.get(at.host, s.tickets[at.content], args...)}
	s.touched[at] = true
}

// killSeed kills a seed and lets it come back with its ticket, at once or later.
func (s *soak) killSeed(op soakOp) {
	s.Helper()
	s.seeds[op.content].Signal(syscall.SIGKILL)
	<-s.seeds[op.content].Done()
	time.Sleep(time.Duration(op.arg%3000) * time.Millisecond)
	s.startSeed(op.content)
}

// rot changes a byte of what a host has: of a finished copy, or of a partial one that nobody is getting.
func (s *soak) rot(at pair, where uint32) {
	s.Helper()
	name := contentName(at.content)
	if at.content == 2 {
		name += "/large"
	}
	script := `for f in "$0" "$1"; do test -s "$f" || continue; n=$(stat -c %s "$f"); printf x | dd of="$f" bs=1 seek=$(($2 % n)) conv=notrunc 2>/dev/null; done`
	partial := fmt.Sprintf("%s/.%s.p2pcp/content%s", lab.Scratch, contentName(at.content), strings.TrimPrefix(name, contentName(at.content)))
	s.run(at.host, "sh", "-c", script, lab.Scratch+"/"+name, partial, strconv.FormatUint(uint64(where), 10))
	s.dirty[at] = true
}

// partition parts the hosts below a number from the others for a while.
func (s *soak) partition(op soakOp) {
	s.Helper()
	below := s.lab.Hosts()[:op.host]
	s.must(s.lab.Cut(below...))
	time.Sleep(time.Duration(op.arg%5000) * time.Millisecond)
	s.must(s.lab.Heal(below...))
}
