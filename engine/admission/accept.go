package admission

import (
	"errors"
	"log/slog"
	"net"
	"time"
)

// acceptPause is for how long no connections are taken where descriptors are
// wanting.
const acceptPause = 50 * time.Millisecond

// Accept hands every connection to admit, until the listener is closed; it then
// returns the listener's error. The want of descriptors passes.
func Accept(l net.Listener, log *slog.Logger, admit func(net.Conn)) error {
	for {
		conn, err := l.Accept()
		var ne net.Error
		switch {
		case err == nil:
			admit(conn)
		case errors.As(err, &ne) && !errors.Is(err, net.ErrClosed):
			log.Warn("accepting connections", "error", err)
			time.Sleep(acceptPause)
		default:
			return err
		}
	}
}
