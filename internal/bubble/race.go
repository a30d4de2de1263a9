//go:build race

package bubble

// Raced tells whether the race detector watches: then everything takes ten times as long.
const Raced = true
