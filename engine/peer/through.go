package peer

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// A client's connection that came to a member that does not lead is handed through
// to the leader on the port for peers. Before the client's bytes stands
//
//	| "COFFER" 6B | version 1B | port 1B | client's address 16B, port 2B | ms since the epoch 8B | HMAC-SHA256 of these 34B |
//
// under a key that only members have, and the leader answers with one byte,
// whether it takes the connection. So nothing of a client reaches a member that
// does not lead any more, and the leader knows who the client is. What follows is
// the client's own TLS with the leader.
const (
	throughMagic   = "COFFER"
	throughVersion = 1
	throughMAC     = len(throughMagic) + 1 + 1 + 16 + 2 + 8 // where it stands
	throughLength  = throughMAC + sha256.Size
	// throughAge is how far two members' times of day may be apart, and how long
	// what was overheard could be said again.
	throughAge = time.Minute
	// maxIntroducing is how many clients a member introduces at a time: to a leader
	// that everybody comes to at once they are strangers until they are read.
	maxIntroducing = 32
	// refusedPause is how long a place is kept of a client that was not taken: all
	// who wait for a leader ask for one.
	refusedPause = 20 * time.Millisecond

	taken     = 1
	leadsNone = 0
)

// Port is the one of a member that a client connected to.
type Port byte

// The ports for clients.
const (
	Keys     Port = 'k'
	Jobs     Port = 'j'
	JobsHTTP Port = 'h'
)

var (
	// ErrLeadsNone is what a member says that does not lead.
	ErrLeadsNone = errors.New("does not lead")
	// ErrUnanswered is of a member that ended the connection without a word: it is
	// of a version that hands through otherwise, or under another certificate.
	ErrUnanswered = errors.New("does not answer")
)

// HandThrough opens a connection to the leader for a client that connected here.
func (t *Transport) HandThrough(leader uint64, port Port, client net.Addr) (net.Conn, error) {
	key, err := throughKey(t.opts.Credentials().Admin.TLS)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(t.ctx, dialTimeout)
	defer cancel()
	select {
	case t.introducing <- struct{}{}:
		defer func() { <-t.introducing }()
	case <-ctx.Done(): // somebody else may lead by now
		return nil, fmt.Errorf("a place to introduce a client: %w", ctx.Err())
	}
	conn, err := (&net.Dialer{Control: giveUpSoon}).DialContext(ctx, "tcp", t.opts.Address(leader))
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(dialTimeout))
	answer := make([]byte, 1)
	if _, err = conn.Write(introduce(key, port, client, time.Now())); err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
	case err != nil:
		err = fmt.Errorf("member %d %w: %w", leader, ErrUnanswered, err)
	case answer[0] != taken:
		time.Sleep(refusedPause)
		err = fmt.Errorf("member %d %w", leader, ErrLeadsNone)
	default:
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// throughKey is of the key that all members have of their certificate.
func throughKey(certificate *tls.Certificate) ([]byte, error) {
	secret, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("the members' key: %w", err)
	}
	return hkdf.Key(sha256.New, secret, nil, "coffer: clients handed through", sha256.Size)
}

// introduce says for whom a connection is.
func introduce(key []byte, port Port, client net.Addr, now time.Time) []byte {
	b := append([]byte(throughMagic), throughVersion, byte(port))
	address, _ := client.(*net.TCPAddr)
	if address == nil {
		address = &net.TCPAddr{IP: net.IPv6unspecified}
	}
	b = append(b, address.IP.To16()...)
	b = binary.BigEndian.AppendUint16(b, uint16(address.Port))
	b = binary.BigEndian.AppendUint64(b, uint64(now.UnixMilli()))
	return append(b, mac(key, b)...)
}

func mac(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}

// introduced reads what introduce has written.
func introduced(key, b []byte, now time.Time) (Port, net.Addr, error) {
	if !bytes.HasPrefix(b, []byte(throughMagic)) || b[len(throughMagic)] != throughVersion {
		return 0, nil, errors.New("neither TLS nor a client that is handed through, as this version does it")
	}
	if !hmac.Equal(b[throughMAC:], mac(key, b[:throughMAC])) {
		return 0, nil, errors.New("a client is handed through by nobody who has the members' key")
	}
	rest := b[len(throughMagic)+1:]
	said := time.UnixMilli(int64(binary.BigEndian.Uint64(rest[19:])))
	if age := now.Sub(said).Abs(); age > throughAge {
		return 0, nil, fmt.Errorf("a client is handed through by a member whose time of day is %s from this one's", age.Round(time.Second))
	}
	return Port(rest[0]), &net.TCPAddr{IP: net.IP(rest[1:17]), Port: int(binary.BigEndian.Uint16(rest[17:]))}, nil
}

// handed is a client's connection that came through another member.
type handed struct {
	*net.TCPConn
	client net.Addr
}

// RemoteAddr implements net.Conn: the client's own.
func (h *handed) RemoteAddr() net.Addr { return h.client }

// takeThrough takes over a connection whose first byte was read, if this member
// leads.
func (t *Transport) takeThrough(raw net.Conn, first byte) (passed bool, err error) {
	b := make([]byte, throughLength)
	b[0] = first
	if _, err := io.ReadFull(raw, b[1:]); err != nil {
		return false, err
	}
	key, err := throughKey(t.opts.Credentials().Admin.TLS)
	if err != nil {
		return false, err
	}
	port, client, err := introduced(key, b, time.Now())
	if err != nil {
		return false, err
	}
	t.forget(raw) // it is a client's, and no stranger
	enter := t.opts.Clients(port)
	if enter == nil {
		_, err := raw.Write([]byte{leadsNone})
		return false, err
	}
	if _, err := raw.Write([]byte{taken}); err != nil {
		return false, err
	}
	_ = raw.SetDeadline(time.Time{})
	enter(&handed{raw.(*net.TCPConn), client})
	return true, nil
}

// begun is a connection whose first byte was read.
type begun struct {
	net.Conn
	first []byte
}

// Read implements net.Conn.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.first) > 0 && len(p) > 0 {
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	return b.Conn.Read(p)
}
