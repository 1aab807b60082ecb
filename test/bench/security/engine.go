package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/node/dev"
	"github.com/coffer-dev/coffer/test/bench/harness"
)

const (
	startTimeout = time.Minute
	stopTimeout  = time.Minute
	// password of every user, which is worth nothing.
	password = "0123456789abcdef0123456789abcdef"
	// appUser may use keys below appKeys alone.
	appUser, appKeys = "app", "app:"
)

// engine is the process that is measured.
type engine struct {
	home, addr string
	client     *tls.Config
	cmd        *exec.Cmd
	stdout     *os.File // the stream of audit records
}

// startEngine starts an engine with the configuration's defaults but for
// durability: what a disk waits for would hide what is looked for.
func startEngine(o options) (e *engine, err error) {
	e = &engine{}
	if e.home, err = os.MkdirTemp(o.dir, "engine-"); err != nil {
		return nil, err
	}
	port, err := harness.FreePort()
	if err != nil {
		return nil, err
	}
	c, err := dev.Prepare(e.home, dev.Ports{Keys: port})
	if err != nil {
		return nil, err
	}
	c.Durability = config.EverySecond
	e.addr = c.Listen.Keys
	data, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(e.home, "engine.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return nil, err
	}
	if err := e.setUsers(acl.AuditDenied); err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(filepath.Join(e.home, "ca.crt"))
	if err != nil {
		return nil, err
	}
	e.client = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS13, ServerName: "127.0.0.1"}
	e.client.RootCAs.AppendCertsFromPEM(ca)
	if e.stdout, err = os.OpenFile(filepath.Join(e.home, "stdout"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(e.home, "log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	e.cmd = exec.Command(filepath.Join(o.dir, "coffer-engine"), "serve", "--config", path)
	e.cmd.Stdout, e.cmd.Stderr = e.stdout, log
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(startTimeout); ; time.Sleep(20 * time.Millisecond) {
		c, err := e.dial(appUser)
		if err == nil {
			c.close()
			return e, nil
		}
		if time.Now().After(end) {
			return nil, errors.Join(fmt.Errorf("the engine does not answer: %w", err), e.stop())
		}
	}
}

// setUsers has the engine take up users, and what it audits.
func (e *engine) setUsers(level acl.Level) error {
	sum := sha256.Sum256([]byte(password))
	verifiers := []acl.Verifier{{Generation: 1, SHA256: hex.EncodeToString(sum[:])}}
	f := acl.File{
		Version: acl.FileVersion, Revision: string(level), Audit: &acl.Audit{Level: level, RetentionSeconds: 3600},
		Users: []acl.User{
			// As during a rotation: then users differ in how many there are.
			{Name: "default", Verifiers: append(verifiers, acl.Verifier{Generation: 2, SHA256: strings.Repeat("a", 64)}), Commands: acl.Admin, Keys: []string{"*"}},
			{Name: appUser, Verifiers: verifiers, Commands: acl.ReadWrite, Keys: []string{appKeys + "*"}},
		},
	}
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	path := filepath.Join(e.home, "users", "users.json")
	if err := os.WriteFile(path+".next", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".next", path)
}

// streamed counts the audit records since the last time.
func (e *engine) streamed() (int, error) {
	time.Sleep(100 * time.Millisecond) // the last ones are on their way
	data, err := os.ReadFile(e.stdout.Name())
	if err != nil {
		return 0, err
	}
	return strings.Count(string(data), "\n"), e.stdout.Truncate(0)
}

// info is a number out of INFO.
func (e *engine) info(section, name string) (int64, error) {
	c, err := e.dial("default")
	if err != nil {
		return 0, err
	}
	defer c.close()
	if _, err := io.WriteString(c.conn, "INFO "+section+"\r\n"); err != nil {
		return 0, err
	}
	text, err := c.reply()
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return strconv.ParseInt(value, 10, 64)
		}
	}
	return 0, fmt.Errorf("INFO %s says nothing of %s", section, name)
}

// stop ends the process as a pod's is ended.
func (e *engine) stop() error {
	_ = e.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(stopTimeout, func() { _ = e.cmd.Process.Kill() })
	defer late.Stop()
	defer func() { _ = e.stdout.Close() }()
	if err := e.cmd.Wait(); err != nil {
		log, _ := os.ReadFile(filepath.Join(e.home, "log"))
		return fmt.Errorf("coffer-engine: %w\n%s", err, log)
	}
	return nil
}
