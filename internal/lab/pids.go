package lab

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Pids are the processes that run in the host now, detached ones too.
func (h *Host) Pids() []int {
	own, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(h.space.pid()), "ns/net"))
	if err != nil {
		return nil
	}
	all, _ := filepath.Glob("/proc/[0-9]*/ns/net") // the pattern is well formed
	var out []int
	for _, path := range all {
		if in, err := os.Readlink(path); err != nil || in != own {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		if err == nil && pid != h.space.pid() {
			out = append(out, pid)
		}
	}
	slices.Sort(out)
	return out
}
