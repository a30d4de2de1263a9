package wire

import (
	"errors"
	"fmt"
)

// Limits of what is told of a transfer's course: rows.
const (
	MaxTraces  = 4096
	MaxHistory = 256
)

// WithAccount is STATUS's flag for Traces and History.
const WithAccount = 1

// AppendStatus appends STATUS with flags, or a plain one for 0.
func AppendStatus(b []byte, flags byte) []byte {
	if flags == 0 {
		return AppendEmpty(b, TStatus)
	}
	return AppendByte(b, TStatus, flags)
}

// ParseStatus reads STATUS's flags. Unknown ones are refused.
func ParseStatus(p []byte) (byte, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if p[0] != WithAccount || len(p) > 1 {
		return 0, fmt.Errorf("%w: STATUS: flags %x", ErrProtocol, p)
	}
	return p[0], nil
}

// Account is the course of a transfer in a Report (PROTOCOL.md 4.4): Steps and From are the member's own, the rest a seed's.
type Account struct {
	Steps   stepList   `json:"steps,omitempty"`
	From    sourceList `json:"from,omitempty"`
	Traces  []Trace    `json:"traces,omitempty"`
	History sampleList `json:"history,omitempty"`
}

// Trace is one receiver's course.
type Trace struct {
	Member string     `json:"member"`
	Start  uint64     `json:"start_ms"` // the seed's age when it began
	Steps  stepList   `json:"steps,omitempty"`
	From   sourceList `json:"from,omitempty"`
}

// Sample is a seed's view at one moment.
type Sample struct {
	Millis uint64 `json:"ms"`   // the seed's age
	Sent   uint64 `json:"sent"` // bytes
	Known  int    `json:"known"`
	Done   int    `json:"done"`
	Ended  int    `json:"ended"`  // failed or lost
	Copies int    `json:"copies"` // of the rarest Block, among the seed and its peers
}

// Lists that refuse to grow beyond their limits while they are read.
type (
	stepList   []uint32
	sourceList []Source
	sampleList []Sample
)

// UnmarshalJSON implements json.Unmarshaler.
func (l *stepList) UnmarshalJSON(p []byte) (err error) {
	*l, err = readRows[uint32](p, Steps)
	return err
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *sourceList) UnmarshalJSON(p []byte) (err error) {
	*l, err = readRows[Source](p, MaxSources)
	return err
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *sampleList) UnmarshalJSON(p []byte) (err error) {
	*l, err = readRows[Sample](p, MaxHistory)
	return err
}

// clone copies all that clip changes.
func (a Account) clone() Account {
	a.From = append(sourceList(nil), a.From...)
	a.Traces = append([]Trace(nil), a.Traces...)
	for k := range a.Traces {
		a.Traces[k].From = append(sourceList(nil), a.Traces[k].From...)
	}
	return a
}

// cut shortens the lists to their limits.
func (a *Account) cut() {
	a.Steps, a.From = a.Steps[:min(len(a.Steps), Steps)], a.From[:min(len(a.From), MaxSources)]
	a.Traces, a.History = a.Traces[:min(len(a.Traces), MaxTraces)], a.History[:min(len(a.History), MaxHistory)]
}

// clip is Report's for these texts.
func (a *Account) clip(each func(s *string, limit int) bool) bool {
	ok := clipSources(a.From, each)
	for k := 0; ok && k < len(a.Traces); k++ {
		ok = each(&a.Traces[k].Member, MaxMember) && clipSources(a.Traces[k].From, each)
	}
	return ok
}

func clipSources(from []Source, each func(s *string, limit int) bool) bool {
	for k := range from {
		if !each(&from[k].Member, MaxMember) {
			return false
		}
	}
	return true
}

func (a *Account) check() error {
	if !ValidSteps(a.Steps) || len(a.Traces) > MaxTraces {
		return errors.New("falling steps, or too many traces")
	}
	for k := range a.Traces {
		if !ValidSteps(a.Traces[k].Steps) {
			return errors.New("falling steps")
		}
	}
	for _, s := range a.History {
		if s.Known < 0 || s.Done < 0 || s.Ended < 0 || s.Copies < 0 {
			return errors.New("negative number")
		}
	}
	return nil
}
