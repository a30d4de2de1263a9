package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pcp/internal/lab"
)

// trial is one transfer from host 0 to hosts, with what is done to them meanwhile.
type trial struct {
	*rig
	path, sum string
	seed      *lab.Proc
	ticket    string
	gets      map[int]*lab.Proc // the latest of each host
	begun     time.Time
}

// resultMark begins the line of get --json that says that everything is in place.
const resultMark = `"message_type":"result"`

// try seeds a file and has the hosts get it.
func (r *rig) try(path, sum string, hosts []int, seedArgs ...string) *trial {
	r.Helper()
	t := &trial{rig: r, path: path, sum: sum, gets: map[int]*lab.Proc{}}
	t.seed, t.ticket = r.seed(path, append([]string{"-vv"}, seedArgs...)...)
	t.begun = time.Now()
	for _, h := range hosts {
		t.fetch(h)
	}
	return t
}

// plain is how long an undisturbed transfer to all receivers takes.
func (r *rig) plain(path, sum string) time.Duration {
	r.Helper()
	t := r.try(path, sum, r.receivers())
	took := t.slowest(time.Minute, r.receivers()...)
	t.over()
	return took
}

// fetch starts a get on a host, once more if there was one.
func (t *trial) fetch(host int, args ...string) {
	t.Helper()
	t.gets[host] = t.get(host, t.ticket, append([]string{"--json", "-vv"}, args...)...)
}

// kill ends a host's get by SIGKILL.
func (t *trial) kill(host int) {
	t.gets[host].Signal(syscall.SIGKILL)
	<-t.gets[host].Done()
}

// slowest waits until the hosts have everything, and is when the last one had it, from the beginning on.
func (t *trial) slowest(within time.Duration, hosts ...int) time.Duration {
	t.Helper()
	var last time.Duration
	for _, h := range hosts {
		p := t.gets[h]
		t.until(fmt.Sprintf("the result of host %d", h), within-time.Since(t.begun), func() bool {
			select {
			case <-p.Done():
				if p.Out.When(resultMark).IsZero() {
					t.Fatalf("host %d: exit %d: %s", h, p.Code(), p.Err)
				}
			default:
			}
			return !p.Out.When(resultMark).IsZero()
		})
		last = max(last, p.Out.When(resultMark).Sub(t.begun))
	}
	return last
}

// over checks the copies and that nobody was called a liar, ends all processes and removes the copies.
func (t *trial) over() {
	t.Helper()
	for h, p := range t.gets {
		if log := p.Err.String(); strings.Contains(log, "bad block") {
			t.Errorf("host %d: someone honest was accused:\n%s", h, log)
		}
		mustTrust(t.T, p.Err.String())
		t.sameEverywhere(t.path, t.sum, h)
	}
	t.quit()
	mustTrust(t.T, t.seed.Err.String())
}

// quit ends all processes and removes the copies, whole or partial.
func (t *trial) quit() {
	t.Helper()
	for _, p := range t.gets {
		p.Signal(syscall.SIGCONT)
		p.Signal(syscall.SIGINT)
	}
	for _, p := range t.gets {
		t.wait(p, 5*time.Second)
	}
	t.seed.Signal(syscall.SIGCONT)
	t.end(t.seed)
	for _, h := range t.receivers() {
		t.run(h, "sh", "-c", fmt.Sprintf("rm -rf %s %s/.*.p2pcp", t.path, lab.Scratch))
	}
}

// ledgerRow is what the seed's Ledger says of a host.
type ledgerRow struct {
	Host  string `json:"host"`
	State string `json:"state"`
	Code  int    `json:"code"`
	Note  string `json:"note"`
}

// ledger reads a host's row.
func (t *trial) ledger(host int) (row ledgerRow) {
	t.Helper()
	var status struct {
		Hosts []ledgerRow `json:"hosts"`
	}
	if err := json.Unmarshal([]byte(t.run(0, t.bin, "status", t.ticket, "--json")), &status); err != nil {
		t.Fatal(err)
	}
	for _, h := range status.Hosts {
		if h.Host == t.host(host).Name() {
			row = h
		}
	}
	return row
}

// allowance is how much longer who isn't hit may take than undisturbed.
func allowance(undisturbed time.Duration) time.Duration {
	return max(undisturbed*15/100, 2*time.Second)
}

// record is what make reliability makes its table of.
type record struct {
	Kind        string  `json:"kind"`
	Name        string  `json:"name"`
	Undisturbed float64 `json:"undisturbed_s"`
	Disturbed   float64 `json:"disturbed_s"`
	Result      string  `json:"result"`
	Test        string  `json:"test"`
}

// survived prints a fault's line for docs/RELIABILITY.md.
func survived(t *testing.T, name string, undisturbed, disturbed time.Duration, format string, args ...any) {
	t.Helper()
	b, err := json.Marshal(record{"fault", name, tenths(undisturbed), tenths(disturbed), fmt.Sprintf(format, args...), t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("RELIABILITY %s", b)
}

// tenths is a duration in seconds, to one digit.
func tenths(d time.Duration) float64 { return float64(d.Round(100*time.Millisecond)) / 1e9 }

// inTime is survived for a time that may be no longer than the allowance has it; extra is what the fault itself takes.
func inTime(t *testing.T, name string, undisturbed, disturbed, extra time.Duration, format string, args ...any) {
	t.Helper()
	survived(t, name, undisturbed, disturbed, format, args...)
	if limit := undisturbed + extra + allowance(undisturbed); disturbed > limit {
		t.Errorf("%s: %s, undisturbed %s: more than %s", name, disturbed, undisturbed, limit)
	}
}
