package cmd

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"p2pcp/internal/fleet"
)

// decided is the Fleet's: a failure is told as it comes, everything with --json.
func (p *pushRun) decided(s fleet.Status) {
	a := p.app
	switch {
	case a.json:
		// A failure sticks in the stream and ends the run.
		_ = a.result("", p.message(&s))
	case !s.State.Complete() && s.State != fleet.Stopped && !a.term.live:
		a.warn("%s", verdictText(&s))
	}
}

// pushHost is the JSON form of one host's verdict.
type pushHost struct {
	Type    string  `json:"message_type"` // host
	Host    string  `json:"host"`
	State   string  `json:"state"` // changed, unchanged, failed, unreachable, lost, stopped
	Code    int     `json:"code"`
	Meaning string  `json:"meaning,omitempty"` // of a code that isn't 0
	Message string  `json:"message,omitempty"`
	Path    string  `json:"path,omitempty"`
	Root    string  `json:"root,omitempty"`
	Fetched uint64  `json:"fetched"` // bytes
	Seconds float64 `json:"seconds"`
	Logins  int     `json:"logins"`
	Sent    bool    `json:"program_sent"`
	Output  string  `json:"run_output,omitempty"` // the end of what --run printed
}

func (p *pushRun) message(s *fleet.Status) pushHost {
	return pushHost{
		Type: "host", Host: s.Host.String(), State: s.State.String(), Code: s.Code, Meaning: meaning(s.Code),
		Message: quoteMessage(s.Message), Path: s.Path, Root: s.Root, Fetched: s.Fetched,
		Seconds: float64(s.Took(time.Now()).Milliseconds()) / 1000, Logins: s.Tries, Sent: s.Sent, Output: s.Output,
	}
}

// meaning is what the table says of a code; empty for 0.
func meaning(code int) string {
	for _, row := range exitTable {
		if row.Code == code && code != exitOK {
			return row.Meaning
		}
	}
	return ""
}

// pushResult is the JSON form of the whole.
type pushResult struct {
	Type        string  `json:"message_type"` // result
	Code        int     `json:"code"`
	ID          string  `json:"id,omitempty"`
	Name        string  `json:"name"`
	Bytes       uint64  `json:"bytes"` // of the content
	Hosts       int     `json:"hosts"`
	Changed     int     `json:"changed"`
	Unchanged   int     `json:"unchanged"`
	Failed      int     `json:"failed"`
	Unreachable int     `json:"unreachable"`
	Lost        int     `json:"lost"`
	Stopped     int     `json:"stopped"`
	Egress      float64 `json:"egress_copies"`
	Seconds     float64 `json:"seconds"`
}

// tell tells what became of every host and writes --retry-file, once.
func (p *pushRun) tell() {
	p.telling.Do(func() {
		all := p.fleet.Statuses()
		if p.shown != nil {
			p.shown.quit()
		}
		retried := p.writeRetryFile(all)
		p.told = errors.Join(p.print(all, p.sum(all)), retried)
	})
}

// verdict is the worst host's code, once all that is to be told is told. err is the seed's.
func (p *pushRun) verdict(err error) error {
	p.tell()
	r := p.sum(p.fleet.Statuses())
	if err == nil && p.seed.source != nil {
		if changed := p.seed.source.Changed(); len(changed) > 0 {
			err = exitf(max(r.Code, exitLocal), "push it again", "%s changed while it was sent", quoteName(changed[0]))
		}
	}
	switch {
	case err != nil:
		return err
	case p.app.ctx.Err() != nil:
		return p.app.ctx.Err() // the signal has been told
	case p.told != nil:
		return p.told
	case r.Code == exitOK:
		return nil
	}
	hint := loginHint(p.fleet.Statuses())
	switch {
	case hint != "":
	case p.flags.retryFile != "":
		hint = "--hosts-file " + shellWord(p.flags.retryFile) + " is who lacks it"
	default:
		hint = "the same command resumes; --retry-file FILE keeps who lacks it"
	}
	lacking := r.Hosts - r.Changed - r.Unchanged
	return exitf(r.Code, hint, "%d of %s failed", lacking, count(r.Hosts, "host"))
}

// loginHint is what helps where ssh wasn't let in; empty if that wasn't it.
func loginHint(all []fleet.Status) string {
	for i := range all {
		s := &all[i]
		switch {
		case s.State != fleet.Unreachable:
		case strings.Contains(s.Message, "Host key verification failed"):
			return fmt.Sprintf("'ssh %s' once takes its key; or push with --ssh 'ssh -o StrictHostKeyChecking=accept-new'", s.Host)
		case strings.Contains(s.Message, "Permission denied"):
			return fmt.Sprintf("'ssh %s true' must work without a question: by a key, or an agent", s.Host)
		}
	}
	return ""
}

// sum counts the verdicts.
func (p *pushRun) sum(all []fleet.Status) pushResult {
	r := pushResult{Type: "result", Name: p.flags.seed.name, Hosts: len(all), Seconds: float64(time.Since(p.begun).Milliseconds()) / 1000}
	counts := map[fleet.State]int{}
	for i := range all {
		counts[all[i].State]++
		r.Code = max(r.Code, all[i].Code)
	}
	r.Changed, r.Unchanged, r.Failed = counts[fleet.Changed], counts[fleet.Unchanged], counts[fleet.Failed]
	r.Unreachable, r.Lost, r.Stopped = counts[fleet.Unreachable], counts[fleet.Lost], counts[fleet.Stopped]
	if p.shown != nil {
		h, _ := p.pull()
		r.ID, r.Bytes, r.Egress = h.ID, h.Size, h.Sent
	}
	return r
}

// print prints the verdicts: a line of sums for a person, a line a group of equal hosts for scripts.
func (p *pushRun) print(all []fleet.Status, r pushResult) error {
	a := p.app
	if a.json {
		return a.result("", r)
	}
	if !a.quiet {
		parts := []string{fmt.Sprintf("p2pcp: pushed %s to %d of %d hosts in %s", quoteName(r.Name), r.Changed+r.Unchanged, r.Hosts, formatSeconds(time.Since(p.begun)))}
		if p.shown != nil {
			parts = append(parts, fmt.Sprintf("seed sent %.2f copies", r.Egress))
		}
		a.screen.message(strings.Join(parts, "  "))
	}
	return a.result(strings.Join(verdictLines(all), "\n"), nil)
}

// verdictLines are one line for all hosts with the same verdict: those that have it first, then the others by their codes.
//
//	changed node[001-437] /scratch/big.tar 7k3f9a00
//	failed node438 exit 7 (this host: ...): no space left on device
func verdictLines(all []fleet.Status) []string {
	type group struct {
		status *fleet.Status
		hosts  []string
	}
	var order []*group
	groups := map[fleet.Status]*group{}
	for i := range all {
		s := &all[i]
		key := fleet.Status{State: s.State, Code: s.Code, Path: s.Path, Root: s.Root, Message: s.Message}
		if s.State.Complete() {
			key.Message = "" // of an earlier attempt
		}
		g := groups[key]
		if g == nil {
			g = &group{status: s}
			groups[key] = g
			order = append(order, g)
		}
		g.hosts = append(g.hosts, s.Host.String())
	}
	slices.SortStableFunc(order, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.status.Code, b.status.Code), cmp.Compare(a.status.State, b.status.State))
	})
	lines := make([]string, len(order))
	for i, g := range order {
		lines[i] = verdictLine(g.status, foldHosts(g.hosts))
	}
	return lines
}

// verdictLine is one.
func verdictLine(s *fleet.Status, hosts string) string {
	line := s.State.String() + " " + hosts
	switch {
	case s.State.Complete():
		return line + " " + quoteName(s.Path) + " " + quoteMessage(s.Root[:min(8, len(s.Root))])
	case s.State == fleet.Failed:
		return line + " " + failure(s)
	}
	return line + ": " + quoteMessage(s.Message)
}

// verdictText is a verdict in words.
func verdictText(s *fleet.Status) string {
	host := quoteName(s.Host.String())
	if s.State == fleet.Failed {
		return host + " failed: " + failure(s)
	}
	return host + " is " + s.State.String() + ": " + s.Message
}

// failure is the code, what it means, and what the host said.
func failure(s *fleet.Status) string {
	return fmt.Sprintf("exit %d (%s): %s", s.Code, meaning(s.Code), quoteMessage(s.Message))
}

// writeRetryFile writes who doesn't have it, and why, as --hosts-file reads it; the file may be the one that was read.
func (p *pushRun) writeRetryFile(all []fleet.Status) error {
	name := p.flags.retryFile
	if name == "" {
		return nil
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# hosts that don't have %s: push --hosts-file reads this\n", quoteName(p.flags.seed.name))
	for i := range all {
		if s := &all[i]; !s.State.Complete() {
			fmt.Fprintf(&b, "%s # %s %d: %s\n", s.Host, s.State, s.Code, quoteMessage(s.Message))
		}
	}
	if err := replaceFile(name, b.Bytes()); err != nil {
		return exitf(exitLocal, "", "write --retry-file: %w", err)
	}
	return nil
}

// replaceFile writes a file whole or not at all.
func replaceFile(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".retry-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // it has another name by then, if all went well
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
