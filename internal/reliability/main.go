// Command reliability makes the tables of docs/RELIABILITY.md of what tests print: lines that hold RELIABILITY and a record as JSON. It
// reads the output of go test -v from stdin: `make reliability`. A row of the page of which nothing was printed is an error, and so is a
// test that was skipped: what has no result any more is taken off the page by hand.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

const (
	page = "docs/RELIABILITY.md"
	mark = "RELIABILITY "
)

// record is one fault or attack that was survived. Times are of those who weren't hit, in seconds; 0: it isn't about time.
type record struct {
	Kind        string  `json:"kind"` // fault or attack
	Name        string  `json:"name"`
	Undisturbed float64 `json:"undisturbed_s"`
	Disturbed   float64 `json:"disturbed_s"`
	Result      string  `json:"result"`
	Test        string  `json:"test"`
}

func main() {
	if err := publish(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "reliability:", err)
		os.Exit(1)
	}
}

// publish puts the tables of the records in r into their places on the page.
func publish(r io.Reader) error {
	records, err := read(r)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	if gone := missing(string(text), records); len(gone) > 0 {
		return fmt.Errorf("nothing was printed of:\n%s", strings.Join(gone, "\n"))
	}
	for _, kind := range []string{"fault", "attack"} {
		begin := fmt.Sprintf("<!-- table %ss: make reliability writes it -->\n", kind)
		before, rest, ok := strings.Cut(string(text), begin)
		_, after, closed := strings.Cut(rest, "<!-- end -->\n")
		if !ok || !closed {
			return fmt.Errorf("%s has no place for %ss", page, kind)
		}
		text = []byte(before + begin + table(records, kind) + "<!-- end -->\n" + after)
	}
	return os.WriteFile(page, text, 0o644)
}

// row is a line of a table: its name, and its test.
var row = regexp.MustCompile("(?m)^\\| (.*?) \\| [-0-9.]+ \\| [-0-9.]+ \\| .* \\| `(Test\\w+)` \\|$")

// missing are the page's rows without a record.
func missing(page string, records []record) (gone []string) {
	for _, m := range row.FindAllStringSubmatch(page, -1) {
		if !slices.ContainsFunc(records, func(r record) bool { return cell(r.Name) == m[1] && r.Test == m[2] }) {
			gone = append(gone, m[2]+": "+m[1])
		}
	}
	return gone
}

// read finds the records, those of one test together. A test that failed or was skipped is an error: what it printed is no result.
func read(r io.Reader) ([]record, error) {
	var records []record
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		for _, bad := range []string{"--- FAIL", "--- SKIP", "FAIL\t", "panic: "} {
			if strings.HasPrefix(strings.TrimSpace(line), bad) {
				return nil, fmt.Errorf("a test gave no result: %s", strings.TrimSpace(line))
			}
		}
		_, text, ok := strings.Cut(line, mark+"{")
		if !ok {
			continue
		}
		var m record
		if err := json.Unmarshal([]byte("{"+text), &m); err != nil {
			return nil, fmt.Errorf("read %q: %w", line, err)
		}
		m.Test, _, _ = strings.Cut(m.Test, "/")
		records = append(records, m)
	}
	slices.SortStableFunc(records, func(a, b record) int { return strings.Compare(a.Test, b.Test) })
	return records, lines.Err()
}

// table is Markdown's, of one kind of record.
func table(records []record, kind string) string {
	var b strings.Builder
	b.WriteString("| " + kind + " | undisturbed, s | disturbed, s | what came of it | test |\n|---|---|---|---|---|\n")
	for _, m := range records {
		if m.Kind == kind {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | `%s` |\n", cell(m.Name), seconds(m.Undisturbed), seconds(m.Disturbed), cell(m.Result), m.Test)
		}
	}
	return b.String()
}

func seconds(s float64) string {
	if s == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", s)
}

func cell(s string) string { return strings.NewReplacer("|", "\\|", "\n", " ").Replace(s) }
