package kube

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coffer-dev/coffer/hack/cluster/local"
)

// dialTime bounds a connection to be made.
const dialTime = 2 * time.Second

// door is an address of this machine whose connections begin on a node, so that
// a client sees what a pod of that node would: its rules, and its partitions.
type door struct {
	net.Listener
	netns, target string
}

func openDoor(ctx context.Context, node local.Node, target string) (*door, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &door{Listener: l, netns: node.Netns(), target: target}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	go d.serve()
	return d, nil
}

func (d *door) serve() {
	for {
		in, err := d.Accept()
		if err != nil {
			return
		}
		go func() {
			defer in.Close()
			out, err := dialFrom(d.netns, d.target)
			if err != nil {
				return
			}
			defer out.Close()
			join(in, out)
		}()
	}
}

// join hands bytes on until either side ends.
func join(a, b net.Conn) {
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
	both.Wait()
}

// dialFrom connects from within a network namespace.
func dialFrom(netns, address string) (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Never unlocked: the thread is in another namespace, and ends with this.
		runtime.LockOSThread()
		if err = enter(netns); err == nil {
			conn, err = net.DialTimeout("tcp", address, dialTime)
		}
	}()
	<-done
	return conn, err
}

func enter(netns string) error {
	f, err := os.Open(netns)
	if err != nil {
		return err
	}
	return errors.Join(unix.Setns(int(f.Fd()), unix.CLONE_NEWNET), f.Close())
}
