package main

import (
	"fmt"
	"os"

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

// warm keeps memory warm if this machine has enough: four times as much.
func warm() error {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return fmt.Errorf("how much memory is free: %w", err)
	}
	if free := uint64(info.Freeram) * uint64(info.Unit); free < 4*warmth {
		fmt.Printf("%d MiB of memory are free: it isn't kept warm\n", free/mib)
		return nil
	}
	return keepWarm(warmth)
}
