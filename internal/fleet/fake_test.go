package fleet

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeDir makes the test binary an ssh whose hosts behave as their names say, and names the directory where they remember.
const fakeDir = "P2PCP_FAKE_SSH"

func TestMain(m *testing.M) {
	if dir := os.Getenv(fakeDir); dir != "" {
		os.Exit(fakeSSH(dir, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// fakeHost is the far end of one fake ssh.
type fakeHost struct {
	dir, name string
	try       int // 1 at the first login
	in        *bufio.Reader
	marker    string
	orders    string
}

// fakeSSH takes ssh's arguments.
func fakeSSH(dir string, args []string) int {
	for args[0] != "--" {
		args = args[1:]
	}
	name := args[1]
	h := &fakeHost{dir: dir, name: name, in: bufio.NewReader(os.Stdin)}
	kind, _, _ := strings.Cut(name, "-")
	h.try = h.remember("logins")
	switch kind {
	case "down":
		return h.fail(255, "ssh: connect to host down port 22: No route to host")
	case "denied":
		return h.fail(255, "\nAuthorized use only\nroot@denied: Permission denied (publickey).\n")
	case "busy":
		if h.try < 3 {
			return h.fail(255, "kex_exchange_identification: Connection closed by remote host")
		}
	case "hang":
		forever()
	case "nologin":
		fmt.Println("This account is currently not available.")
		return 1
	case "shell":
		return h.shell(args[2:])
	}
	return h.converse(kind)
}

// remember adds a line to one of the host's files, and tells how many there are.
func (h *fakeHost) remember(what string) int {
	path := filepath.Join(h.dir, h.name+"."+what)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	_, _ = f.WriteString(h.orders + "\n")
	_ = f.Close()
	b, _ := os.ReadFile(path)
	return strings.Count(string(b), "\n")
}

func (h *fakeHost) fail(code int, text string) int {
	fmt.Fprintln(os.Stderr, text)
	return code
}

func (h *fakeHost) say(words string) { fmt.Printf("%s %s\n", h.marker, words) }

// forever waits to be killed.
func forever() {
	r, w, err := os.Pipe()
	_, _ = r.Read(make([]byte, 1))
	panic(fmt.Sprint(w, err))
}

// converse speaks for the shell and the program.
func (h *fakeHost) converse(kind string) int {
	all, err := os.OpenFile(filepath.Join(h.dir, "all"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer all.Close()
	_, _ = all.WriteString("+\n") // logging in
	for {
		line, err := h.in.ReadString('\n')
		if err != nil {
			return h.fail(255, "no script")
		}
		if m, ok := strings.CutPrefix(line, "m='"); ok {
			h.marker = strings.TrimSuffix(m, "'\n")
		}
		if line == "main\n" {
			break
		}
	}
	if h.in.Buffered() > 0 {
		return h.fail(255, "something was sent that nobody had asked for")
	}
	fmt.Print("Welcome!\n@p2pcp-nonsense hello\nLast login: yesterday")
	fmt.Println()
	switch kind {
	case "alien":
		h.say("hello Linux sparc64 lacks")
		_, _ = io.Copy(io.Discard, h.in)
		return 1
	case "greedy":
		h.say("hello Linux x86_64 lacks")
		go func() { _, _ = io.Copy(io.Discard, h.in) }()
		for range 100 {
			h.say("want raw")
		}
		forever()
	case "nowhere":
		h.say("hello Linux x86_64 lacks")
		_, _ = h.in.ReadString('\n')
		h.say("nowhere place")
		return 1
	}
	h.say("hello Linux x86_64 has")
	_, _ = all.WriteString("-\n") // not any more
	h.say("runs")
	line, err := h.in.ReadString('\n')
	if err != nil {
		return 1 // the push ended
	}
	h.orders = strings.TrimSpace(line)
	h.remember("orders")
	return h.get(kind)
}

// get speaks for the program that has its orders.
func (h *fakeHost) get(kind string) int {
	fmt.Println(`{"message_type":"start","command":"get","stage":"joining","done":0,"total":0}`)
	fmt.Println(`{"message_type":"status","command":"get","stage":"transfer","done":50,"total":100,"down_rate":7,"eta_seconds":9.5}`)
	result := `{"message_type":"result","changed":true,"path":"/x/y","root":"0011223344","bytes":100,"fetched":100}`
	switch kind {
	case "dies":
		return h.fail(255, "client_loop: send disconnect: Broken pipe")
	case "flaky":
		if h.try < 3 {
			return h.fail(255, "Connection to flaky closed by remote host.")
		}
		result = strings.Replace(result, "true", "false", 1)
	case "same":
		result = strings.Replace(result, "true", "false", 1)
	case "full":
		fmt.Fprintln(os.Stderr, `{"message_type":"warning","message":"hm"}`)
		fmt.Fprintln(os.Stderr, `{"message_type":"exit_error","code":7,"message":"no space left","hint":"free some"}`)
		return 7
	case "silent":
		if h.try == 1 {
			fmt.Fprintln(os.Stderr, `{"message_type":"exit_error","code":8,"message":"no answer"}`)
			return 8
		}
	case "liar":
		fmt.Fprintln(os.Stderr, `{"message_type":"exit_error","code":0,"message":"all is well"}`)
		return 0
	case "mute":
		return 0
	case "odd":
		return h.fail(99, "odd")
	case "waits":
		h.remember("waits")
		_, _ = io.Copy(io.Discard, h.in)
		h.remember("ended")
		return 130
	}
	fmt.Println(result)
	switch kind {
	case "ran":
		fmt.Println(`{"message_type":"run","code":0,"seconds":1,"output":"fine\n"}`)
	case "ranbad":
		fmt.Println(`{"message_type":"run","code":4,"seconds":1,"output":"first\nthe last\n"}`)
	case "ranlong":
		fmt.Println(`{"message_type":"run","code":143,"timed_out":true,"seconds":60}`)
	}
	_, _ = io.Copy(io.Discard, h.in) // lingers
	h.remember("ended")
	return 0
}

// shell runs what sshd would, in a home of the host's own. The host's name says by which login shell: shell-NAME-SHELL.
func (h *fakeHost) shell(command []string) int {
	home := filepath.Join(h.dir, h.name)
	if err := os.MkdirAll(home, 0o700); err != nil {
		panic(err)
	}
	fmt.Println("banner")
	words := strings.Split(h.name, "-")
	c := exec.Command(words[2], "-c", strings.Join(command, " "))
	c.Dir = home
	c.Env = []string{"HOME=" + home, "TMPDIR=" + home, "PATH=" + os.Getenv("FAKE_PATH")}
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := c.Run(); err != nil && c.ProcessState == nil {
		panic(err)
	}
	return c.ProcessState.ExitCode()
}
