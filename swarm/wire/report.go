package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxRows is the most members, and the most rows of a ledger, in a Report: it bounds the memory that 4 MiB of JSON can
// unfold to.
const MaxRows = 32768

// Report is STATUS's answer: a JSON object (PROTOCOL.md 4.4). Rates are bytes per second.
type Report struct {
	Member       string         `json:"member"`
	Host         string         `json:"host"`
	Role         string         `json:"role"`  // seed, get
	State        string         `json:"state"` // manifest, checking, getting, linger, seeding
	Blocks       uint32         `json:"blocks"`
	BlocksHave   uint32         `json:"blocks_have"`
	Bytes        uint64         `json:"bytes"`
	BytesHave    uint64         `json:"bytes_have"`
	DownRate     uint64         `json:"down_rate"`
	UpRate       uint64         `json:"up_rate"`
	Received     uint64         `json:"received"`  // bytes
	Sent         uint64         `json:"sent"`      // bytes
	FromSeed     uint64         `json:"from_seed"` // bytes
	Sessions     int            `json:"sessions"`
	RarestCopies int            `json:"rarest_copies"`
	RarestBlock  uint32         `json:"rarest_block"`
	Members      []ReportMember `json:"members,omitempty"`
	Ledger       []LedgerRow    `json:"ledger,omitempty"` // of a seed
	Blamed       []ReportBlame  `json:"blamed,omitempty"` // whom the reporting one caught
	Age          uint64         `json:"age_ms,omitempty"`
	Idle         uint64         `json:"idle_ms,omitempty"` // since content last came, while some is missing
	Account
}

// ReportBlame is a member that broke the rules, as the reporting one says.
type ReportBlame struct {
	Member string `json:"member,omitempty"` // empty: several names
	Source string `json:"source"`           // the address it came from; empty: it is the gossip
	Why    string `json:"why"`
	Count  int    `json:"count"`
	Banned bool   `json:"banned"`
}

// MaxBlamed is the most rows of Blamed.
const MaxBlamed = 64

// ReportMember is a member that the reporting one knows.
type ReportMember struct {
	Member string `json:"member"`
	Addr   string `json:"addr"` // IP:PORT
	Seed   bool   `json:"seed"`
}

// LedgerRow is what a seed knows of one (host, target).
type LedgerRow struct {
	Member string `json:"member"`
	Host   string `json:"host"`
	Source string `json:"source"` // the address it came from
	Target string `json:"target"`
	State  string `json:"state"` // begun, changed, unchanged, failed, lost
	Code   int    `json:"code"`  // exit code
	Reason string `json:"reason,omitempty"`
	Bytes  uint64 `json:"bytes"`
	Millis uint64 `json:"ms"`
}

// Longest of the other texts in a Report, in bytes.
const (
	maxWord = 32 // role, state
	maxAddr = 64 // an address
)

// Append appends a REPORT frame. Texts are cut to their limits; members and then the ledger's last rows are left out as far
// as they exceed MaxRows or the frame.
func (m Report) Append(b []byte) []byte {
	m.clip(func(s *string, limit int) bool {
		*s = clip(*s, limit)
		return true
	})
	m.Account.cut()
	room := int(forms[TReport].max)
	p := mustJSON(m)
	if len(p) > room || len(m.Members) > MaxRows || len(m.Ledger) > MaxRows {
		whole := m
		m.Members, m.Ledger, m.Traces = nil, nil, nil
		room -= len(mustJSON(m)) + len(`,"members":[],"ledger":[],"traces":[]`)
		m.Ledger, room = fitRows(whole.Ledger, room)
		m.Members, room = fitRows(whole.Members, room)
		m.Traces, _ = fitRows(whole.Traces, room)
		p = mustJSON(m)
	}
	b, mark := begin(b, TReport)
	return finish(append(b, p...), mark)
}

// fitRows gives the rows that fit into room bytes of JSON, and what room they leave.
func fitRows[T ReportMember | LedgerRow | Trace](rows []T, room int) (fit []T, left int) {
	for k := range min(len(rows), MaxRows) {
		size := len(mustJSON(rows[k])) + 1
		if size > room {
			return rows[:k], room
		}
		room -= size
	}
	return rows[:min(len(rows), MaxRows)], room
}

// mustJSON encodes a value of this file's types, which nothing can keep from being encoded.
func mustJSON(v any) []byte {
	p, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return p
}

// clip calls each with every text and its limit until one is refused. The rows are copied before, so that each may change
// what it is given.
func (m *Report) clip(each func(s *string, limit int) bool) bool {
	m.Members = append([]ReportMember(nil), m.Members...)
	m.Ledger = append([]LedgerRow(nil), m.Ledger...)
	m.Blamed = append([]ReportBlame(nil), m.Blamed[:min(len(m.Blamed), MaxBlamed)]...)
	m.Account = m.Account.clone()
	ok := each(&m.Member, MaxMember) && each(&m.Host, MaxHost) && each(&m.Role, maxWord) && each(&m.State, maxWord)
	for k := 0; ok && k < len(m.Members); k++ {
		r := &m.Members[k]
		ok = each(&r.Member, MaxMember) && each(&r.Addr, maxAddr)
	}
	for k := 0; ok && k < len(m.Blamed); k++ {
		r := &m.Blamed[k]
		ok = each(&r.Member, MaxMember) && each(&r.Source, maxAddr) && each(&r.Why, MaxReason)
	}
	for k := 0; ok && k < len(m.Ledger); k++ {
		r := &m.Ledger[k]
		ok = each(&r.Member, MaxMember) && each(&r.Host, MaxHost) && each(&r.Source, maxAddr) &&
			each(&r.Target, MaxTarget) && each(&r.State, maxWord) && each(&r.Reason, MaxReason)
	}
	return ok && m.Account.clip(each)
}

// ParseReport reads a REPORT's payload. Unknown members are ignored; texts beyond their limits, negative numbers and more
// than MaxRows rows are refused.
func ParseReport(p []byte) (Report, error) {
	if len(p) > int(forms[TReport].max) || !utf8.Valid(p) {
		return Report{}, fmt.Errorf("%w: REPORT: not UTF-8, or too long", ErrProtocol)
	}
	type plain Report // without the lists, which are capped while they are read
	var m struct {
		plain
		Members rows[ReportMember] `json:"members"`
		Ledger  rows[LedgerRow]    `json:"ledger"`
		Blamed  rows[ReportBlame]  `json:"blamed"`
		Traces  rows[Trace]        `json:"traces"`
	}
	if err := json.Unmarshal(p, &m); err != nil {
		return Report{}, fmt.Errorf("%w: REPORT: %w", ErrProtocol, err)
	}
	r := Report(m.plain)
	r.Members, r.Ledger, r.Blamed, r.Traces = m.Members, m.Ledger, m.Blamed, m.Traces
	if err := r.check(); err != nil {
		return Report{}, fmt.Errorf("%w: REPORT: %w", ErrProtocol, err)
	}
	return r, nil
}

func (m *Report) check() error {
	many := len(m.Blamed) > MaxBlamed
	long := !m.clip(func(s *string, limit int) bool { return len(*s) <= limit })
	switch {
	case long:
		return errors.New("text too long")
	case many:
		return errors.New("too many rows")
	case m.Sessions < 0 || m.RarestCopies < 0:
		return errors.New("negative number")
	}
	for _, r := range m.Ledger {
		if r.Code < 0 || r.Code > 255 {
			return fmt.Errorf("exit code %d", r.Code)
		}
	}
	return m.Account.check()
}

// rows is a list that refuses to grow beyond MaxRows.
type rows[T ReportMember | LedgerRow | ReportBlame | Trace] []T

// UnmarshalJSON reads the list one row at a time.
func (r *rows[T]) UnmarshalJSON(p []byte) (err error) {
	*r, err = readRows[T](p, MaxRows)
	return err
}

// readRows reads a list of at most so many rows, one at a time.
func readRows[T any](p []byte, most int) (list []T, err error) {
	d := json.NewDecoder(bytes.NewReader(p))
	switch t, err := d.Token(); {
	case err != nil:
		return nil, err
	case t == nil:
		return nil, nil
	case t != json.Delim('['):
		return nil, errors.New("rows are no list")
	}
	for d.More() {
		if len(list) == most {
			return nil, fmt.Errorf("more than %d rows", most)
		}
		var row T
		if err := d.Decode(&row); err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, nil
}
