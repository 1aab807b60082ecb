package server

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
)

// databaseOf is what CLIENT INFO says.
func databaseOf(t *testing.T, c io.Writer, r *bufio.Reader) string {
	t.Helper()
	if _, err := io.WriteString(c, "CLIENT INFO\r\n"); err != nil {
		t.Fatal(err)
	}
	_, _ = r.ReadString('\n')
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, _ = r.ReadString('\n')
	for _, field := range strings.Fields(line) {
		if number, found := strings.CutPrefix(field, "db="); found {
			return number
		}
	}
	t.Fatalf("no database in %q", line)
	return ""
}

// TestADatabaseIsTheConnections, until it selects another, or is reset; what a
// transaction or a script selects counts in its place.
func TestADatabaseIsTheConnections(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	other, otherReader := f.login(t)
	exchange(t, c, r, "SELECT 1\r\nSET k one\r\nSELECT 16\r\nGET k\r\n", "+OK\r\n+OK\r\n-ERR DB index is out of range\r\n$3\r\none\r\n")
	exchange(t, other, otherReader, "GET k\r\nSET k zero\r\n", "$-1\r\n+OK\r\n")
	if got := databaseOf(t, c, r) + databaseOf(t, other, otherReader); got != "10" {
		t.Errorf("databases %q", got)
	}
	exchange(t, c, r, "MULTI\r\nGET k\r\nSELECT 2\r\nSET k two\r\nSELECT x\r\nGET k\r\nSELECT 0\r\nGET k\r\nSELECT 2\r\nEXEC\r\nGET k\r\n",
		"+OK\r\n"+strings.Repeat(queuedReply, 8)+"*8\r\n$3\r\none\r\n+OK\r\n+OK\r\n-ERR value is not an integer or out of range\r\n$3\r\ntwo\r\n+OK\r\n$4\r\nzero\r\n+OK\r\n$3\r\ntwo\r\n")
	exchange(t, c, r, "MULTI\r\nSELECT 5\r\nDISCARD\r\nGET k\r\nMULTI\r\nSELECT 5\r\nNOSUCH\r\nEXEC\r\nGET k\r\n",
		"+OK\r\n"+queuedReply+"+OK\r\n$3\r\ntwo\r\n+OK\r\n"+queuedReply+"-ERR unknown command 'NOSUCH', with args beginning with: \r\n-EXECABORT Transaction discarded because of previous errors.\r\n$3\r\ntwo\r\n")
	exchange(t, c, r, "WATCH k\r\nSELECT 1\r\nWATCH k\r\n", "+OK\r\n+OK\r\n+OK\r\n")
	exchange(t, other, otherReader, "SELECT 2\r\nSET k again\r\n", "+OK\r\n+OK\r\n")
	exchange(t, c, r, "MULTI\r\nSELECT 5\r\nEXEC\r\nGET k\r\n", "+OK\r\n"+queuedReply+"*-1\r\n$3\r\none\r\n")
	exchange(t, c, r, "EVAL \"redis.call('select', 2) return redis.call('get', 'k')\" 0\r\nGET k\r\n", "$5\r\nagain\r\n$3\r\none\r\n")
	exchange(t, c, r, fmt.Sprintf("RESET\r\nAUTH %s\r\nGET k\r\n", f.password), "+RESET\r\n+OK\r\n$4\r\nzero\r\n")
	f.executor.mu.Lock()
	defer f.executor.mu.Unlock()
	for database, want := range map[int]int{0: 1, 1: 1, 2: 1} {
		if got := f.executor.machine.Databases().At(database).Len(); got != want {
			t.Errorf("%d keys in %d", got, database)
		}
	}
}

// TestASelectThatIsRefusedSelectsNothing, although it was permitted when it was
// queued.
func TestASelectThatIsRefusedSelectsNothing(t *testing.T) {
	f := start(t)
	f.users(t, user("cart"))
	c, r := f.dial(t)
	exchange(t, c, r, "AUTH cart cart\r\nMULTI\r\nSELECT 3\r\nSET k v\r\n", "+OK\r\n+OK\r\n"+queuedReply+queuedReply)
	f.users(t, user("cart", func(u *acl.User) { u.Commands = append(slices.Clone(u.Commands), "-select") }))
	const changed = "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: "
	exchange(t, c, r, "EXEC\r\nEXISTS k\r\n", "*2\r\n"+changed+"no permission to execute the command or subcommand: see AccessToken shop/cart\r\n+OK\r\n:1\r\n")
}

// TestWaitingInADatabase: what comes to the key there serves who waits, whatever
// brings it, and nothing else does.
func TestWaitingInADatabase(t *testing.T) {
	for name, tt := range map[string]struct{ before, bring, answer string }{
		"a push":      {"", "SELECT 3\r\nRPUSH k x\r\n", "+OK\r\n:1\r\n"},
		"a move":      {"RPUSH k x\r\n", "MOVE k 3\r\n", ":1\r\n"},
		"a copy":      {"RPUSH a x\r\n", "COPY a k DB 3\r\n", ":1\r\n"},
		"a swap":      {"RPUSH k x\r\n", "SWAPDB 0 3\r\n", "+OK\r\n"},
		"a swap back": {"RPUSH k x\r\n", "SWAPDB 3 0\r\n", "+OK\r\n"},
		"a script":    {"", "EVAL \"redis.call('select', 3) return redis.call('rpush', 'k', 'x')\" 0\r\n", ":1\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			c, r := f.login(t)
			waiting, waitingReader := f.login(t)
			exchange(t, waiting, waitingReader, "SELECT 3\r\n", "+OK\r\n")
			f.waits(t, waiting, "BLPOP k 0\r\n")
			elsewhere, elsewhereReader := f.login(t)
			exchange(t, elsewhere, elsewhereReader, "SELECT 4\r\nRPUSH k y\r\n", "+OK\r\n:1\r\n")
			if tt.before != "" {
				exchange(t, c, r, tt.before, ":1\r\n")
			}
			f.await(t, 1)
			exchange(t, c, r, tt.bring, tt.answer)
			exchange(t, waiting, waitingReader, "", bulks("k", "x"))
			exchange(t, elsewhere, elsewhereReader, "LLEN k\r\n", ":1\r\n")
			f.nobodyWaits(t)
		})
	}
}

// TestWaitingForTheEmptyName, which is a key like any other.
func TestWaitingForTheEmptyName(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	waiting, waitingReader := f.login(t)
	f.waits(t, waiting, "*3\r\n$5\r\nBLPOP\r\n$0\r\n\r\n$1\r\n0\r\n")
	exchange(t, c, r, "*3\r\n$5\r\nRPUSH\r\n$0\r\n\r\n$1\r\nx\r\n", ":1\r\n")
	exchange(t, waiting, waitingReader, "", bulks("", "x"))
	f.nobodyWaits(t)
}

// TestMonitorShowsDatabases, of a command the one that is selected behind it.
func TestMonitorShowsDatabases(t *testing.T) {
	f := start(t)
	m, shown := f.login(t)
	exchange(t, m, shown, "MONITOR\r\n", "+OK\r\n")
	c, r := f.login(t)
	exchange(t, c, r, "SELECT 1\r\nGET a\r\nMULTI\r\nGET b\r\nSELECT 2\r\nGET c\r\nEXEC\r\nGET d\r\n", "+OK\r\n$-1\r\n+OK\r\n"+strings.Repeat(queuedReply, 3)+"*3\r\n$-1\r\n+OK\r\n$-1\r\n$-1\r\n")
	for _, want := range []string{`[0 "AUTH"`, `[1 "SELECT"`, `[1 "GET" "a"`, `[1 "MULTI"`, `[1 "GET" "b"`, `[2 "SELECT"`, `[2 "GET" "c"`, `[2 "exec"`, `[2 "GET" "d"`} {
		line, err := shown.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		_, line, _ = strings.Cut(line, " ")
		database, line, _ := strings.Cut(line, " ")
		_, line, _ = strings.Cut(line, " ")
		if got := database + " " + line; !strings.HasPrefix(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestAuditNamesDatabases of those that are not 0, within transactions and scripts
// too.
func TestAuditNamesDatabases(t *testing.T) {
	f := start(t)
	f.audit.SetPolicy(acl.Audit{Level: acl.AuditAll, RetentionSeconds: 3600})
	c, r := f.login(t)
	exchange(t, c, r, "GET a\r\nSELECT 1\r\nGET b\r\nMULTI\r\nSELECT 2\r\nGET c\r\nEXEC\r\nEVAL \"redis.call('select', 4) return redis.call('get', 'd')\" 0\r\n",
		"$-1\r\n+OK\r\n$-1\r\n+OK\r\n"+queuedReply+queuedReply+"*2\r\n+OK\r\n$-1\r\n$-1\r\n")
	want := map[string]int{"a": 0, "b": 1, "c": 2, "d": 4}
	for _, record := range f.records(t, 10) {
		if len(record.Keys) != 1 {
			continue
		}
		key := record.Keys[0]
		if database, known := want[key]; !known || record.Database != database {
			t.Errorf("%s of %q in %d", record.Operation, key, record.Database)
		}
		delete(want, key)
	}
	if len(want) > 0 {
		t.Errorf("no record of %v", want)
	}
}
