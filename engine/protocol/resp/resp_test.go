package resp

import (
	"math"
	"testing"

	"github.com/coffer-dev/coffer/engine/reply"
)

func TestAppendReply(t *testing.T) {
	tests := []struct {
		name         string
		in           reply.Reply
		want2, want3 string
	}{
		{"simple", reply.OK, "+OK\r\n", "+OK\r\n"},
		{"error", reply.Error("ERR no"), "-ERR no\r\n", "-ERR no\r\n"},
		{"line break in an error", reply.Error("ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n"},
		{"integer", reply.Integer(-7), ":-7\r\n", ":-7\r\n"},
		{"bulk", reply.BulkString("a\r\nb"), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"},
		{"empty bulk", reply.Bulk(nil), "$0\r\n\r\n", "$0\r\n\r\n"},
		{"null", reply.Null, "$-1\r\n", "_\r\n"},
		{"null array", reply.NullArray, "*-1\r\n", "_\r\n"},
		{"verbatim", reply.Verbatim("hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"},
		{"paired map", reply.PairedMap(reply.Integer(1), reply.Integer(2), reply.Integer(3), reply.Integer(4)), "*2\r\n*2\r\n:1\r\n:2\r\n*2\r\n:3\r\n:4\r\n", "%2\r\n:1\r\n:2\r\n:3\r\n:4\r\n"},
		{"pairs", reply.Pairs(reply.Integer(1), reply.Integer(2), reply.Integer(3), reply.Integer(4)), "*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n", "*2\r\n*2\r\n:1\r\n:2\r\n*2\r\n:3\r\n:4\r\n"},
		{"double", reply.Reply{Kind: reply.KindDouble, Float: 0.1}, "$19\r\n0.10000000000000001\r\n", ",0.10000000000000001\r\n"},
		{"whole double", reply.Reply{Kind: reply.KindDouble, Float: 100000}, "$6\r\n100000\r\n", ",100000\r\n"},
		{"infinity", reply.Reply{Kind: reply.KindDouble, Float: math.Inf(-1)}, "$4\r\n-inf\r\n", ",-inf\r\n"},
		{"true", reply.Reply{Kind: reply.KindBool, Int: 1}, ":1\r\n", "#t\r\n"},
		{"false", reply.Reply{Kind: reply.KindBool}, ":0\r\n", "#f\r\n"},
		{"array", reply.Array(reply.Integer(1), reply.Null), "*2\r\n:1\r\n$-1\r\n", "*2\r\n:1\r\n_\r\n"},
		{"set", reply.Set(reply.Integer(1)), "*1\r\n:1\r\n", "~1\r\n:1\r\n"},
		{"map", reply.Map(reply.Integer(1), reply.OK), "*2\r\n:1\r\n+OK\r\n", "%1\r\n:1\r\n+OK\r\n"},
		{"push", reply.Reply{Kind: reply.KindPush, Items: []reply.Reply{reply.OK}}, "*1\r\n+OK\r\n", ">1\r\n+OK\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(AppendReply(nil, 2, tt.in)); got != tt.want2 {
				t.Errorf("RESP2: got %q, want %q", got, tt.want2)
			}
			if got := string(AppendReply(nil, 3, tt.in)); got != tt.want3 {
				t.Errorf("RESP3: got %q, want %q", got, tt.want3)
			}
		})
	}
}
