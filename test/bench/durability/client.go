package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// client is a connection that writes many SETs before it reads the replies.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
	sent int
}

func (s *server) dial() (*client, error) {
	ca, err := os.ReadFile(filepath.Join(s.home, "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	conn, err := tls.Dial("tcp", "127.0.0.1:"+s.port, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13})
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, in: bufio.NewReader(conn)}
	if _, err := c.do("AUTH", s.password); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *client) close() { _ = c.conn.Close() }

// do sends one command and returns its reply: a line, or the text of a bulk
// string. An error reply is an error.
func (c *client) do(argv ...string) (string, error) {
	c.out = append(c.out, '*')
	c.out = append(strconv.AppendInt(c.out, int64(len(argv)), 10), "\r\n"...)
	for _, arg := range argv {
		c.argument([]byte(arg))
	}
	if err := c.flush(); err != nil {
		return "", err
	}
	line, err := c.in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSpace(line)
	switch line[0] {
	case '-':
		return "", fmt.Errorf("%s: %s", argv[0], line)
	case '$':
		n, err := strconv.Atoi(line[1:])
		if err != nil || n < 0 {
			return "", fmt.Errorf("%s: reply %s", argv[0], line)
		}
		text := make([]byte, n+2)
		_, err = io.ReadFull(c.in, text)
		return string(text[:n]), err
	}
	return line, nil
}

func (c *client) argument(arg []byte) {
	c.out = append(strconv.AppendInt(append(c.out, '$'), int64(len(arg)), 10), "\r\n"...)
	c.out = append(append(c.out, arg...), "\r\n"...)
}

func (c *client) flush() error {
	_, err := c.conn.Write(c.out)
	c.out = c.out[:0]
	return err
}

// set queues a SET.
func (c *client) set(key, value []byte) {
	c.out = append(c.out, "*3\r\n$3\r\nSET\r\n"...)
	c.argument(key)
	c.argument(value)
	c.sent++
}

// confirm sends what is queued and waits until all of it is acknowledged.
func (c *client) confirm() error {
	if err := c.flush(); err != nil {
		return err
	}
	for ; c.sent > 0; c.sent-- {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if string(line) != "+OK\r\n" {
			return fmt.Errorf("SET: %s", strings.TrimSpace(string(line)))
		}
	}
	return nil
}

// infoNumber is a number out of INFO.
func (c *client) infoNumber(section, name string) (float64, error) {
	text, err := c.do("INFO", section)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("INFO %s says nothing of %s", section, name)
}
