package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/machine"
)

// bullmqScripts are installed by the tests of ioredis.
const bullmqScripts = "../../test/conformance/ioredis/node_modules/bullmq/dist/cjs/scripts"

// bullmqScript is the text of one of BullMQ's.
func bullmqScript(b *testing.B, name string) string {
	data, err := os.ReadFile(filepath.Join(bullmqScripts, name+".js"))
	if err != nil {
		b.Skip("make test-conformance installs BullMQ: ", err)
	}
	_, text, _ := strings.Cut(string(data), "const content = `")
	text, _, _ = strings.Cut(text, "`;")
	return strings.NewReplacer("\\\\", "\\", "\\`", "`", "\\$", "$").Replace(text)
}

// bullmq is a queue of BullMQ's on a machine.
type bullmq struct {
	b     *testing.B
	m     *machine.Machine
	index uint64
	shas  map[string]string
}

func (q *bullmq) load(names ...string) {
	q.shas = map[string]string{}
	for _, name := range names {
		text := bullmqScript(q.b, name)
		q.shas[name] = machine.ScriptSHA([]byte(text))
		q.apply([][]byte{[]byte("SCRIPT"), []byte("LOAD"), []byte(text)})
	}
}

func (q *bullmq) apply(call [][]byte) {
	c, err := Resolve(call)
	if err != nil {
		q.b.Fatal(err)
	}
	op, err := c.Parse(call)
	if err != nil {
		q.b.Fatal(err)
	}
	if e, ok := op.(*eval); ok {
		call = e.As(whoever, func(*Command) bool { return false })
	}
	q.index++
	items := []machine.Item{{Op: op, Argv: call, Write: true}}
	q.m.Apply(q.index, items, 1_800_000_000_000+int64(q.index), q.index)
	if items[0].Reply.IsError() {
		q.b.Fatalf("%s", items[0].Reply.Str)
	}
}

func (q *bullmq) call(script, keys string, args ...string) {
	names := strings.Fields(keys)
	call := argv("EVALSHA", q.shas[script], fmt.Sprint(len(names)))
	for _, name := range names {
		call = append(call, []byte("bull:bench:"+name))
	}
	q.apply(append(call, argv(args...)...))
}

const (
	bullmqJob   = "\x9a\xabbull:bench:\xa0\xa3job\xcbBz!\xe8\xce\np\x00\xc0\xc0\xc0\xc0\xc0\xc0"
	bullmqKept  = "\xde\x00\x02\xa8attempts\x03\xb0removeOnComplete\xc3"
	bullmqLock  = "\xde\x00\x04\xa5token\xa1t\xaclockDuration\xcdu0\xa7limiter\xc0\xa4name\xc0"
	bullmqMoved = "\xde\x00\x0b\xa5token\xa1t\xa4name\xc0\xa8keepJobs\xde\x00\x01\xa5count\x00\xa7limiter\xc0\xaclockDuration\xcdu0\xa8attempts\x03\xaemaxMetricsSize\xa0\xa4fpof\xc2\xa4cpof\xc2\xa4idof\xc2\xa4rdof\xc2"
	bullmqKeys  = "wait active prioritized events stalled limiter delayed paused meta pc"
)

func (q *bullmq) push() {
	q.call("addStandardJob-9", "wait paused meta id completed delayed active events marker", bullmqJob, `"`+strings.Repeat("x", 198)+`"`, bullmqKept)
}

func (q *bullmq) finish(id int) {
	q.call("moveToFinished-14", fmt.Sprintf("%s completed %d metrics:completed marker", bullmqKeys, id),
		fmt.Sprint(id), "1800000000000", "returnvalue", `"done"`, "completed", "1", "bull:bench:", bullmqMoved, "")
}

// BenchmarkBullMQ measures the scripts of a job of BullMQ's, without log and wire:
// what pushes it, and what ends it and takes the next.
func BenchmarkBullMQ(b *testing.B) {
	for _, what := range []string{"push", "process"} {
		b.Run(what, func(b *testing.B) {
			q := &bullmq{b: b, m: machine.New(Parse)}
			q.load("addStandardJob-9", "moveToActive-11", "moveToFinished-14")
			b.ReportAllocs()
			if what == "push" {
				for b.Loop() {
					q.push()
				}
				return
			}
			q.push()
			q.call("moveToActive-11", bullmqKeys+" marker", "bull:bench:", "1800000000000", bullmqLock)
			for id := 1; b.Loop(); id++ {
				b.StopTimer()
				q.push()
				b.StartTimer()
				q.finish(id)
			}
		})
	}
}

var whoever = func() *acl.Identity {
	id, err := acl.FromRules([]byte(everything))
	if err != nil {
		panic(err)
	}
	return id
}()
