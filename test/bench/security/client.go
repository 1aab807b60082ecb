package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// dialTimeout bounds a login.
const dialTimeout = 10 * time.Second

// client is one connection.
type client struct {
	conn *tls.Conn
	in   *bufio.Reader
}

// connect connects from an address of the loopback network, and logs nobody in.
func (e *engine) connect(from string) (*client, error) {
	d := tls.Dialer{Config: e.client, NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: dialTimeout}}
	conn, err := d.Dial("tcp", e.addr)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn.(*tls.Conn), in: bufio.NewReader(conn)}, nil
}

// dial connects and logs in.
func (e *engine) dial(user string) (*client, error) {
	c, err := e.connect("127.0.0.1")
	if err != nil {
		return nil, err
	}
	_ = c.conn.SetDeadline(time.Now().Add(dialTimeout))
	if _, err = io.WriteString(c.conn, "AUTH "+user+" "+password+"\r\n"); err == nil {
		_, err = c.reply()
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, c.conn.SetDeadline(time.Time{})
}

func (c *client) close() { _ = c.conn.Close() }

// refusal is an error reply.
type refusal string

func (r refusal) Error() string { return string(r) }

// reply reads a line or the text of a bulk string. An error reply is a refusal.
func (c *client) reply() (string, error) {
	line, err := c.in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSpace(line)
	switch line[0] {
	case '-':
		return "", refusal(line)
	case '$':
		n, err := strconv.Atoi(line[1:])
		if err != nil {
			return "", fmt.Errorf("reply %q: %w", line, err)
		}
		if n < 0 {
			return "", nil
		}
		text := make([]byte, n+2)
		_, err = io.ReadFull(c.in, text)
		return string(text[:n]), err
	}
	return line, nil
}
