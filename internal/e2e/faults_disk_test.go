//go:build linux

package e2e

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"p2pcp/internal/lab"
)

// badDiskEnv makes the test binary run a program, with the arguments after --, on a disk that fails: CALL OFFSET PROGRAM.
const badDiskEnv = "P2PCP_E2E_BAD_DISK"

// badDisk becomes a program for which a system call, pread64 or pwrite64, gives an I/O error from an offset of any file on. It returns
// only with an error.
func badDisk(spec string, args []string) error {
	var call, program string
	var offset uint32
	if _, err := fmt.Sscan(spec, &call, &offset, &program); err != nil {
		return fmt.Errorf("read %q: %w", spec, err)
	}
	number := map[string]uint32{"pread64": unix.SYS_PREAD64, "pwrite64": unix.SYS_PWRITE64}[call]
	const position = 16 + 3*8 // offset of the fourth argument's lower half, where that comes first
	return filtered([]unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: position},
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: offset, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EIO)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}, program, args, func() error {
		if _, err := unix.Pread(0, nil, int64(offset)); call == "pread64" && err != unix.EIO {
			return fmt.Errorf("pread64 answers %v", err)
		}
		return nil
	})
}

// onBadDisk is the command line that runs p2pcp so.
func (r *rig) onBadDisk(call string, offset int, args ...string) []string {
	r.Helper()
	self, err := os.Executable()
	r.must(err)
	spec := fmt.Sprintf("%s=%s %d %s", badDiskEnv, call, offset, r.bin)
	return append([]string{"env", spec, self, "-test.run=^TestE2EFaultDisk$", "--"}, args...)
}

// TestE2EFaultSourceDisk: the seed's disk fails under the second half of what it serves.
func TestE2EFaultSourceDisk(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4, netRate)
	path, _ := r.file("model.bin", netSize)
	r.run(0, "touch", "-d", "1 hour ago", path) // what is younger isn't remembered
	first, _ := r.seed(path)                    // hashes it
	r.end(first)
	bad := *r
	line := r.onBadDisk("pread64", netSize/2)
	bad.bin, bad.before = line[0], line[1:]
	u := bad.try(path, "", nil)
	u.rig = r
	for _, h := range r.receivers() {
		u.fetch(h)
	}
	begin := time.Now()
	for h, p := range u.gets {
		if code := r.wait(p, 30*time.Second); code != 6 {
			t.Errorf("host %d: exit %d: %s", h, code, p.Err)
		}
		mustTrust(t, p.Err.String())
	}
	took := time.Since(begin)
	u.seed.Signal(os.Interrupt)
	<-u.seed.Done()
	if said := u.seed.Err.String(); !strings.Contains(said, path) || !strings.Contains(said, "input/output error") {
		t.Errorf("the seed says: %s", said)
	}
	survived(t, "I/O errors on reading the source", 0, 0, "all receivers ended with exit 6 after %.1f s, the partial kept, nobody banned; the seed named the file", took.Seconds())
}

// diskFault is something that goes wrong with the disk of host 1, or the seed's.
type diskFault struct {
	name    string
	prepare string                 // in a shell on host 1, in Scratch
	to      string                 // where it gets to; "": Scratch
	line    func(r *rig) []string  // of the program, before get's arguments; nil: plain
	middle  func(r *rig, u *trial) // once a quarter of it is there
	code    int
	says    string // its error, and the Ledger
	early   bool   // it is told before anything is fetched
	gone    bool   // no partial can be left
	soon    bool   // perhaps with the first Block: then there is nothing to keep, and no partial
	mend    string // in a shell, then the same get works, and fetches only what is lacking
}

var diskFaults = []diskFault{
	{name: "disk full at the start", prepare: "mkdir a && mount -t tmpfs -o size=10m none a", to: "a/", code: 7, says: "not enough space", early: true, gone: true},
	{
		name: "disk full in the middle", prepare: "mkdir b && mount -t tmpfs -o size=40m none b", to: "b/", code: 7, says: "no space left",
		middle: func(r *rig, _ *trial) {
			r.start(1, "sh", "-c", "head -c 40m /dev/zero >"+lab.Scratch+"/b/other")
		},
		mend: "rm b/other",
	},
	{name: "read-only file system", prepare: "mkdir c && mount -t tmpfs -o ro none c", to: "c/", code: 7, says: "read-only file system", early: true, gone: true},
	{
		name: "I/O errors on write", soon: true, code: 7, says: "input/output error", prepare: "mkdir d", to: "d/",
		line: func(r *rig) []string { return r.onBadDisk("pwrite64", netSize/2) }, mend: "true",
	},
	{
		name: "I/O errors on reading stored blocks", code: 0, prepare: "mkdir e", to: "e/",
		line: func(r *rig) []string { return r.onBadDisk("pread64", netSize/2) },
	},
	{
		name: "the destination is removed while it runs", code: 7, says: "no such file", prepare: "mkdir f", to: "f/", gone: true,
		middle: func(r *rig, _ *trial) { r.run(1, "rm", "-r", lab.Scratch+"/f") },
	},
}

// TestE2EFaultDisk: whatever a disk does, who has it ends with its code, keeps what it has, tells the seed, and costs the others
// nothing.
func TestE2EFaultDisk(t *testing.T) {
	if spec := os.Getenv(badDiskEnv); spec != "" {
		t.Fatal(badDisk(spec, flag.Args()))
	}
	t.Parallel()
	r := newRig(t, 5, netRate)
	path, sum := r.file("model.bin", netSize)
	plain := r.plain(path, sum)
	for _, c := range diskFaults {
		t.Run(c.name, func(t *testing.T) { c.test(r.with(t), path, sum, plain) })
	}
}

func (c diskFault) test(r *rig, path, sum string, plain time.Duration) {
	others := []int{2, 3, 4}
	r.run(1, "sh", "-ec", "cd "+lab.Scratch+"\n"+c.prepare)
	before, err := r.host(1).Received()
	r.must(err)
	u := r.try(path, sum, others)
	line := []string{r.bin}
	if c.line != nil {
		line = c.line(r)
	}
	to := lab.Scratch + "/" + c.to
	line = append(line, "get", u.ticket, "--json", "-o", to)
	hit := r.start(1, line[0], line[1:]...)
	if c.middle != nil {
		r.untilReceived(1, netSize/4)
		c.middle(r, u)
	}
	took := u.slowest(time.Minute, others...)
	if c.code == 0 {
		r.until("its result", time.Minute, func() bool { return !hit.Out.When(resultMark).IsZero() })
		r.sameEverywhere(to+"model.bin", sum, 1)
	} else if code := r.wait(hit, time.Minute); code != c.code || !strings.Contains(hit.Out.String()+hit.Err.String(), c.says) {
		r.Errorf("exit %d, want %d and %q: %s%s", code, c.code, c.says, hit.Out, hit.Err)
	}
	after, err := r.host(1).Received()
	r.must(err)
	if c.early && after-before > mib {
		r.Errorf("%d bytes came before it was told", after-before)
	}
	row := u.ledger(1)
	if c.code != 0 && (row.State != "failed" || row.Code != c.code || !strings.Contains(row.Note, c.says)) {
		r.Errorf("the ledger says %+v", row)
	}
	said := fmt.Sprintf("the others; exit %d, in the seed's ledger: %s", c.code, row.Note)
	if c.code == 0 {
		said = fmt.Sprintf("the others; it has everything too, and fetched %.2f copies", copies(r.result(hit).Fetched, netSize))
	}
	none := c.gone || c.soon && r.run(1, "ls", "-A", to) == ""
	if !none && c.code != 0 {
		r.run(1, "test", "-s", to+".model.bin.p2pcp/journal")
	}
	if c.mend != "" {
		lacked := uint64(netSize)
		if !none {
			lacked = r.lackedOf(1, c.to+"model.bin")
		}
		r.run(1, "sh", "-ec", "cd "+lab.Scratch+"\n"+c.mend)
		again := r.start(1, r.bin, "get", u.ticket, "--json", "-o", to)
		r.good(time.Minute, again)
		r.sameEverywhere(to+"model.bin", sum, 1)
		got := r.result(again).Fetched
		said += fmt.Sprintf("; begun anew it fetched the %.2f copies that it lacked", copies(got, netSize))
		if got > lacked+mib {
			r.Errorf("again: it fetched %d bytes, %d were lacking", got, lacked)
		}
	}
	inTime(r.T, c.name, plain, took, 0, "%s", said)
	hit.Signal(os.Interrupt)
	u.over()
}
