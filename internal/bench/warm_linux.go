package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// warmth is how much memory is kept warm: what the largest case has in files, and some.
const warmth = 5 << 30

// keepWarm makes the kernel hand out, for as long as this process lives, memory that was touched before. A virtual machine gives free memory
// back to its host, and whoever gets it next pays 1 to 5 s a GiB to touch it again: half of the CPU that a copy takes, and at random.
// Only pieces of 2 MiB and more are given back, so every other page of twice as much is held here; the pages between are what the
// kernel's allocator, which prefers the smallest pieces, hands out first.
func keepWarm(size int) error {
	page := os.Getpagesize()
	held, err := unix.Mmap(-1, 0, 2*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("keep memory warm: %w", err)
	}
	_ = unix.Madvise(held, unix.MADV_NOHUGEPAGE) // fails where there are none
	for at := 0; at < len(held); at += page {
		held[at] = 1
	}
	for at := 0; at < len(held); at += 2 * page {
		if err := unix.Madvise(held[at:at+page], unix.MADV_DONTNEED); err != nil {
			return fmt.Errorf("keep memory warm: %w", err)
		}
	}
	return nil
}

// stayWarm keeps memory warm until stdin ends.
func stayWarm() error {
	if err := keepWarm(warmth); err != nil {
		return err
	}
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// warm keeps memory warm until cool, if this machine has enough: three times as much. A process of its own holds it: to the kernel the most
// memory that a process had is at least what its parent had when it began.
func warm(ctx context.Context) (cool func(), err error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return nil, fmt.Errorf("how much memory is free: %w", err)
	}
	if free := uint64(info.Freeram) * uint64(info.Unit); free < 3*warmth {
		fmt.Printf("%d MiB of memory are free: it isn't kept warm\n", free/mib)
		return func() {}, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	holder := exec.CommandContext(ctx, self)
	holder.Env, holder.Stderr = append(os.Environ(), roleEnv+"=warm"), os.Stderr
	in, err := holder.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := holder.Start(); err != nil {
		return nil, fmt.Errorf("keep memory warm: %w", err)
	}
	cool = func() { _ = in.Close(); _ = holder.Wait() }
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		cool()
		return nil, fmt.Errorf("keep memory warm: %w", err)
	}
	return cool, nil
}
