package cmd

import (
	"bufio"
	_ "embed" // of the page
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

//go:embed report.html
var reportPage string

// maxReportLine is the longest line of JSON that is read, in bytes: thousands of hosts.
const maxReportLine = 64 << 20

// reportFlags are those of 'p2pcp report'.
type reportFlags struct {
	observerFlags
	output string
}

func newReportCmd(a *app) *cobra.Command {
	var f reportFlags
	c := &cobra.Command{
		Use:   "report TICKET|-|@FILE|JSON",
		Short: "Write a page of a transfer: how it went, host by host",
		Long: "report asks a swarm, under way or complete while its seed still runs, and writes\n" +
			"one self-contained HTML page: how many hosts were done when, each host's time,\n" +
			"who fed whom, what the seed sent, and the copies of the blocks.\n\n" +
			"--json prints the data instead; report makes a page of it later. So do the last\n" +
			"lines of 'seed --json', 'status --json' and 'wait --json', with what they know.",
		Example: "  p2pcp report $T -o report.html\n  p2pcp report --json $T > run.json; p2pcp report run.json -o report.html",
		Args:    wantArgs(1, 1, "a TICKET, or a file of JSON"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"json", "jsonl"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(c *cobra.Command, args []string) error {
			if f.output == "" && !a.json {
				return usagef(useHint(c), "report needs -o FILE, or --json")
			}
			m, err := a.reported(args[0], &f)
			if err != nil {
				return err
			}
			if a.json {
				return a.result("", m)
			}
			return a.writeReport(f.output, m)
		},
	}
	c.Flags().SortFlags = false
	c.Flags().StringVarP(&f.output, "output", "o", "", "write the page to `FILE`")
	markFile(c, "output")
	f.register(c)
	return c
}

// reported is the account of a swarm, or the one in a file.
func (a *app) reported(word string, f *reportFlags) (reportMessage, error) {
	if st, err := os.Stat(word); err == nil && st.Mode().IsRegular() {
		file, err := os.Open(word)
		if err != nil {
			return reportMessage{}, err
		}
		defer file.Close()
		m, err := readReport(file)
		if err != nil {
			return m, exitf(exitUsage, "a file that 'p2pcp report --json', 'seed --json', 'status --json' or 'wait --json' has written",
				"read %s: %w", quoteName(word), err)
		}
		return m, nil
	}
	o, err := a.observed(word, &f.observerFlags)
	if err != nil {
		return reportMessage{}, err
	}
	c := newCrawler(o)
	c.account = true
	s, err := c.survey(a.ctx, o.addrs)
	if err != nil {
		return reportMessage{}, err
	}
	return accountOf(mergeSurvey(o.ticket.ID, s), s), nil
}

// readReport reads lines of JSON and takes the last that tells of hosts.
func readReport(r io.Reader) (reportMessage, error) {
	var m reportMessage
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxReportLine)
	for lines.Scan() {
		line := lines.Bytes()
		var kind struct {
			Type string `json:"message_type"`
		}
		if len(strings.TrimSpace(string(line))) == 0 {
			continue
		}
		if err := json.Unmarshal(line, &kind); err != nil {
			return m, fmt.Errorf("no JSON, an object a line: %w", err)
		}
		var err error
		switch kind.Type {
		case "report":
			m = reportMessage{}
			err = json.Unmarshal(line, &m)
		case "status", "verdict", "summary":
			var s statusMessage
			if err = json.Unmarshal(line, &s); err == nil && len(s.Hosts) > 0 {
				m = accountOf(s, survey{})
			}
		}
		if err != nil {
			return m, err
		}
	}
	if err := lines.Err(); err != nil {
		return m, err
	}
	if m.Type == "" {
		return m, errors.New("nothing in it tells of hosts")
	}
	return m, nil
}

// writeReport makes the page.
func (a *app) writeReport(path string, m reportMessage) error {
	if err := os.WriteFile(path, reportHTML(m), 0o644); err != nil {
		return exitf(exitLocal, "name another place with -o", "write report: %w", err)
	}
	a.note("%s tells of %s", quoteName(path), count(len(m.Hosts), "host"))
	return nil
}

// reportHTML is the page: a fixed text around the data. JSON as Go writes it has no <, > and &, so nothing in it can end the script.
func reportHTML(m reportMessage) []byte {
	return []byte(strings.Replace(reportPage, "REPORT_DATA", jsonLine(m), 1))
}

// sinceThen is milliseconds as seconds from zero on.
func sinceThen(ms, zero int64) float64 {
	return (time.Duration(ms-zero) * time.Millisecond).Seconds()
}
