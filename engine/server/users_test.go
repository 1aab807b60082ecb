package server

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
)

// user is one of the test's, whose password is its name.
func user(name string, change ...func(*acl.User)) acl.User {
	u := acl.User{
		Name: name, Verifiers: verifiers(name),
		Commands: acl.Admin, Keys: []string{"*"}, Source: "AccessToken shop/" + name,
	}
	for _, f := range change {
		f(&u)
	}
	return u
}

func verifiers(password string) []acl.Verifier {
	sum := sha256.Sum256([]byte(password))
	return []acl.Verifier{{Generation: 1, SHA256: hex.EncodeToString(sum[:])}}
}

// users puts a users file in force.
func (f *fixture) users(t *testing.T, users ...acl.User) {
	t.Helper()
	file := acl.File{Version: acl.FileVersion, Revision: "r", Users: users}
	u, err := acl.New(file)
	if err != nil {
		t.Fatal(err)
	}
	next := *f.credentials.Load()
	next.Users = u
	f.credentials.Store(&next)
	f.CredentialsChanged(&next)
}

const wrongPass = "-WRONGPASS invalid username-password pair or user is disabled.\r\n"

// TestUsersExpire: nobody has to write another file, and nobody is told why.
func TestUsersExpire(t *testing.T) {
	f := start(t)
	end := time.Now().Add(2 * time.Second).Truncate(time.Second)
	f.users(t, user("cart", func(u *acl.User) { u.NotAfter = end.Format(time.RFC3339) }), user("other"))
	idle, idleReader := f.dial(t)
	exchange(t, idle, idleReader, "AUTH cart cart\r\n", "+OK\r\n")
	busy, busyReader := f.dial(t)
	exchange(t, busy, busyReader, "AUTH cart cart\r\n", "+OK\r\n")
	other, otherReader := f.dial(t)
	exchange(t, other, otherReader, "AUTH other other\r\n", "+OK\r\n")
	for {
		if _, err := fmt.Fprint(busy, "PING\r\n"); err != nil {
			break
		}
		if _, err := busyReader.ReadString('\n'); err != nil {
			break
		}
	}
	if now := time.Now(); now.Before(end) {
		t.Errorf("the busy session was closed %v too early", end.Sub(now))
	}
	wantClosed(t, idleReader)
	exchange(t, other, otherReader, "PING\r\n", "+PONG\r\n")
	late, lateReader := f.dial(t)
	exchange(t, late, lateReader, "AUTH cart cart\r\n", wrongPass)
	exchange(t, late, lateReader, "AUTH other wrong\r\n", wrongPass)
}

// TestRefusalsNameTheToken behind the text that clients match on.
func TestRefusalsNameTheToken(t *testing.T) {
	f := start(t)
	f.users(t, user("cart", func(u *acl.User) { u.Commands, u.Keys, u.ReadKeys = acl.ReadWrite, nil, []string{"cart:*"} }))
	c, r := f.dial(t)
	exchange(t, c, r, "AUTH cart cart\r\nGET cart:1\r\nGET x\r\nSET cart:1 1\r\nFLUSHALL\r\n", "+OK\r\n$-1\r\n"+
		"-NOPERM this user has no permissions to access one of the keys used as arguments: see AccessToken shop/cart\r\n"+
		"-NOPERM this user has no permissions to access one of the keys used as arguments: see AccessToken shop/cart\r\n"+
		"-NOPERM this user has no permissions to run the 'flushall' command: see AccessToken shop/cart\r\n")
}
