package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"p2pcp/blocks"
)

// Of TestE2EKillMoments: how often, and from which seed number the moments are drawn.
const (
	killsEnv     = "P2PCP_KILLS"
	killsDefault = 40
	killsSeed    = 20261121
)

// killing is a receiver that is killed again and again, on this host's loopback.
type killing struct {
	*testing.T
	bin, dir, ticket string
	want             []byte // the content
	rng              *rand.Rand
	placed, partial  int // kills after which the file was in place, and was not
	claiming         int // of these, that left a journal which claims something
}

// TestE2EKillMoments kills a receiver at random moments, of its start, its transfer, its end and its staying. After each what its
// journal claims is right, byte for byte, and the next run goes on from there. A neighbor gets the same all the while, from the
// seed and from the one that is killed: it never sees a wrong Block.
func TestE2EKillMoments(t *testing.T) {
	bin, n := os.Getenv("P2PCP_BIN"), killsDefault
	if s := os.Getenv(killsEnv); s != "" {
		n, _ = strconv.Atoi(s)
	} else if os.Getenv("P2PCP_E2E") != "1" {
		t.Skip("P2PCP_E2E is not set: run make e2e")
	}
	if bin == "" || n < 1 {
		t.Fatalf("P2PCP_BIN=%q %s=%d", bin, killsEnv, n)
	}
	k := &killing{T: t, bin: bin, dir: t.TempDir(), rng: rand.New(rand.NewPCG(killsSeed, 1))}
	k.want = make([]byte, 64*mib)
	rand.NewChaCha8([32]byte{1}).Read(k.want)
	source := filepath.Join(k.dir, "model.bin")
	if err := os.WriteFile(source, k.want, 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	seed, said := k.command(ctx, "seed", source, "--limit", "200M", "-v", "--listen", "127.0.0.1")
	var neighbor sync.WaitGroup
	t.Cleanup(func() { stop(); neighbor.Wait(); _ = seed.Wait() })
	out, err := seed.StdoutPipe()
	if err == nil {
		err = seed.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fscan(out, &k.ticket); err != nil {
		t.Fatalf("no ticket: %v: %s", err, said)
	}
	fetched := 0
	neighbor.Go(func() { fetched = k.neighbor(ctx) })
	begin := time.Now()
	for range n {
		k.once()
	}
	last, log := k.get(t.Context(), "victim", "--linger", "0")
	if err := last.Run(); err != nil {
		t.Fatalf("the last run: %v: %s", err, log)
	}
	k.finish(log)
	took := time.Since(begin)
	stop()
	neighbor.Wait()
	k.clean(said.String())
	t.Logf("%d kills in %s: %d with the file in place, %d before, of which %d journals claim blocks; the neighbor had %d whole copies meanwhile", n, took, k.placed, k.partial, k.claiming, fetched)
	if k.partial < n/3 || k.claiming < n/4 || fetched == 0 {
		t.Error("that isn't what was to be tried")
	}
	survived(t, "kill -9 of a receiver at random moments", 0, 0, "%d kills: what the journal claimed was right every time, the last copy too; a neighbor had %d copies meanwhile and saw no wrong block", n, fetched)
}

// command is p2pcp's, with what it says on stderr.
func (k *killing) command(ctx context.Context, args ...string) (*exec.Cmd, *bytes.Buffer) {
	c := exec.CommandContext(ctx, k.bin, args...)
	c.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+k.dir, "XDG_CACHE_HOME="+k.dir)
	said := &bytes.Buffer{}
	c.Stderr = said
	return c, said
}

// get is one that puts the file into a directory of that name.
func (k *killing) get(ctx context.Context, name string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	return k.command(ctx, append([]string{"get", k.ticket, "-o", filepath.Join(k.dir, name) + "/", "-v", "--listen", "127.0.0.1"}, args...)...)
}

// once begins a run and kills it.
func (k *killing) once() {
	k.Helper()
	c, said := k.get(k.Context(), "victim", "--limit", "200M", "--linger", "1s")
	if err := c.Start(); err != nil {
		k.Fatal(err)
	}
	time.Sleep(time.Duration(k.rng.IntN(500)) * time.Millisecond)
	_ = c.Process.Kill()
	_ = c.Wait()
	k.clean(said.String())
	k.look()
}

// clean checks that nobody spoke of wrong bytes, and that the journal was never an obstacle.
func (k *killing) clean(log string) {
	k.Helper()
	for _, bad := range []string{"bad block", "no longer what was verified", "ban", "panic", "journal"} {
		if strings.Contains(log, bad) {
			k.Errorf("%q was said:\n%s", bad, log)
		}
	}
}

// look checks what a killed run has left.
func (k *killing) look() {
	k.Helper()
	target := filepath.Join(k.dir, "victim/model.bin")
	if got, err := os.ReadFile(target); err == nil {
		k.placed++
		if !bytes.Equal(got, k.want) {
			k.Fatal("a wrong file is in place")
		}
		if err := os.Remove(target); err != nil {
			k.Fatal(err)
		}
		return
	}
	k.partial++
	partial := filepath.Join(k.dir, "victim/.model.bin.p2pcp")
	journal, err := os.ReadFile(filepath.Join(partial, "journal"))
	if err != nil || len(journal) < 72 {
		return // killed before it had any
	}
	header, held, err := parseJournal(journal)
	if err != nil {
		k.Fatalf("the journal: %v", err)
	}
	if held == nil {
		return // killed while it was made
	}
	got, err := os.ReadFile(filepath.Join(partial, "content"))
	if err != nil {
		k.Fatal(err)
	}
	first, size := int(header.ManifestBlocks()), int(header.BlockSize)
	if _, ok := held.Next(blocks.Index(first)); ok {
		k.claiming++
	}
	for i, ok := held.Next(blocks.Index(first)); ok; i, ok = held.Next(i + 1) {
		begin := (int(i) - first) * size
		end := min(begin+size, len(k.want))
		if len(got) < end || !bytes.Equal(got[begin:end], k.want[begin:end]) {
			k.Errorf("the journal claims block %d, which isn't right", i)
		}
	}
}

// finish checks what the last run has left.
func (k *killing) finish(log *bytes.Buffer) {
	k.Helper()
	k.clean(log.String())
	got, err := os.ReadFile(filepath.Join(k.dir, "victim/model.bin"))
	if err != nil || !bytes.Equal(got, k.want) {
		k.Errorf("the last run's file isn't what was sent: %v", err)
	}
	if names, err := os.ReadDir(filepath.Join(k.dir, "victim")); err != nil || len(names) != 1 {
		k.Errorf("left behind: %v %v", names, err)
	}
}

// neighbor gets copy after copy until ctx ends, and counts them.
func (k *killing) neighbor(ctx context.Context) (n int) {
	for {
		c, said := k.get(ctx, "neighbor", "--limit", "60M", "--linger", "0")
		err := c.Run()
		k.clean(said.String())
		if ctx.Err() != nil {
			return n
		}
		got, readErr := os.ReadFile(filepath.Join(k.dir, "neighbor/model.bin"))
		if err != nil || !bytes.Equal(got, k.want) {
			k.Errorf("the neighbor: %v, %v: %s", err, readErr, said)
			return n
		}
		if err := os.RemoveAll(filepath.Join(k.dir, "neighbor")); err != nil {
			k.Error(err)
		}
		n++
	}
}
