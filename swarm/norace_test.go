//go:build !race

package swarm

// raced tells whether the race detector watches: then everything takes ten times as long.
const raced = false
