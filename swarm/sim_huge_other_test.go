//go:build !linux

package swarm

func hugePages(int) {}
