package cmd

import (
	"strings"
	"testing"
	"time"

	"p2pcp/internal/bubble"
)

// TestProgressInALog runs a transfer of ten minutes with stderr being a file.
func TestProgressInALog(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, out, errs := newTestApp(t)
		begun := time.Now()
		p := a.startProgress("get", func() progressSnapshot {
			seconds := uint64(time.Since(begun) / time.Second)
			return progressSnapshot{
				Stage: stageTransfer, Name: "a b", Done: (5 << 20) + seconds<<20, Total: 605 << 20,
				Received: seconds << 20, Sent: seconds << 19, FromSeed: seconds << 18, Peers: 3,
			}
		})
		time.Sleep(10*time.Minute + time.Second)
		p.stop("finished")
		p.stop("again")
		lines := strings.Split(strings.TrimSuffix(errs(), "\n"), "\n")
		if len(lines) != 12 {
			t.Fatalf("%d lines, want start, 10 and the end:\n%s", len(lines), errs())
		}
		want := map[int]string{
			0:  `p2pcp: start command=get stage=transfer name="a b" done=0% bytes=5.0MiB/605MiB`,
			5:  `p2pcp: progress command=get stage=transfer name="a b" done=50% bytes=305MiB/605MiB rate=1.0MiB/s eta=5m0s peers=3 received=300MiB sent=150MiB from_seed=25%`,
			11: `p2pcp: finished command=get stage=transfer name="a b" done=100% bytes=606MiB/605MiB time=601.0s rate=1.0MiB/s peers=3 received=601MiB sent=300MiB from_seed=25%`,
		}
		for i, line := range want {
			if lines[i] != line {
				t.Errorf("line %d:\n got %s\nwant %s", i, lines[i], line)
			}
		}
		if out() != "" || strings.ContainsAny(errs(), "\r\x1b") {
			t.Errorf("stdout %q, or control characters in stderr", out())
		}
	})
}

// The closing message tells of the transfer, and of the lingering apart from it.
func TestProgressClosesWithTheTransfer(t *testing.T) {
	for _, c := range []struct {
		took, lingers time.Duration
		line, json    string
	}{
		{
			10 * time.Second, 30 * time.Second,
			"stage=done name=x done=100% bytes=10.0MiB/10.0MiB time=10.0s rate=1.0MiB/s linger=30.0s peers=0 received=10.0MiB sent=40.0MiB from_seed=0%",
			`"stage":"done","name":"x","done":10485760,"total":10485760,"down_rate":1048576,"up_rate":1048576,"elapsed_seconds":10,"linger_seconds":30,"received"`,
		},
		{
			10 * time.Second, 0,
			"stage=done name=x done=100% bytes=10.0MiB/10.0MiB time=10.0s rate=1.0MiB/s peers=0 received=10.0MiB sent=10.0MiB from_seed=0%",
			`"down_rate":1048576,"up_rate":1048576,"elapsed_seconds":10,"received"`,
		},
		{
			90 * time.Millisecond, 0,
			"stage=done name=x done=100% bytes=10.0MiB/10.0MiB time=0.1s peers=0 received=10.0MiB sent=92.2KiB from_seed=0%",
			`"down_rate":0,"up_rate":1048566,"elapsed_seconds":0.09,"received"`,
		},
	} {
		for _, json := range []bool{false, true} {
			bubble.Test(t, func(t *testing.T) {
				a, out, errs := newTestApp(t)
				a.json = json
				begun := time.Now()
				p := a.startProgress("get", func() progressSnapshot {
					now := time.Since(begun)
					s := progressSnapshot{Stage: stageTransfer, Name: "x", Total: 10 << 20, Sent: uint64(now.Seconds() * (1 << 20))}
					if now >= c.took {
						s.Stage, s.Done, s.Received, s.InPlace = stageLinger, s.Total, s.Total, begun.Add(c.took)
					}
					return s
				})
				time.Sleep(c.took + c.lingers)
				p.stop("finished")
				got, want := errs(), "p2pcp: finished command=get "+c.line+"\n"
				if json {
					got, want = out(), c.json
				}
				if !strings.Contains(got, want) {
					t.Errorf("got\n%swant\n%s", got, want)
				}
			})
		}
	}
}

// Where there is no rate none is told: before the second look at a stage, and where all was over at once.
func TestProgressWithoutARate(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, _, errs := newTestApp(t)
		begun := time.Now()
		p := a.startProgress("get", func() progressSnapshot {
			s := progressSnapshot{Stage: stageJoining, Name: "x", Done: 1, Total: 2, Peers: 1}
			if time.Since(begun) > 0 {
				s.Stage = stageTransfer
			}
			return s
		})
		time.Sleep(2*time.Minute + time.Second)
		p.stop("")
		want := "p2pcp: start command=get stage=joining name=x done=50% bytes=1B/2B\n" +
			"p2pcp: progress command=get stage=transfer name=x done=50% bytes=1B/2B peers=1 received=0B sent=0B from_seed=0%\n" +
			"p2pcp: progress command=get stage=transfer name=x done=50% bytes=1B/2B rate=0B/s peers=1 received=0B sent=0B from_seed=0%\n"
		if errs() != want {
			t.Errorf("got\n%swant\n%s", errs(), want)
		}
		a, _, errs = newTestApp(t)
		p = a.startProgress("seed", func() progressSnapshot { return progressSnapshot{Stage: stageHashing, Name: "x", Done: 2, Total: 2} })
		time.Sleep(99 * time.Millisecond)
		p.stop("hashed")
		if want := "p2pcp: hashed command=seed stage=hashing name=x done=100% bytes=2B/2B time=0.1s\n"; !strings.HasSuffix(errs(), want) {
			t.Errorf("got\n%swant\n%s", errs(), want)
		}
	})
}

func TestProgressQuietAndJSON(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		pull := func() progressSnapshot {
			return progressSnapshot{Stage: stageHashing, Name: "x", Done: 1, Total: 2}
		}
		a, out, errs := newTestApp(t)
		a.quiet = true
		p := a.startProgress("seed", pull)
		time.Sleep(time.Hour)
		p.stop("finished")
		if out()+errs() != "" {
			t.Errorf("quiet, and yet %q %q", out(), errs())
		}
		a, out, errs = newTestApp(t)
		a.json = true
		p = a.startProgress("seed", pull)
		time.Sleep(90 * time.Second)
		p.stop("finished")
		for i, want := range []string{`{"message_type":"start",`, `{"message_type":"status",`, `{"message_type":"status","command":"seed","outcome":"finished",`} {
			if lines := strings.Split(out(), "\n"); !strings.HasPrefix(lines[i], want) {
				t.Errorf("line %d: %s", i, lines[i])
			}
		}
		if errs() != "" {
			t.Errorf("stderr: %q", errs())
		}
	})
}
