package cmd

import (
	"fmt"
	"strings"
	"time"
)

// line is the form for logs, pipes and SIGUSR1: one line, key=value, no escape sequences.
//
//	p2pcp: progress command=get stage=transfer name=big.tar done=42% bytes=4.2GiB/10.0GiB rate=1.1GiB/s eta=5s peers=38
func (p *progress) line(event string, v progressView) string {
	var b strings.Builder
	fmt.Fprintf(&b, "p2pcp: %s command=%s", event, p.command)
	put := func(key, value string) { b.WriteString(" " + key + "=" + value) }
	rate := func(r float64) {
		if r >= 0 {
			put("rate", compact(formatRate(r)))
		}
	}
	if stage := stageAt(event, v); stage != "" {
		put("stage", stage)
	}
	if v.Name != "" {
		put("name", quoteValue(v.Name))
	}
	if v.Total > 0 {
		put("done", fmt.Sprintf("%d%%", v.percent()))
		put("bytes", compact(formatSize(v.Done)+"/"+formatSize(v.Total)))
	}
	switch event {
	case "start":
		return b.String()
	case "progress":
		rate(v.Down)
		if v.Left >= 0 {
			put("eta", formatLeft(v.Left))
		}
	default:
		put("time", formatSeconds(v.Took))
		rate(v.overall())
		if linger := v.lingered(); linger > 0 {
			put("linger", formatSeconds(linger))
		}
	}
	if v.Stage == stageHashing {
		return b.String()
	}
	put("peers", fmt.Sprint(v.Peers))
	put("received", compact(formatSize(v.Received)))
	put("sent", compact(formatSize(v.Sent)))
	put("from_seed", fmt.Sprintf("%.0f%%", 100*v.seedShare()))
	return b.String()
}

// stageAt is the stage that a line or message tells: once all is in place, the closing one says so.
func stageAt(event string, v progressView) string {
	if event != "start" && event != "progress" && event != "status" && !v.InPlace.IsZero() {
		return stageDone
	}
	return v.Stage
}

// quoteValue is a value of key=value: quoted where a space would split it.
func quoteValue(s string) string {
	if q := quoteName(s); q != s || !strings.Contains(s, " ") {
		return q
	}
	return quoteArg(s)
}

// progressMessage is the JSON form; message_type is start or status, and the last one says how it ended.
type progressMessage struct {
	Type      string   `json:"message_type"`
	Command   string   `json:"command"`
	Outcome   string   `json:"outcome,omitempty"`
	Stage     string   `json:"stage,omitempty"`
	Name      string   `json:"name,omitempty"`
	Done      uint64   `json:"done"`      // bytes of this stage
	Total     uint64   `json:"total"`     // 0: not known
	DownRate  uint64   `json:"down_rate"` // now; in the last message over all of the transfer; 0 also where it isn't known
	UpRate    uint64   `json:"up_rate"`
	ETA       *float64 `json:"eta_seconds,omitempty"`
	Elapsed   float64  `json:"elapsed_seconds"`          // in the last message until all was in place
	Linger    float64  `json:"linger_seconds,omitempty"` // in the last message: from then on
	Received  uint64   `json:"received"`
	Sent      uint64   `json:"sent"`
	FromSeed  uint64   `json:"from_seed"` // bytes
	Control   uint64   `json:"control"`   // bytes of sessions that are no content, both ways
	Discarded uint64   `json:"discarded"` // of received
	Peers     int      `json:"peers"`
}

func (p *progress) message(event string, v progressView) progressMessage {
	seconds := func(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }
	m := progressMessage{
		Type: event, Command: p.command, Stage: stageAt(event, v), Name: v.Name, Done: v.Done, Total: v.Total,
		DownRate: uint64(max(v.Down, 0)), UpRate: uint64(v.Up), Elapsed: seconds(v.Elapsed),
		Received: v.Received, Sent: v.Sent, FromSeed: v.FromSeed, Peers: v.Peers,
		Control: v.Control, Discarded: v.Discarded,
	}
	if event != "start" && event != "status" {
		m.Type, m.Outcome = "status", event
		m.DownRate, m.Elapsed, m.Linger = uint64(max(v.overall(), 0)), seconds(v.Took), seconds(v.lingered())
	}
	if v.Left >= 0 {
		left := v.Left.Round(100 * time.Millisecond).Seconds()
		m.ETA = &left
	}
	return m
}
