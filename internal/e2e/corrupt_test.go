package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"p2pcp/internal/lab"
)

// proxyEnv makes the test binary a proxy: LISTEN TARGET.
const proxyEnv = "P2PCP_E2E_PROXY"

func TestMain(m *testing.M) {
	if v := os.Getenv(proxyEnv); v != "" {
		listen, target, _ := strings.Cut(v, " ")
		fmt.Fprintln(os.Stderr, flippingProxy(listen, target))
		os.Exit(1)
	}
	if v := os.Getenv(copyEnv); v != "" {
		if err := playCopy(v); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// flipped are the places of the stream from the target at which the proxy turns a bit over: far enough into the content that
// nearly every byte there is a Block's.
var flipped = []int{5_000_000, 13_000_000}

// flippingProxy forwards TCP and turns bits over on the way back. It runs until it is killed.
func flippingProxy(listen, target string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	for {
		in, err := l.Accept()
		if err != nil {
			return err
		}
		out, err := net.Dial("tcp", target)
		if err != nil {
			_ = in.Close()
			continue
		}
		go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
		go func() { flip(in, out); _ = in.Close() }()
	}
}

func flip(to io.Writer, from io.Reader) {
	buf, at := make([]byte, 64<<10), 0
	for {
		n, err := from.Read(buf)
		for _, f := range flipped {
			if f >= at && f < at+n {
				buf[f-at] ^= 0x10
			}
		}
		at += n
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// TestE2ECorruption: a byte that is wrong on a peer's disk or on the wire is seen, not kept, not passed on, and its holder named.
func TestE2ECorruption(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4, rate)
	path, sum := r.file("model.bin", 64*mib)

	t.Run("on a peer's disk", func(t *testing.T) { r.with(t).rotDisk(path, sum) })

	t.Run("on the wire", func(t *testing.T) { r.with(t).rotWire(path, sum) })
}

// rotDisk turns a byte over in a complete receiver's file.
func (r *rig) rotDisk(path, sum string) {
	seed, ticket := r.seed(path)
	first := r.get(1, ticket, "-d")
	r.good(time.Minute, first)
	r.run(1, "sh", "-c", "printf XYZ | dd of="+path+" bs=1 seek=30000000 conv=notrunc status=none")
	second := r.get(2, ticket, "-vv", "--join", r.memberAddr(1))
	r.good(time.Minute, second)
	r.sameEverywhere(path, sum, 2)
	if log := second.Err.String(); !strings.Contains(log, "bad block") || !strings.Contains(log, r.host(1).Name()) {
		r.Errorf("the holder of the wrong byte isn't named:\n%s", log)
	}
	mustTrust(r.T, second.Err.String())
	survived(r.T, "a receiver's stored block rots on disk", 0, 0, "rejected, its holder named, fetched from elsewhere; nobody banned")
	r.run(1, r.bin, "stop", "--all")
	r.clear(path)
	r.end(seed)
}

// rotWire puts a proxy that turns bits over between the seed and the others.
func (r *rig) rotWire(path, sum string) {
	const listen = ":7600"
	self, err := os.Executable()
	if err != nil {
		r.Fatal(err)
	}
	proxyAddr := fmt.Sprintf("%s%s", r.host(3).Addr(), listen)
	seed, ticket := r.seed(path, "--listen", fmt.Sprintf("%s:7700", r.host(0).Addr()), "--advertise", proxyAddr)
	proxy := r.start(3, "env", proxyEnv+"="+proxyAddr+" "+fmt.Sprintf("%s:7700", r.host(0).Addr()), self)
	r.until("the proxy", 10*time.Second, func() bool {
		out, _ := r.host(3).Command(r.ctx, "ss", "-Hltn", "sport", "=", ":7600").Output()
		return len(out) > 0
	})
	var all []*lab.Proc
	for _, h := range []int{1, 2} {
		all = append(all, r.get(h, ticket, "-vv"))
	}
	logs := ""
	for _, p := range all {
		r.good(time.Minute, p)
		logs += p.Err.String()
	}
	r.sameEverywhere(path, sum, 1, 2)
	if !strings.Contains(logs, "bad block") || !strings.Contains(logs, r.host(0).Name()) {
		r.Errorf("nobody saw the turned bits:\n%s", logs)
	}
	mustTrust(r.T, logs)
	survived(r.T, "a wire flips bits", 0, 0, "two blocks a connection rejected and fetched again; nobody banned")
	proxy.Signal(os.Kill)
	r.clear(path)
	r.end(seed)
}

// mustTrust checks a log of -vv: nobody was banned.
func mustTrust(t *testing.T, log string) {
	t.Helper()
	for _, bad := range []string{"ban=true", `"ban":true`, "banned=true", `"banned":true`} {
		if !strings.Contains(log, bad) {
			continue
		}
		t.Errorf("someone honest was banned:\n%s", log)
	}
}

const refusedSize = 32 * mib

// TestE2ERefusals: what can't work ends with its code and two lines, and loses nothing.
func TestE2ERefusals(t *testing.T) {
	r := newRig(t, 2, rate)
	path, sum := r.file("model.bin", refusedSize)
	_, ticket := r.seed(path)
	for _, c := range []struct {
		name, prepare string
		args          []string
		code          int
	}{
		{"full disk", "mkdir small && mount -t tmpfs -o size=10m none small", []string{ticket, "-o", "small/"}, 7},
		{"read-only directory", "mkdir ro && mount -t tmpfs -o ro none ro", []string{ticket, "-o", "ro/"}, 7},
		{"another file there", "mkdir old && echo precious >old/model.bin", []string{ticket, "-o", "old/"}, 4},
		{"cut ticket", "", []string{ticket[:len(ticket)-5]}, 2},
		{"nobody there", "", []string{otherSeed(r, ticket), "--wait", "1s"}, 6},
		{"no such place", "", []string{ticket, "-o", "nowhere/deep/file"}, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := r.with(t)
			if c.prepare != "" {
				r.run(1, "sh", "-c", "cd "+lab.Scratch+" && "+c.prepare)
			}
			p := r.start(1, r.bin, append([]string{"get", "-q"}, c.args...)...)
			if code := r.wait(p, 20*time.Second); code != c.code {
				t.Errorf("exit %d, want %d: %s", code, c.code, p.Err)
			}
			if lines := strings.Count(p.Err.String(), "\n"); lines != 2 {
				t.Errorf("%d lines instead of an error and a hint:\n%s", lines, p.Err)
			}
			if p.Out.String() != "" {
				t.Errorf("stdout: %q", p.Out)
			}
		})
	}
	if out := r.run(1, "cat", lab.Scratch+"/old/model.bin"); out != "precious\n" {
		t.Errorf("the file that was there is now %q", out)
	}

	t.Run("wrong key", func(t *testing.T) { r.with(t).wrongKey(ticket) })

	t.Run("interrupted, then resumed", func(t *testing.T) { r.with(t).resume(ticket, path, sum) })
}

// wrongKey: refused, and soon.
func (r *rig) wrongKey(ticket string) {
	r.run(1, r.bin, "keygen", "-o", lab.Scratch+"/key")
	p := r.start(1, r.bin, "get", "-q", ticket, "--key-file", lab.Scratch+"/key")
	begin := time.Now()
	if code := r.wait(p, 20*time.Second); code != 8 {
		r.Errorf("exit %d, want 8: %s", code, p.Err)
	}
	if took := time.Since(begin); took > 6*time.Second {
		r.Errorf("took %s", took)
	}
}

// resume: an interrupted get is gone at once, and what it had isn't fetched again.
func (r *rig) resume(ticket, path, sum string) {
	p := r.get(1, ticket, "--limit", "10M")
	r.untilSent(0, refusedSize/4)
	begin := time.Now()
	p.Signal(os.Interrupt)
	if code := r.wait(p, 5*time.Second); code != 130 {
		r.Errorf("exit %d, want 130: %s", code, p.Err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		r.Errorf("gone after %s", took)
	}
	again := r.get(1, ticket, "--json")
	r.good(time.Minute, again)
	if c := copies(r.result(again).Fetched, refusedSize); c > 0.9 {
		r.Errorf("the second run fetched %.2f of the file", c)
	}
	r.sameEverywhere(path, sum, 1)
}

// otherSeed is a ticket whose seed has gone.
func otherSeed(r *rig, _ string) string {
	r.run(0, "sh", "-c", "echo gone >"+lab.Scratch+"/gone")
	p, ticket := r.seed(lab.Scratch + "/gone")
	r.end(p)
	return ticket
}

// TestE2ELedger: the seed learns of every host, whatever came of it.
func TestE2ELedger(t *testing.T) {
	r := newRig(t, 5, rate)
	path, _ := r.file("model.bin", 8*mib)
	seed, ticket := r.seed(path, "--expect", "3", "--for", "1m")
	r.run(1, r.bin, "get", ticket, "-o", lab.Scratch+"/")
	r.run(1, r.bin, "get", ticket, "-o", lab.Scratch+"/") // unchanged
	r.run(2, r.bin, "get", ticket, "-o", lab.Scratch+"/")
	r.run(3, "sh", "-c", "echo other >"+path)
	p := r.get(3, ticket)
	if code := r.wait(p, time.Minute); code != 4 {
		t.Fatalf("exit %d: %s", code, p.Err)
	}
	out := r.run(0, r.bin, "status", ticket, "--json")
	for _, want := range []string{`"unchanged"`, `"changed"`, `"failed"`, r.host(3).Name(), "exists and differs"} {
		if !strings.Contains(out, want) {
			t.Errorf("status lacks %s:\n%s", want, out)
		}
	}
	r.run(4, r.bin, "get", ticket, "-o", lab.Scratch+"/")
	r.good(10*time.Second, seed)
	for _, want := range []string{"3/4 hosts done", "failed", "exists and differs"} {
		if !strings.Contains(seed.Err.String(), want) {
			t.Errorf("the final table lacks %q:\n%s", want, seed.Err)
		}
	}
}
