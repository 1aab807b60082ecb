package peer

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWhoVanishesIsGivenUp by the kernel, which would otherwise try for a quarter
// of an hour.
func TestWhoVanishesIsGivenUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialer := net.Dialer{Control: giveUpSoon}
	conn, err := dialer.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	if controlled := raw.Control(func(fd uintptr) {
		got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
	}); controlled != nil || err != nil {
		t.Fatal(controlled, err)
	}
	if int64(got) != userTimeout.Milliseconds() {
		t.Errorf("given up after %d ms, want %s", got, userTimeout)
	}
}
