package jobserver_test

import (
	"bufio"
	"fmt"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/config"
)

// BenchmarkPush has 50 pushes of 200 bytes on their way at a time, BenchmarkWork
// as many jobs pulled and acknowledged; both with the client in the process.
func BenchmarkPush(b *testing.B) {
	c := start(b, func(c *config.Config) { c.Durability = config.EverySecond }).login(b, "admin")
	exchange(b, c, []byte(fmt.Sprintf(`{"cmd":"PUSH","queue":"q","data":{"text":"%s"},"reqId":"r1"}`+"\n", strings.Repeat("x", 180))), b.N)
}

func BenchmarkWork(b *testing.B) {
	c := start(b, func(c *config.Config) { c.Durability = config.EverySecond }).login(b, "admin")
	push := []byte(fmt.Sprintf(`{"cmd":"PUSH","queue":"q","data":{"text":"%s"}}`+"\n", strings.Repeat("x", 180)))
	exchange(b, c, push, b.N)
	b.ResetTimer()
	exchange(b, c, []byte(`{"cmd":"PULL","queue":"q","timeout":0}`+"\n"), b.N)
}

// exchange sends a request n times, 50 at once, and reads as many lines.
func exchange(b *testing.B, c *client, request []byte, n int) {
	b.Helper()
	b.ReportAllocs()
	const flight = 50
	var all []byte
	for range flight {
		all = append(all, request...)
	}
	r := bufio.NewReaderSize(c.Conn, 64<<10)
	for n > 0 {
		m := min(n, flight)
		if _, err := c.Write(all[:m*len(request)]); err != nil {
			b.Fatal(err)
		}
		for range m {
			line, err := r.ReadSlice('\n')
			if err != nil || !strings.HasPrefix(string(line), `{"ok":true`) {
				b.Fatalf("%s, %v", line, err)
			}
		}
		n -= m
	}
}
