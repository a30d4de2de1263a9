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
	if v.Stage != "" {
		put("stage", v.Stage)
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
		put("rate", compact(formatRate(v.Down)))
		if v.Left >= 0 {
			put("eta", formatLeft(v.Left))
		}
	default:
		put("time", formatSeconds(v.Elapsed))
		moved := v.Received
		if moved == 0 && (v.Stage == stageHashing || v.Stage == stageChecking) {
			moved = v.Done
		}
		if s := v.Elapsed.Seconds(); s > 0 {
			put("rate", compact(formatRate(float64(moved)/s)))
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

// quoteValue is a value of key=value: quoted where a space would split it.
func quoteValue(s string) string {
	if q := quoteName(s); q != s || !strings.Contains(s, " ") {
		return q
	}
	return quoteArg(s)
}

// progressMessage is the JSON form; message_type is start or status, and the last one says how it ended.
type progressMessage struct {
	Type     string   `json:"message_type"`
	Command  string   `json:"command"`
	Outcome  string   `json:"outcome,omitempty"`
	Stage    string   `json:"stage,omitempty"`
	Name     string   `json:"name,omitempty"`
	Done     uint64   `json:"done"`  // bytes of this stage
	Total    uint64   `json:"total"` // 0: not known
	DownRate uint64   `json:"down_rate"`
	UpRate   uint64   `json:"up_rate"`
	ETA      *float64 `json:"eta_seconds,omitempty"`
	Elapsed  float64  `json:"elapsed_seconds"`
	Received uint64   `json:"received"`
	Sent     uint64   `json:"sent"`
	FromSeed uint64   `json:"from_seed"` // bytes
	Peers    int      `json:"peers"`
}

func (p *progress) message(event string, v progressView) progressMessage {
	outcome := ""
	if event != "start" && event != "status" {
		event, outcome = "status", event
	}
	m := progressMessage{
		Type: event, Outcome: outcome, Command: p.command, Stage: v.Stage, Name: v.Name, Done: v.Done, Total: v.Total,
		DownRate: uint64(v.Down), UpRate: uint64(v.Up), Elapsed: v.Elapsed.Round(time.Millisecond).Seconds(),
		Received: v.Received, Sent: v.Sent, FromSeed: v.FromSeed, Peers: v.Peers,
	}
	if v.Left >= 0 {
		left := v.Left.Round(100 * time.Millisecond).Seconds()
		m.ETA = &left
	}
	return m
}
