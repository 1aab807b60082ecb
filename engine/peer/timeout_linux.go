package peer

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// userTimeout is how long what was sent may be unacknowledged. A member that
// vanished with its node says nothing, and the kernel would go on for a quarter
// of an hour.
const userTimeout = 3 * time.Second

// giveUpSoon has a connection end that nobody acknowledges any more.
func giveUpSoon(_, _ string, c syscall.RawConn) error {
	var err error
	if controlled := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))
	}); controlled != nil {
		return controlled
	}
	return err
}
