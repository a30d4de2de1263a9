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

// Steps is into how many parts a receiver's progress is told; MaxSources is the most senders that it names.
const (
	Steps      = 16
	MaxSources = 32
)

// resultMin is the shortest RESULT: four texts, only the member's not empty, and no sources.
const resultMin = 2 + 16 + 4*2 + 1 + 4*Steps + 1

// Source is a member that sent content.
type Source struct {
	Member string `json:"member"`
	Bytes  uint64 `json:"bytes"`
}

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
//	| steps        | 16 times 4 bytes     | ms until k/16 were held; 0: not reached   |
//	| sources      | 1 byte count         | at most 32                                |
//	| each source  | 2 bytes, member; 8   | who sent content, and how many bytes      |
type Result struct {
	State                        ResultState
	Code                         uint8  // exit code
	Bytes                        uint64 // content fetched
	Millis                       uint64 // since the start
	Member, Host, Target, Reason string
	Steps                        [Steps]uint32 // milliseconds since the start, not falling; 0: not reached
	From                         []Source      // at most MaxSources
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
	for _, ms := range m.Steps {
		b = binary.BigEndian.AppendUint32(b, ms)
	}
	from := m.From[:min(len(m.From), MaxSources)]
	b = append(b, byte(len(from)))
	for _, s := range from {
		b = binary.BigEndian.AppendUint64(appendText(b, s.Member, MaxMember), s.Bytes)
	}
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
	for k := range m.Steps {
		m.Steps[k] = d.u32()
	}
	d.check(ValidSteps(m.Steps[:]), "falling steps")
	n := int(d.u8())
	d.check(n <= MaxSources, "too many sources")
	for range n {
		s := Source{Member: d.text(MaxMember), Bytes: d.u64()}
		if d.check(ValidMember(s.Member), "bad member name"); !d.ok() {
			break
		}
		m.From = append(m.From, s)
	}
	if err := d.end(TResult); err != nil {
		return Result{}, err
	}
	return m, nil
}

// ValidSteps tells whether steps are as a receiver can have them: not falling, and nothing but 0 behind the first that is 0.
func ValidSteps(steps []uint32) bool {
	for k := 1; k < len(steps); k++ {
		if steps[k] != 0 && (steps[k-1] == 0 || steps[k] < steps[k-1]) {
			return false
		}
	}
	return len(steps) <= Steps
}
