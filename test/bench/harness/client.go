package harness

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// streamBytes of commands are sent at once.
const streamBytes = 64 << 10

// Client is a connection that sends many commands before it reads the replies.
type Client struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
	sent int
}

// TLS trusts the server's authority.
func (s *Server) TLS() (*tls.Config, error) {
	ca, err := os.ReadFile(filepath.Join(s.Home, "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, nil
}

// Dial opens a connection and logs in.
func (s *Server) Dial() (*Client, error) {
	trust, err := s.TLS()
	if err != nil {
		return nil, err
	}
	conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", s.Port), trust)
	if err != nil {
		return nil, err
	}
	c := &Client{conn: conn, in: bufio.NewReader(conn)}
	if _, err := c.Do("AUTH", s.Password); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close closes the connection.
func (c *Client) Close() { _ = c.conn.Close() }

// Do sends one command and returns its reply: a line, or the text of a bulk
// string. An error reply is an error.
func (c *Client) Do(argv ...string) (string, error) {
	args := make([][]byte, len(argv))
	for i, arg := range argv {
		args[i] = []byte(arg)
	}
	c.Send(args...)
	if err := c.flush(); err != nil {
		return "", err
	}
	c.sent--
	return c.reply()
}

// Send queues a command.
func (c *Client) Send(argv ...[]byte) {
	c.out = append(strconv.AppendInt(append(c.out, '*'), int64(len(argv)), 10), "\r\n"...)
	for _, arg := range argv {
		c.out = append(strconv.AppendInt(append(c.out, '$'), int64(len(arg)), 10), "\r\n"...)
		c.out = append(append(c.out, arg...), "\r\n"...)
	}
	c.sent++
}

// Stream queues a command, and waits for the answers when a good deal has gathered.
// Confirm waits for the last ones.
func (c *Client) Stream(argv ...[]byte) error {
	if c.Send(argv...); len(c.out) <= streamBytes {
		return nil
	}
	return c.Confirm()
}

func (c *Client) flush() error {
	_, err := c.conn.Write(c.out)
	c.out = c.out[:0]
	return err
}

// Confirm sends what is queued and waits until all of it is answered. An error
// reply is an error.
func (c *Client) Confirm() error {
	if err := c.flush(); err != nil {
		return err
	}
	for ; c.sent > 0; c.sent-- {
		if _, err := c.reply(); err != nil {
			return err
		}
	}
	return nil
}

// reply reads a line, a bulk string, or an array, whose elements are left out.
func (c *Client) reply() (string, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	line = bytes.TrimSpace(line)
	switch line[0] {
	case '-':
		return "", errors.New(string(line[1:]))
	case '$', '*':
		n, err := strconv.Atoi(string(line[1:]))
		if err != nil || n < 0 {
			return "", err
		}
		if line[0] == '*' {
			for range n {
				if _, err := c.reply(); err != nil {
					return "", err
				}
			}
			return "", nil
		}
		text := make([]byte, n+2)
		_, err = io.ReadFull(c.in, text)
		return string(text[:n]), err
	}
	return string(line), nil
}

// InfoNumber is a number out of INFO.
func (c *Client) InfoNumber(section, name string) (float64, error) {
	text, err := c.Do("INFO", section)
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
