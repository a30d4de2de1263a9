//go:build linux

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"p2pcp/internal/lab"
)

// likeNFSEnv makes the test binary run the program that it names, with the arguments after --, as on NFS.
const likeNFSEnv = "P2PCP_E2E_LIKE_NFS"

// likeNFS becomes a program that finds neither locks on directories nor a rename that exchanges or spares. It returns only with an
// error.
func likeNFS(program string, args []string) error {
	const flags = 16 + 4*8 // offset of renameat2's last argument; of its lower half, where that comes first
	return filtered([]unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_FLOCK, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EBADF)},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_RENAMEAT2, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EINVAL)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}, program, args, func() error {
		if err := unix.Flock(0, unix.LOCK_SH|unix.LOCK_NB); !errors.Is(err, unix.EBADF) {
			return fmt.Errorf("flock answers %v", err)
		}
		if err := unix.Renameat2(-1, "a", -1, "b", unix.RENAME_EXCHANGE); !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("renameat2 answers %v", err)
		}
		return nil
	})
}

// filtered becomes a program whose system calls pass a filter, if check finds that it works. It returns only with an error.
func filtered(filter []unix.SockFilter, program string, args []string, check func() error) error {
	code := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread() // the filter is this thread's, and exec keeps it
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	if err == nil {
		err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&code)), 0, 0)
	}
	if err != nil {
		return fmt.Errorf("take system calls away: %w", err)
	}
	if err := check(); err != nil {
		return err
	}
	return syscall.Exec(program, append([]string{program}, args...), os.Environ())
}

// share is where the hosts of a test get to: one directory that all of them see.
type share struct {
	*rig
	dir   string
	locks bool // as on a local disk; false: as on NFS
}

// TestE2ESharedTarget: three hosts get to one target. With locks one of them fetches and the others find it there; without, each
// fetches by itself, and the last rename stays. Either way all end well, and what is there is always whole.
func TestE2ESharedTarget(t *testing.T) {
	if program := os.Getenv(likeNFSEnv); program != "" {
		t.Fatal(likeNFS(program, flag.Args()))
	}
	t.Parallel()
	r := newRig(t, 4, rate)
	for _, locks := range []bool{true, false} {
		t.Run(fmt.Sprintf("locks %v", locks), func(t *testing.T) {
			s := share{r.with(t), fmt.Sprintf("%s/%v", lab.Shared, locks), locks}
			s.run(0, "mkdir", s.dir)
			if locks {
				t.Run("death", func(t *testing.T) { s.with(t).death() })
			}
			t.Run("file", func(t *testing.T) { s.with(t).file() })
			t.Run("tree", func(t *testing.T) { s.with(t).tree() })
			s.run(0, "rm", "-r", s.dir) // it is memory
		})
	}
}

// with is the share for a subtest.
func (s share) with(t *testing.T) share {
	s.rig = s.rig.with(t)
	return s
}

// get starts a get into the share.
func (s share) get(host int, ticket string, args ...string) *lab.Proc {
	s.Helper()
	self, err := os.Executable()
	if err != nil {
		s.Fatal(err)
	}
	line := []string{s.bin}
	if !s.locks {
		line = []string{"env", likeNFSEnv + "=" + s.bin, self, "-test.run=^TestE2ESharedTarget$", "--"}
	}
	line = append(append(line, "get", ticket, "-o", s.dir+"/", "--linger", "1s"), args...)
	return s.start(host, line[0], line[1:]...)
}

// getAll gets on every receiver at once, and wants all of them to end well. It returns how many say that they have changed the
// target.
func (s share) getAll(ticket string, args ...string) (changed int) {
	s.Helper()
	var all []*lab.Proc
	for _, h := range s.receivers() {
		all = append(all, s.get(h, ticket, args...))
	}
	return s.waitAll(all)
}

func (s share) waitAll(all []*lab.Proc) (changed int) {
	s.Helper()
	for _, p := range all {
		s.good(time.Minute, p)
		if strings.HasPrefix(p.Out.String(), "changed ") {
			changed++
		}
	}
	return changed
}

// fetched checks what getAll told of a target that had to be fetched.
func (s share) fetched(changed int) {
	s.Helper()
	s.Logf("%d of %d hosts changed it", changed, len(s.receivers()))
	if changed == 0 || s.locks && changed != 1 {
		s.Errorf("%d hosts changed it", changed)
	}
}

// death kills the holder of the lock half-way: who waited goes on from there.
func (s share) death() {
	const name, size = "death.bin", 8 * mib
	path, sum := s.rig.file(name, size)
	seed, ticket := s.seed(path, "--limit", "4M")
	holder := s.get(1, ticket)
	s.untilSent(0, size/4)
	var all []*lab.Proc
	for _, h := range s.receivers()[1:] {
		p := s.get(h, ticket, "--json")
		s.until("it waits", 20*time.Second, func() bool { return strings.Contains(p.Err.String(), "waiting for it") })
		all = append(all, p)
	}
	holder.Signal(syscall.SIGKILL)
	<-holder.Done()
	_ = s.waitAll(all)
	fetched := s.result(all[0]).Fetched + s.result(all[1]).Fetched
	s.Logf("the two that had waited fetched %.2f copies", copies(fetched, size))
	if fetched == 0 || fetched > size {
		s.Errorf("they fetched %d bytes", fetched)
	}
	s.sameEverywhere(s.dir+"/"+name, sum, s.receivers()...)
	s.mustHold(name)
	s.end(seed)
	s.run(0, "rm", s.dir+"/"+name)
}

// file has a file made, found, and replaced under the eyes of a reader.
func (s share) file() {
	const name = "shared.bin"
	path, first := s.rig.file(name, 8*mib)
	seed, ticket := s.seed(path)
	ended := s.watch(name, first)
	s.fetched(s.getAll(ticket))
	ended()
	s.sameEverywhere(s.dir+"/"+name, first, s.receivers()...)
	if n := s.getAll(ticket); n != 0 {
		s.Errorf("%d hosts changed what was there", n)
	}
	s.mustHold(name)
	s.end(seed)

	s.run(0, "sh", "-c", "printf X | dd of="+path+" bs=1 seek=4000000 conv=notrunc status=none")
	second := s.sum(0, path)
	seed, ticket = s.seed(path)
	ended = s.watch(name, first, second)
	s.fetched(s.getAll(ticket, "--force"))
	ended()
	s.sameEverywhere(s.dir+"/"+name, second, s.receivers()...)
	s.mustHold(name)
	s.end(seed)
	s.run(0, "rm", s.dir+"/"+name)
}

// watch reads a file of the share until ended is called. Once it is there it stays, and is one of those with the sums.
func (s share) watch(name string, sums ...string) (ended func()) {
	path, stop, done := s.host(1).Path(s.dir+"/"+name), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for seen := false; ; {
			b, err := os.ReadFile(path)
			sum := sha256.Sum256(b)
			switch {
			case err == nil && slices.Contains(sums, hex.EncodeToString(sum[:])):
				seen = true
			case seen || !errors.Is(err, fs.ErrNotExist):
				s.Errorf("%s: %d bytes that were never sent, %v", name, len(b), err)
				return
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	return func() { close(stop); <-done }
}

// tree has a directory made and replaced.
func (s share) tree() {
	source := lab.Scratch + "/shared"
	s.run(0, "sh", "-c", "mkdir "+source+" && for i in $(seq 100); do head -c 20000 /dev/urandom >"+source+"/f$i; done; head -c 3M /dev/urandom >"+source+"/large")
	for _, change := range []string{"true", "rm f1 && echo changed >>f2 && mkdir sub && echo new >sub/f && ln -s sub/f link"} {
		s.run(0, "sh", "-c", "cd "+source+" && "+change)
		seed, ticket := s.seed(source)
		s.fetched(s.getAll(ticket, "--force", "--delete"))
		want := s.digest(0, source)
		for _, h := range s.receivers() {
			if s.digest(h, s.dir+"/shared") != want {
				s.Errorf("host %d: the tree isn't what was sent", h)
			}
		}
		if n := s.getAll(ticket, "--checksum"); n != 0 {
			s.Errorf("%d hosts changed what was there", n)
		}
		s.mustHold("shared")
		s.end(seed)
	}
	s.run(0, "rm", "-r", source)
}

// digest is a hash of a tree's names and bytes, by other programs than ours.
func (s share) digest(host int, dir string) string {
	s.Helper()
	return s.run(host, "sh", "-c", "cd "+dir+" && find . -printf '%p %y %l %m %T@\\n' | sort | sha256sum && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum")
}

// mustHold checks that the share holds nothing but name.
func (s share) mustHold(name string) {
	s.Helper()
	if got := s.run(0, "ls", "-A", s.dir); got != name+"\n" {
		s.Errorf("%s holds %q", s.dir, got)
	}
}
