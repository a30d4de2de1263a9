package fleet

import (
	_ "embed" // for bootstrap.sh
	"strconv"
	"strings"
)

// login is all that a host's login shell is given. Every shell reads these words in the same way.
const login = "exec sh -s"

//go:embed bootstrap.sh
var bootstrap string

// script is what the shell is given on stdin. It ends with the word main and nothing after it: what the shell reads beyond it would be
// lost to main.
func script(marker string, protocol, push int) string {
	return strings.NewReplacer("@MARKER@", marker, "@PROTOCOL@", strconv.Itoa(protocol), "@PUSH@", strconv.Itoa(push)).Replace(bootstrap)
}
