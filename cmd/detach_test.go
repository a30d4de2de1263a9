package cmd

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// detachProbe is a command that detaches as seed and get do: "detach [flags] WORD...". Words:
//
//	ready=N     becomes ready with code N, then stays until SIGTERM
//	fail=N      ends with code N before it is ready
//	kill        is killed before it is ready
//	wait        stays, not ready, until a signal
//	show        shows a transfer in the foreground until a signal
//	stuck       as show, and doesn't leave at the first signal
//	-, @FILE, ticket   resolves a ticket and prints whether it stands in its arguments
func detachProbe(args []string) int {
	a := newApp(args, os.Stdin, os.Stdout, os.Stderr)
	defer a.close()
	return a.end(probe(a, args))
}

func probe(a *app, args []string) error {
	if args[0] == "show" || args[0] == "stuck" {
		return probeForeground(a, args[0] == "stuck")
	}
	if a.detached() == nil {
		word, secret := "", ""
		if last := args[len(args)-1]; last == "-" || last[0] == '@' || strings.HasPrefix(last, "p2pcp1") {
			t, err := a.ticket(last)
			if err != nil {
				return err
			}
			word, secret = last, t.String()
		}
		return a.detach(word, secret)
	}
	a.note("child says args=%s", strings.Join(args, " "))
	if last := args[len(args)-1]; last == "-" {
		t, err := a.ticket(last)
		if err != nil {
			return err
		}
		if err := a.result("id "+t.ID.Short(), nil); err != nil {
			return err
		}
	}
	reg, err := a.register("seed", strings.Repeat("0123abcd", 8), "/tmp/a\nb")
	if err != nil {
		return err
	}
	defer reg.remove()
	verb, number, _ := strings.Cut(args[0], "=")
	var code int
	fmt.Sscan(number, &code)
	switch verb {
	case "fail":
		return exitf(code, "", "as asked")
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "wait":
		os.WriteFile("waiting", []byte("x"), 0o600)
	case "ready":
		if err := a.ready(code); err != nil {
			return err
		}
		// Nobody hears this any more.
		a.note("after ready")
	}
	select {
	case <-a.ctx.Done():
		return a.ctx.Err()
	case <-time.After(time.Minute):
		return nil
	}
}

func probeForeground(a *app, stuck bool) error {
	a.signals.onStop("stopping, what arrived is kept: the same command resumes")
	p := a.startProgress("get", func() progressSnapshot {
		return progressSnapshot{Stage: stageTransfer, Name: "x", Done: 1, Total: 4}
	})
	defer p.stop("stopped")
	os.WriteFile("waiting", []byte("x"), 0o600)
	<-a.ctx.Done()
	if stuck {
		os.WriteFile("stopping", []byte("x"), 0o600)
		<-time.After(time.Minute)
	}
	return a.ctx.Err()
}
