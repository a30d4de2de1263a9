package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/lab"
)

// result is the last line of get --json.
type result struct {
	Type    string `json:"message_type"`
	Changed bool   `json:"changed"`
	Fetched uint64 `json:"fetched"`
}

func (r *rig) result(p *lab.Proc) result {
	r.Helper()
	for line := range strings.Lines(p.Out.String()) {
		var m result
		if json.Unmarshal([]byte(line), &m) == nil && m.Type == "result" {
			return m
		}
	}
	r.Fatalf("no result in %q; stderr %q", p.Out, p.Err)
	return result{}
}

// journal reads what a receiver's journal says it holds (PROTOCOL 7); nil if there is none, or it is being written.
func (r *rig) journal(host int, name string) (blocks.Header, *blocks.Bitfield) {
	r.Helper()
	dir, base := filepath.Split(name)
	b, err := os.ReadFile(r.host(host).Path(lab.Scratch + "/" + dir + "." + base + ".p2pcp/journal"))
	if err != nil || len(b) < 72 {
		return blocks.Header{}, nil
	}
	header, held, err := parseJournal(b)
	if err != nil {
		return blocks.Header{}, nil
	}
	return header, held
}

// parseJournal reads a journal's Header, and what it says is held, nil where that is cut off.
func parseJournal(b []byte) (blocks.Header, *blocks.Bitfield, error) {
	header, err := blocks.ParseHeader(b[8:72])
	if err != nil {
		return header, nil, err
	}
	from, n := 72+int(header.ManifestSize), (int(header.Blocks)+7)/8
	if len(b) < from+n {
		return header, nil, nil
	}
	held, err := blocks.ParseBitfield(header.Blocks, b[from:from+n])
	if err != nil {
		return header, nil, err
	}
	held.SetSpan(blocks.Span{Count: header.ManifestBlocks()})
	return header, held, nil
}

// untilCopyOut waits until the receivers together hold every Block.
func (r *rig) untilCopyOut(name string, hosts ...int) {
	r.Helper()
	r.until("one copy among the receivers", time.Minute, func() bool {
		var all *blocks.Bitfield
		for _, h := range hosts {
			header, held := r.journal(h, name)
			if held == nil {
				continue
			}
			if all == nil {
				all = blocks.NewBitfield(header.Blocks)
			}
			for _, s := range held.Spans() {
				all.SetSpan(s)
			}
		}
		return all != nil && all.Count() == all.Len()
	})
}

const killSize = 64 * mib

// TestE2EKills: the death of a receiver, of the seed and of its successor.
func TestE2EKills(t *testing.T) {
	t.Parallel()
	r := newRig(t, 9, rate)
	path, sum := r.file("model.bin", killSize)
	t.Run("receiver at half", func(t *testing.T) { r.with(t).killReceiver(path, sum) })
	t.Run("seed once one copy is out", func(t *testing.T) { r.with(t).killSeed(path, sum) })
	t.Run("seed restarted", func(t *testing.T) { r.with(t).restartSeed(path, sum) })
}

// killReceiver: the others complete, and it fetches only what it lacked.
func (r *rig) killReceiver(path, sum string) {
	seed, ticket := r.seed(path)
	all := r.getAll(ticket, "--json")
	r.untilSent(0, killSize/2)
	all[0].Signal(syscall.SIGKILL)
	r.good(time.Minute, all[1:]...)
	header, held := r.journal(1, "model.bin")
	if held == nil {
		r.Fatal("the killed receiver left no journal")
	}
	lacked := uint64(held.Len()-held.Count()) * uint64(header.BlockSize)
	again := r.get(1, ticket, "--json")
	r.good(time.Minute, again)
	got := r.result(again).Fetched
	r.Logf("the second run lacked %d of %d blocks and fetched %.2f of them", held.Len()-held.Count(), held.Len(), float64(got)/float64(lacked))
	if lacked > killSize*9/10 || got > lacked+mib {
		r.Errorf("the second run fetched %d bytes, %d were lacking", got, lacked)
	}
	r.sameEverywhere(path, sum, r.receivers()...)
	r.clear(path)
	r.end(seed)
}

// killSeed: the receivers complete by themselves, and serve who comes then.
func (r *rig) killSeed(path, sum string) {
	seed, ticket := r.seed(path)
	all := r.getAll(ticket, "-d")
	r.untilCopyOut("model.bin", r.receivers()...)
	seed.Signal(syscall.SIGKILL)
	r.good(time.Minute, all...)
	r.sameEverywhere(path, sum, r.receivers()...)

	// They linger: a host that comes now finds them.
	r.run(8, r.bin, "stop", "--all")
	r.run(8, "rm", "-f", path)
	member := r.memberAddr(1)
	r.run(8, r.bin, "get", ticket, "-o", lab.Scratch+"/", "--join", member)
	r.sameEverywhere(path, sum, 8)

	r.run(8, "rm", "-f", path)
	fresh := strings.TrimSpace(r.run(8, r.bin, "status", ticket, "--join", member, "--ticket"))
	r.run(8, r.bin, "get", fresh, "-o", lab.Scratch+"/")
	r.sameEverywhere(path, sum, 8)
	for _, h := range r.receivers() {
		r.run(h, r.bin, "stop", "--all")
	}
	r.clear(path)
}

// restartSeed: with the same ticket, to the same receivers.
func (r *rig) restartSeed(path, sum string) {
	file := lab.Scratch + "/ticket"
	seed, ticket := r.seed(path, "--ticket-file", file)
	all := r.getAll(ticket)
	r.untilSent(0, killSize/3)
	seed.Signal(syscall.SIGKILL)
	<-seed.Done()
	seed, second := r.seed(path, "--ticket-file", file)
	if second != ticket {
		r.Errorf("the ticket changed:\n%s\n%s", ticket, second)
	}
	r.good(time.Minute, all...)
	r.sameEverywhere(path, sum, r.receivers()...)
	r.until("the new seed's ledger", 15*time.Second, func() bool {
		out, _ := r.host(0).Command(r.ctx, r.bin, "status", ticket, "--json").Output()
		return strings.Count(string(out), `"changed"`) > 0
	})
	r.clear(path)
	r.end(seed)
}

// untilSent waits until a host's interface has sent n more bytes.
func (r *rig) untilSent(host, n int) {
	r.Helper()
	first, err := r.host(host).Sent()
	if err != nil {
		r.Fatal(err)
	}
	r.until(fmt.Sprintf("%d bytes from host %d", n, host), time.Minute, func() bool {
		now, err := r.host(host).Sent()
		return err == nil && now-first >= uint64(n)
	})
}

// memberAddr is where the get on a host listens.
func (r *rig) memberAddr(host int) string {
	r.Helper()
	out := r.run(host, "ss", "-Hltn", "sport", ">=", ":7700", "and", "sport", "<=", ":7799")
	f := strings.Fields(out)
	if len(f) < 4 {
		r.Fatalf("nobody listens on host %d: %q", host, out)
	}
	return fmt.Sprintf("%s:%s", r.host(host).Addr(), f[3][strings.LastIndex(f[3], ":")+1:])
}

// end interrupts a process and waits for it.
func (r *rig) end(p *lab.Proc) {
	r.Helper()
	p.Signal(syscall.SIGINT)
	r.wait(p, 5*time.Second)
}

// TestE2EReuse: what is there is not fetched again.
func TestE2EReuse(t *testing.T) {
	r := newRig(t, 3, rate)
	const size = 64 * mib
	path, _ := r.file("model.bin", size)
	fetch := func(ticket string, args ...string) result {
		t.Helper()
		p := r.get(1, ticket, append(args, "--json", "--linger", "0")...)
		r.good(time.Minute, p)
		return r.result(p)
	}
	seed, ticket := r.seed(path)
	fetch(ticket)
	if m := fetch(ticket); m.Changed || m.Fetched > 256<<10 {
		t.Errorf("the second get fetched %d bytes (changed %v)", m.Fetched, m.Changed)
	}
	r.end(seed)

	r.run(0, "sh", "-c", "printf X | dd of="+path+" bs=1 seek=20000000 conv=notrunc status=none")
	seed, ticket = r.seed(path)
	m := fetch(ticket, "--force")
	t.Logf("one changed byte of %d MiB: %d bytes fetched", size/mib, m.Fetched)
	if !m.Changed || m.Fetched > 256<<10 {
		t.Errorf("one changed byte cost %d bytes", m.Fetched)
	}
	r.end(seed)

	tree := lab.Scratch + "/tree"
	r.run(0, "sh", "-c", "mkdir "+tree+" && for i in $(seq 200); do head -c 100000 /dev/urandom >"+tree+"/f$i; done; head -c 8M /dev/urandom >"+tree+"/large")
	seed, ticket = r.seed(tree)
	fetch(ticket)
	r.end(seed)
	r.run(0, "sh", "-c", "echo changed >>"+tree+"/f77")
	seed, ticket = r.seed(tree)
	m = fetch(ticket, "--force")
	t.Logf("one changed file of 201: %d bytes fetched", m.Fetched)
	if !m.Changed || m.Fetched > 400<<10 {
		t.Errorf("one changed file of 100 KB cost %d bytes", m.Fetched)
	}
	r.end(seed)
}
