package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/node/dev"
)

// The contenders.
const (
	coffer      = "coffer"       // files encrypted
	cofferPlain = "coffer plain" // not encrypted
	redis       = "redis-server"
)

var contenders = []string{coffer, cofferPlain, redis}

const (
	startTimeout = 2 * time.Minute
	stopTimeout  = time.Minute
	// pollEvery bounds how exactly the time to the first answer is measured.
	pollEvery = 2 * time.Millisecond
)

// server is a contender with its directory. It can be started again and again.
type server struct {
	name     string
	home     string // certificates and password
	data     string // log and snapshots, nothing else
	port     string
	password string
	command  []string
	cmd      *exec.Cmd
}

// newServer prepares a contender below the directory of the run.
func newServer(o options, name string, durability config.Durability) (*server, error) {
	home, err := os.MkdirTemp(o.dir, strings.ReplaceAll(name, " ", "-")+"-")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	c, err := dev.Prepare(home, dev.Ports{Keys: number})
	if err != nil {
		return nil, err
	}
	password, err := os.ReadFile(filepath.Join(home, "password"))
	if err != nil {
		return nil, err
	}
	s := &server{name: name, home: home, data: c.DataDir, port: port, password: strings.TrimSpace(string(password))}
	if name == redis {
		s.command, err = redisCommand(c, port, s.password, durability)
		return s, err
	}
	c.Durability = durability
	if name == cofferPlain {
		c.Files.EncryptionKeys = ""
	}
	s.command, err = cofferCommand(o, home, c)
	return s, err
}

func cofferCommand(o options, home string, c config.Config) ([]string, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(home, "engine.json")
	return []string{filepath.Join(o.dir, "coffer-engine"), "serve", "--config", path}, os.WriteFile(path, data, 0o600)
}

// redisCommand gives redis-server the same certificate and durability, through
// a file: a password does not belong into arguments.
func redisCommand(c config.Config, port, password string, durability config.Durability) ([]string, error) {
	fsync := map[config.Durability]string{config.Always: "always", config.EverySecond: "everysec"}[durability]
	tls := c.Files.ClientTLS
	lines := []string{
		"bind 127.0.0.1", "port 0", "tls-port " + port, "tls-protocols TLSv1.3", "tls-auth-clients no",
		"tls-cert-file " + filepath.Join(tls, "tls.crt"), "tls-key-file " + filepath.Join(tls, "tls.key"),
		"tls-ca-cert-file " + filepath.Join(tls, "../../ca.crt"),
		"requirepass " + password, "dir " + c.DataDir, `save ""`,
		"appendonly yes", "appendfsync " + fsync,
	}
	path := filepath.Join(filepath.Dir(c.DataDir), "redis.conf")
	return []string{"redis-server", path}, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// start starts the process and says how long it took to answer a command.
func (s *server) start() (time.Duration, error) {
	log, err := os.OpenFile(filepath.Join(s.home, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { _ = log.Close() }()
	s.cmd = exec.Command(s.command[0], s.command[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	begin := time.Now()
	if err := s.cmd.Start(); err != nil {
		return 0, err
	}
	for {
		if s.answers() {
			return time.Since(begin), nil
		}
		if time.Since(begin) > startTimeout {
			return 0, errors.Join(fmt.Errorf("%s does not answer", s.name), s.stop())
		}
		time.Sleep(pollEvery)
	}
}

func (s *server) answers() bool {
	c, err := s.dial()
	if err != nil {
		return false
	}
	defer c.close()
	answer, err := c.do("PING")
	return err == nil && answer == "+PONG"
}

// stop ends the process as a pod's is ended.
func (s *server) stop() error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	_ = cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(stopTimeout, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	if err := cmd.Wait(); err != nil {
		log, _ := os.ReadFile(filepath.Join(s.home, "log"))
		return fmt.Errorf("%s: %w\n%s", s.name, err, log)
	}
	return nil
}

// remove ends the process and removes what it kept.
func (s *server) remove() error { return errors.Join(s.stop(), os.RemoveAll(s.home)) }

func (s *server) pid() int { return s.cmd.Process.Pid }
