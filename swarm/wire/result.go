package wire

import "encoding/binary"

// Longest texts of a Result, in bytes.
const (
	MaxHost   = 255
	MaxTarget = 4096
	MaxReason = 1024
)

// ResultState is how far a receiver is.
type ResultState uint8

// States of a RESULT: Begun, then one of the others.
const (
	Begun     ResultState = 1 + iota // has the Header, starts
	Changed                          // content is in place, something was written
	Unchanged                        // content was in place
	Failed                           // ended with Code and Reason
)

// resultMin is the shortest RESULT: four texts, only the member's not empty.
const resultMin = 2 + 16 + 4*2 + 1

// Result is what a receiver reports to a seed.
//
//	| state        | 1 byte               | 1 begun, 2 changed, 3 unchanged, 4 failed |
//	| code         | 1 byte               | exit code                                 |
//	| bytes        | 8 bytes              | content fetched                           |
//	| milliseconds | 8 bytes              | since the start                           |
//	| member       | 2 bytes, UTF-8 bytes | as in HELLO                               |
//	| host         | 2 bytes, UTF-8 bytes | at most 255                               |
//	| target       | 2 bytes, UTF-8 bytes | at most 4096                              |
//	| reason       | 2 bytes, UTF-8 bytes | at most 1024                              |
type Result struct {
	State                        ResultState
	Code                         uint8  // exit code
	Bytes                        uint64 // content fetched
	Millis                       uint64 // since the start
	Member, Host, Target, Reason string
}

// Append appends a RESULT frame. Host, Target and Reason are cut to their limits and mended where they are not UTF-8: a
// path or an error's text may be anything.
func (m Result) Append(b []byte) []byte {
	if m.State < Begun || m.State > Failed || !ValidMember(m.Member) {
		panic("wire: RESULT without state or member")
	}
	b, mark := begin(b, TResult)
	b = append(b, byte(m.State), m.Code)
	b = binary.BigEndian.AppendUint64(b, m.Bytes)
	b = binary.BigEndian.AppendUint64(b, m.Millis)
	b = appendText(b, m.Member, MaxMember)
	b = appendText(b, m.Host, MaxHost)
	b = appendText(b, m.Target, MaxTarget)
	b = appendText(b, m.Reason, MaxReason)
	return finish(b, mark)
}

// ParseResult reads a RESULT's payload.
func ParseResult(p []byte) (Result, error) {
	d := decoder{p: p}
	m := Result{
		State:  ResultState(d.u8()),
		Code:   d.u8(),
		Bytes:  d.u64(),
		Millis: d.u64(),
		Member: d.text(MaxMember),
		Host:   d.text(MaxHost),
		Target: d.text(MaxTarget),
		Reason: d.text(MaxReason),
	}
	d.check(m.State >= Begun && m.State <= Failed, "unknown state")
	d.check(ValidMember(m.Member), "bad member name")
	if err := d.end(TResult); err != nil {
		return Result{}, err
	}
	return m, nil
}
