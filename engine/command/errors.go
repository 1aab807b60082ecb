package command

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/coffer-dev/coffer/engine/reply"
)

// textError is an error whose text is an error reply's.
type textError string

func (e textError) Error() string { return string(e) }

// Errors that more than one family answers.
const (
	errSyntax      = textError("ERR syntax error")
	errNotInteger  = textError("ERR value is not an integer or out of range")
	errNotFloat    = textError("ERR value is not a valid float")
	errNotPositive = textError("ERR value is out of range, must be positive")
	errNoKey       = textError("ERR no such key")
	errTooLong     = textError("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
)

// errorf makes a textError that fits on a line, as redis-server does: breaks
// at the end are dropped, others become blanks.
func errorf(format string, args ...any) textError {
	s := strings.Trim(fmt.Sprintf(format, args...), "\r\n")
	return textError(strings.NewReplacer("\r", " ", "\n", " ").Replace(s))
}

func errArity(name string) textError {
	return errorf("ERR wrong number of arguments for '%s' command", name)
}

// errSubcommand is what some commands answer where others say that there are too
// many arguments.
func errSubcommand(argv [][]byte) textError {
	return errorf("ERR unknown subcommand or wrong number of arguments for '%.128s'. Try %s HELP.", cstring(argv[1]), strings.ToUpper(cstring(argv[0])))
}

func errExpireTime(name string) textError {
	return errorf("ERR invalid expire time in '%s' command", name)
}

// errUnknown quotes the command and the beginning of its arguments.
func errUnknown(argv [][]byte) textError {
	const quoted = 128 // bytes of arguments
	var args strings.Builder
	for _, arg := range argv[1:] {
		if args.Len() >= quoted {
			break
		}
		text := cstring(arg)
		args.WriteString("'" + text[:min(len(text), quoted-args.Len())] + "' ")
	}
	name := cstring(argv[0])
	return errorf("ERR unknown command '%s', with args beginning with: %s", name[:min(len(name), quoted)], args.String())
}

// cstring is what a C format prints of a string: up to the first NUL.
func cstring(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

func fail(err error) reply.Reply { return reply.Error(err.Error()) }
