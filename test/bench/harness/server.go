package harness

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

// The servers of keys that are measured.
const (
	Coffer      = "coffer"       // files encrypted, as the operator runs it
	CofferPlain = "coffer plain" // not encrypted
	Redis       = "redis-server"
)

const (
	startTimeout = 2 * time.Minute
	stopTimeout  = time.Minute
	// pollEvery bounds how exactly the time to the first answer is measured.
	pollEvery = 2 * time.Millisecond
)

// Server is one of them with its directory. It can be started again and again.
type Server struct {
	Name     string
	Home     string // ca.crt, password
	Data     string // log and snapshots, nothing else
	Port     string // TLS 1.3, on the loopback address
	Password string
	command  []string
	cmd      *exec.Cmd
}

// StartServers starts them one after the other, below a directory in which
// BuildEngine has built. What it started it returns beside an error too.
func StartServers(dir string, durability config.Durability, names ...string) (servers []*Server, err error) {
	for _, name := range names {
		s, err := NewServer(dir, name, durability)
		if err != nil {
			return servers, err
		}
		servers = append(servers, s)
		if _, err := s.Start(); err != nil {
			return servers, err
		}
	}
	return servers, nil
}

// RemoveServers ends them and removes what they kept.
func RemoveServers(servers []*Server) (err error) {
	for _, s := range servers {
		err = errors.Join(err, s.Remove())
	}
	return err
}

// NewServer prepares one.
func NewServer(dir, name string, durability config.Durability) (*Server, error) {
	home, err := os.MkdirTemp(dir, strings.ReplaceAll(name, " ", "-")+"-")
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	c, err := dev.Prepare(home, dev.Ports{Keys: port})
	if err != nil {
		return nil, err
	}
	password, err := os.ReadFile(filepath.Join(home, "password"))
	if err != nil {
		return nil, err
	}
	s := &Server{Name: name, Home: home, Data: c.DataDir, Port: strconv.Itoa(port), Password: strings.TrimSpace(string(password))}
	if name == Redis {
		s.command, err = redisCommand(c, s.Port, s.Password, durability)
		return s, err
	}
	c.Durability = durability
	// redis-benchmark opens all its connections before it logs in.
	c.Limits.MaxUnauthenticated, c.Limits.MaxUnauthenticatedPerHost = c.Limits.MaxClients, c.Limits.MaxClients
	if name == CofferPlain {
		c.Files.EncryptionKeys = ""
	}
	s.command, err = cofferCommand(dir, home, c)
	return s, err
}

func cofferCommand(dir, home string, c config.Config) ([]string, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(home, "engine.json")
	return []string{filepath.Join(dir, "coffer-engine"), "serve", "--config", path}, os.WriteFile(path, data, 0o600)
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

// FreePort was free a moment ago, on the loopback address.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Start starts the process and says how long it took to answer a command.
func (s *Server) Start() (time.Duration, error) {
	log, err := os.OpenFile(filepath.Join(s.Home, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
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
			return 0, errors.Join(fmt.Errorf("%s does not answer", s.Name), s.Stop())
		}
		time.Sleep(pollEvery)
	}
}

func (s *Server) answers() bool {
	c, err := s.Dial()
	if err != nil {
		return false
	}
	defer c.Close()
	answer, err := c.Do("PING")
	return err == nil && answer == "+PONG"
}

// Stop ends the process as a pod's is ended.
func (s *Server) Stop() error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	_ = cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(stopTimeout, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	if err := cmd.Wait(); err != nil {
		log, _ := os.ReadFile(filepath.Join(s.Home, "log"))
		return fmt.Errorf("%s: %w\n%s", s.Name, err, log)
	}
	return nil
}

// Remove ends the process and removes what it kept.
func (s *Server) Remove() error { return errors.Join(s.Stop(), os.RemoveAll(s.Home)) }

// PID is the process.
func (s *Server) PID() int { return s.cmd.Process.Pid }
