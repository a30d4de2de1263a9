//go:build linux && amd64

package e2e

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// clockEnv makes the test binary run a program, with the arguments after --, whose clock jumps: AFTER BY PROGRAM.
const clockEnv = "P2PCP_E2E_CLOCK"

// A namespace has no clock of its own, and the machine's is everybody's. So the program is run without the kernel's vDSO, which makes
// it ask the kernel for the time, and a seccomp filter has each question for the time of day answered by us.

// seccomp's notifications (linux/seccomp.h), as 64-bit systems lay them out.
type clockQuestion struct {
	id         uint64
	pid, flags uint32
	number     int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type clockAnswer struct {
	id           uint64
	value        int64
	error, flags int32
}

const (
	notifyReceive = 0xc0502100 // SECCOMP_IOCTL_NOTIF_RECV
	notifySend    = 0xc0182101 // SECCOMP_IOCTL_NOTIF_SEND
	auxIgnore     = 1          // AT_IGNORE
	auxVDSO       = 33         // AT_SYSINFO_EHDR
)

// jumpingClock runs a program so, and ends as it does.
func jumpingClock(spec string, args []string) error {
	fields := strings.Fields(spec)
	after, err := time.ParseDuration(fields[0])
	if err != nil {
		return err
	}
	by, err := time.ParseDuration(fields[1])
	if err != nil {
		return err
	}
	runtime.LockOSThread() // whose child inherits the filter, and is traced by it
	listener, err := clockFilter()
	if err != nil {
		return fmt.Errorf("filter clock_gettime: %w", err)
	}
	begun := time.Now()
	go answerClock(listener, func(now time.Time) time.Time {
		if time.Since(begun) < after {
			return now
		}
		return now.Add(by)
	})
	cmd := exec.Command(fields[2], args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		return fmt.Errorf("wait for exec: %w", err)
	}
	if err := hideVDSO(pid); err != nil {
		return fmt.Errorf("hide the vDSO: %w", err)
	}
	if err := syscall.PtraceDetach(pid); err != nil {
		return err
	}
	_ = cmd.Wait()
	os.Exit(cmd.ProcessState.ExitCode())
	return nil
}

// clockFilter has this thread, and what it begins, ask us for the time of day.
func clockFilter() (listener int, err error) {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_CLOCK_GETTIME, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16}, // which clock
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.CLOCK_REALTIME, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	code := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&code)))
	if errno != 0 {
		return 0, errno
	}
	return int(fd), nil
}

// answerClock answers until the listener ends.
func answerClock(listener int, shift func(time.Time) time.Time) {
	for {
		var q clockQuestion
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), notifyReceive, uintptr(unsafe.Pointer(&q))); errno != 0 {
			if errno == unix.EINTR || errno == unix.ENOENT { // the asker has died meanwhile
				continue
			}
			return
		}
		now := shift(time.Now())
		var spec [16]byte
		binary.LittleEndian.PutUint64(spec[:], uint64(now.Unix()))
		binary.LittleEndian.PutUint64(spec[8:], uint64(now.Nanosecond()))
		a := clockAnswer{id: q.id}
		local := []unix.Iovec{{Base: &spec[0], Len: 16}}
		if _, err := unix.ProcessVMWritev(int(q.pid), local, []unix.RemoteIovec{{Base: uintptr(q.args[1]), Len: 16}}, 0); err != nil {
			a.error = -int32(unix.EFAULT)
		}
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(listener), notifySend, uintptr(unsafe.Pointer(&a)))
	}
}

// hideVDSO takes the vDSO's address out of what the kernel gave a stopped program that is about to begin.
func hideVDSO(pid int) error {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(pid, &regs); err != nil {
		return err
	}
	at, word := uintptr(regs.Rsp), make([]byte, 8)
	next := func() (uint64, error) {
		_, err := syscall.PtracePeekData(pid, at, word)
		at += 8
		return binary.LittleEndian.Uint64(word), err
	}
	if _, err := next(); err != nil { // argc
		return err
	}
	for ended := 0; ended < 2; { // argv and the environment
		v, err := next()
		if err != nil {
			return err
		}
		if v == 0 {
			ended++
		}
	}
	for {
		key, err := next()
		if err != nil || key == 0 {
			return fmt.Errorf("there is none (%w)", err)
		}
		if key == auxVDSO {
			binary.LittleEndian.PutUint64(word, auxIgnore)
			_, err := syscall.PtracePokeData(pid, at-8, word)
			return err
		}
		at += 8
	}
}

// TestE2EFaultClock: the clocks of three hosts jump by a day in the middle of the transfer, the seed's forward, of two receivers' one
// forward and one back.
func TestE2EFaultClock(t *testing.T) {
	if spec := os.Getenv(clockEnv); spec != "" {
		t.Fatal(jumpingClock(spec, flag.Args()))
	}
	t.Parallel()
	r := newRig(t, 5, faultRate)
	path, sum := r.file("model.bin", netSize)
	plain := r.plain(path, sum)
	self, err := os.Executable()
	r.must(err)
	jump := func(by string) *rig {
		c := *r
		c.bin = "env"
		c.before = []string{clockEnv + "=2s " + by + " " + r.bin, self, "-test.run=^TestE2EFaultClock$", "--"}
		return &c
	}
	u := jump("24h").try(path, sum, nil)
	u.rig = r
	for h, by := range map[int]string{1: "24h", 2: "-24h", 3: "0s"} {
		c := jump(by)
		u.gets[h] = c.get(h, u.ticket, "--json", "-vv")
	}
	u.fetch(4)
	took := u.slowest(time.Minute, r.receivers()...)
	if row := u.ledger(1); row.State != "changed" {
		t.Errorf("the ledger says %+v", row)
	}
	inTime(t, "the clocks jump by a day: the seed's and a receiver's forward, another's back", plain, took, 0, "all receivers")
	u.over()
}
