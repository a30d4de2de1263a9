package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pcp/internal/lab"
)

// TestE2EReport: what a finished transfer's account says of twelve hosts, of which one came late, one was killed and one has no space,
// is what happened. With -artifacts the page is kept.
func TestE2EReport(t *testing.T) {
	r := newRig(t, 13, rate)
	const size = 64 * mib
	path, _ := r.file("model.bin", size)
	_, ticket := r.seed(path)
	r.run(12, "sh", "-c", "mkdir "+lab.Scratch+"/full && mount -t tmpfs -o size=8m lab "+lab.Scratch+"/full")
	var all []*lab.Proc
	for h := 1; h <= 10; h++ {
		all = append(all, r.get(h, ticket, "-q"))
	}
	r.start(12, r.bin, "get", "-q", ticket, "-o", lab.Scratch+"/full/")
	time.Sleep(time.Second)
	all[3].Signal(syscall.SIGKILL)
	all = append(all, r.get(11, ticket, "-q"))
	for i, p := range all {
		if code := r.wait(p, time.Minute); code != 0 && i != 3 {
			t.Errorf("host %d: exit %d: %s", i+1, code, p.Err)
		}
	}
	wait := r.start(0, r.bin, "wait", "-q", "-n", "12", ticket)
	if code := r.wait(wait, time.Minute); code != 7 {
		t.Errorf("wait: exit %d: %s%s", code, wait.Out, wait.Err)
	}
	var m struct {
		Done   int     `json:"hosts_done"`
		Failed int     `json:"hosts_failed"`
		Lost   int     `json:"hosts_lost"`
		Egress float64 `json:"egress_copies"`
		Hosts  []struct {
			Host, State    string
			Start, Seconds float64
			Received       uint64
			Steps          []float64
			From           []struct{ Bytes uint64 }
		}
		History []struct {
			Sent uint64
			Done int `json:"hosts_done"`
		}
	}
	text := r.run(0, r.bin, "report", "--json", ticket)
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	if m.Done != 10 || m.Failed != 1 || m.Lost != 1 || m.Egress < 0.9 || m.Egress > 1.6 || len(m.Hosts) != 12 || len(m.History) < 5 {
		t.Errorf("%d done, %d failed, %d lost, %.2f copies, %d samples", m.Done, m.Failed, m.Lost, m.Egress, len(m.History))
	}
	if last := m.History[len(m.History)-1]; last.Done != 10 || last.Sent < size {
		t.Errorf("the last sample is %+v", last)
	}
	for _, h := range m.Hosts {
		if h.State != "changed" {
			continue
		}
		sum := uint64(0)
		for _, f := range h.From {
			sum += f.Bytes
		}
		if sum != h.Received || len(h.From) < 2 || len(h.Steps) != 16 || h.Steps[15] > h.Seconds || h.Steps[3] >= h.Steps[12] {
			t.Errorf("%s: %d of %d bytes from %d, steps %v in %.1f s", h.Host, sum, h.Received, len(h.From), h.Steps, h.Seconds)
		}
		if late := h.Start > 0.8; late != (h.Host == r.host(11).Name()) {
			t.Errorf("%s began after %.2f s", h.Host, h.Start)
		}
	}
	dir := t.ArtifactDir()
	file := filepath.Join(dir, "run.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.run(0, r.bin, "report", file, "-o", filepath.Join(dir, "report.html"))
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil || !strings.Contains(string(page), `"host":"`+r.host(11).Name()+`"`) {
		t.Errorf("the page lacks the data: %v", err)
	}
}
