package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/test/bench/harness"
)

func startBeanstalkd(dir, port string, sync ...string) (*contender, error) {
	c, err := serve(port, append([]string{"beanstalkd", "-l", "127.0.0.1", "-p", port, "-b", dir}, sync...)...)
	if err != nil {
		return nil, err
	}
	b := beanstalk{"127.0.0.1:" + port}
	// Its protocol has no batch; pushes can be sent ahead of their answers.
	c.load = map[string]func(int, int) (time.Duration, error){"push": b.push, "fill": b.push, "process": b.process}
	return c, nil
}

type beanstalk struct{ address string }

// each has so many connections do something so often in all.
func (b beanstalk) each(connections, count int, what func(*bufio.ReadWriter) error) (time.Duration, error) {
	all := make(chan *bufio.ReadWriter, connections)
	for range connections {
		conn, err := net.Dial("tcp", b.address)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		all <- bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))
	}
	return harness.InParallel(connections, count, func() error {
		conn := <-all
		defer func() { all <- conn }()
		return what(conn)
	})
}

func (b beanstalk) push(count, bytes int) (time.Duration, error) {
	put := fmt.Sprintf("put 0 0 60 %d\r\n%s\r\n", bytes, payload(bytes))
	return b.each(pushers, count, func(conn *bufio.ReadWriter) error { return ask(conn, put, "INSERTED") })
}

func (b beanstalk) process(count, _ int) (time.Duration, error) {
	return b.each(workers, count, func(conn *bufio.ReadWriter) error {
		var id uint64
		var size int
		if err := say(conn, "reserve\r\n"); err != nil {
			return err
		}
		if _, err := fmt.Fscanf(conn, "RESERVED %d %d\r\n", &id, &size); err != nil {
			return err
		}
		if _, err := conn.Discard(size + 2); err != nil {
			return err
		}
		return ask(conn, fmt.Sprintf("delete %d\r\n", id), "DELETED")
	})
}

func say(conn *bufio.ReadWriter, text string) error {
	if _, err := conn.WriteString(text); err != nil {
		return err
	}
	return conn.Flush()
}

func ask(conn *bufio.ReadWriter, text, want string) error {
	if err := say(conn, text); err != nil {
		return err
	}
	answer, err := conn.ReadString('\n')
	if err == nil && !strings.HasPrefix(answer, want) {
		err = fmt.Errorf("beanstalkd answered %q", answer)
	}
	return err
}
