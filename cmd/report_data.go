package cmd

import (
	"cmp"
	"math"
	"slices"
	"time"

	"p2pcp/swarm/wire"
)

// reportMessage is the account of a transfer: the data of report's page. Names are stable, new ones may come. Times are seconds from
// when the first host began.
type reportMessage struct {
	Type    string         `json:"message_type"` // report
	ID      string         `json:"id"`
	Name    string         `json:"name,omitempty"`
	Bytes   uint64         `json:"bytes"`
	Copy    uint64         `json:"copy_bytes"` // what one receiver fetches
	Made    string         `json:"made"`       // when, RFC 3339
	Seconds float64        `json:"seconds"`    // until the last host ended, or now
	Running bool           `json:"running"`    // a host is under way
	Done    int            `json:"hosts_done"`
	Failed  int            `json:"hosts_failed"`
	Lost    int            `json:"hosts_lost"`
	Egress  *float64       `json:"egress_copies"` // sent by the seeds; null: not known
	Seeds   []reportSeed   `json:"seeds"`
	Hosts   []reportHost   `json:"hosts"` // in the order in which they ended
	History []reportSample `json:"history,omitempty"`
}

// reportSeed is a seed.
type reportSeed struct {
	Member string `json:"member"`
	Host   string `json:"host"`
	Sent   uint64 `json:"sent"`
}

// reportHost is one host and target.
type reportHost struct {
	Member   string        `json:"member"`
	Host     string        `json:"host"`
	Target   string        `json:"target,omitempty"`
	State    string        `json:"state"` // as in status
	Done     float64       `json:"done"`  // 0 to 1
	Code     int           `json:"code"`
	Note     string        `json:"note,omitempty"`
	Start    *float64      `json:"start"`   // null: not known
	Seconds  float64       `json:"seconds"` // it took, or has taken
	Received uint64        `json:"received"`
	Steps    []float64     `json:"steps,omitempty"` // seconds from its start until k/16 were there
	From     []wire.Source `json:"from,omitempty"`  // who sent how much
}

// reportSample is a seed's view at one moment.
type reportSample struct {
	Seconds float64 `json:"seconds"`
	Sent    uint64  `json:"sent"` // bytes
	Known   int     `json:"hosts_known"`
	Done    int     `json:"hosts_done"`
	Ended   int     `json:"hosts_ended"` // failed or lost
	Copies  int     `json:"rarest_copies"`
}

// courses are what is known of when and how, in ms of one clock: the first seed's age.
type courses struct {
	now     int64
	traces  map[string]wire.Trace // by member
	starts  map[string]int64
	history []wire.Sample
}

// coursesOf brings what the members of a swarm tell to one clock.
func coursesOf(s survey) courses {
	c := courses{traces: map[string]wire.Trace{}, starts: map[string]int64{}}
	for _, seen := range s.members {
		if seen.report.Role == "seed" && c.history == nil {
			c.now, c.history = int64(seen.report.Age), seen.report.History
		}
	}
	for _, seen := range s.members {
		r, behind := &seen.report, c.now-int64(seen.report.Age)
		if r.Role == "seed" {
			for _, t := range r.Traces {
				if _, known := c.traces[t.Member]; !known {
					c.traces[t.Member], c.starts[t.Member] = t, int64(t.Start)+behind
				}
			}
		}
	}
	for _, seen := range s.members {
		r := &seen.report
		if t := c.traces[seen.member]; r.Role != "seed" && len(r.Steps) >= len(t.Steps) {
			c.traces[seen.member] = wire.Trace{Steps: r.Steps, From: r.From}
			c.starts[seen.member] = c.now - int64(r.Age)
		}
	}
	return c
}

// accountOf is the account in what status knows, and where the members have told of it, in their courses.
func accountOf(m statusMessage, s survey) reportMessage {
	c := coursesOf(s)
	zero := c.now
	for _, h := range m.Hosts {
		if at, ok := c.starts[h.Member]; ok {
			zero = min(zero, at)
		}
	}
	out := reportMessage{
		Type: "report", ID: m.ID, Name: m.Name, Bytes: m.Bytes, Copy: m.Bytes, Made: time.Now().UTC().Format(time.RFC3339),
		Done: m.Done, Failed: m.Failed, Lost: m.Lost, Egress: m.Egress, Seeds: []reportSeed{}, Hosts: []reportHost{},
	}
	if s.content != nil {
		out.Copy = contentCopy(s.content)
	}
	for _, x := range m.Seeds {
		out.Seeds = append(out.Seeds, reportSeed{x.Member, x.Host, x.Sent})
	}
	for _, h := range m.Hosts {
		r := c.host(h, zero)
		out.Running = out.Running || !h.over() && h.State != "silent"
		if end := r.end(); !math.IsInf(end, 0) {
			out.Seconds = max(out.Seconds, end)
		}
		out.Hosts = append(out.Hosts, r)
	}
	slices.SortStableFunc(out.Hosts, func(a, b reportHost) int { return cmp.Compare(a.end(), b.end()) })
	for _, x := range c.history {
		out.History = append(out.History, reportSample{max(0, sinceThen(int64(x.Millis), zero)), x.Sent, x.Known, x.Done, x.Ended, x.Copies})
	}
	return out
}

// host is one row.
func (c *courses) host(h hostStatus, zero int64) reportHost {
	r := reportHost{
		Member: h.Member, Host: h.Host, Target: h.Target, State: h.State, Done: h.Done, Code: h.Code, Note: h.Note,
		Seconds: h.Seconds, Received: h.Received, From: c.traces[h.Member].From,
	}
	at, known := c.starts[h.Member]
	if known {
		start := sinceThen(at, zero)
		r.Start = &start
	}
	if !h.over() && known {
		r.Seconds = sinceThen(c.now, at)
	}
	for _, ms := range c.traces[h.Member].Steps {
		r.Steps = append(r.Steps, float64(ms)/1000)
	}
	return r
}

// end is when it ended, or how far it has come; infinite for one of which neither is known.
func (r *reportHost) end() float64 {
	switch {
	case r.Start != nil:
		return *r.Start + r.Seconds
	case r.Seconds > 0:
		return r.Seconds
	}
	return math.Inf(1)
}
