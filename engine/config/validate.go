package config

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

// Validate names every field that is out of its range, with its value and the
// range.
func (c Config) Validate() error {
	problems := []error{
		within("version", int64(c.Version), Version, Version),
		c.validateInstance(),
		absolute("dataDir", c.DataDir),
		c.validateDurability(),
		c.Listen.validateClients(),
		address("listen.admin", c.Listen.Admin),
		address("listen.metrics", c.Listen.Metrics),
		absolute("files.users", c.Files.Users),
		absolute("files.clientTLS", c.Files.ClientTLS),
		absolute("files.adminTLS", c.Files.AdminTLS),
		dnsName("files.operatorName", c.Files.OperatorName),
		unlessEmpty("files.encryptionKeys", c.Files.EncryptionKeys),
		unlessEmpty("files.queues", c.Files.Queues),
	}
	problems = append(problems, c.Limits.validate()...)
	problems = append(problems, c.Memory.validate()...)
	if c.Peers != (Peers{}) {
		problems = append(problems, c.Peers.validate())
	}
	if c.Listen.Reads != "" {
		problems = append(problems, c.validateReads())
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

func (c Config) validateReads() error {
	if c.Peers == (Peers{}) || c.Listen.Keys == "" {
		return fmt.Errorf("listen.reads: %q, needs listen.keys and peers: leave it out for a member alone", c.Listen.Reads)
	}
	return address("listen.reads", c.Listen.Reads)
}

func (p Peers) validate() error {
	problems := []error{address("peers.listen", p.Listen), dnsName("peers.name", p.Name)}
	if err := address("peers.address", p.Address); err != nil || strings.Count(p.Address, Ordinal) != 1 {
		problems = append(problems, fmt.Errorf("peers.address: %q, must be host:port with one %q in the host", p.Address, Ordinal))
	}
	return errors.Join(problems...)
}

func (l Limits) validate() []error {
	return []error{
		within("limits.maxClients", int64(l.MaxClients), 1, 100_000),
		within("limits.maxUnauthenticated", int64(l.MaxUnauthenticated), 1, 100_000),
		within("limits.maxUnauthenticatedPerHost", int64(l.MaxUnauthenticatedPerHost), 1, 100_000),
		within("limits.handshakeSeconds", int64(l.HandshakeSeconds), 1, 300),
		within("limits.authenticateSeconds", int64(l.AuthenticateSeconds), 1, 300),
		within("limits.maxBulkBytes", l.MaxBulkBytes, 1<<10, 512<<20),
		within("limits.maxRequestBytes", l.MaxRequestBytes, 1<<10, 1<<30),
		within("limits.maxArrayLength", int64(l.MaxArrayLength), 16, 1<<20),
		within("limits.maxOutputBytes", l.MaxOutputBytes, 64<<10, 1<<30),
		within("limits.maxKeyBytes", int64(l.MaxKeyBytes), 1, 1<<20),
		unlessZero("limits.requestSeconds", int64(l.RequestSeconds), 1, 3600),
		unlessZero("limits.maxClientBufferBytes", l.MaxClientBufferBytes, 1<<20, 1<<40),
	}
}

// validateClients is for the ports of which one is enough.
func (l Listen) validateClients() error {
	switch {
	case l.Jobs == "" && l.JobsHTTP != "":
		return fmt.Errorf("listen.jobsHTTP: %q, needs listen.jobs", l.JobsHTTP)
	case l.Jobs == "":
		return address("listen.keys", l.Keys)
	}
	problems := []error{address("listen.jobs", l.Jobs)}
	if l.Keys != "" {
		problems = append(problems, address("listen.keys", l.Keys))
	}
	if l.JobsHTTP != "" {
		problems = append(problems, address("listen.jobsHTTP", l.JobsHTTP))
	}
	return errors.Join(problems...)
}

func (c Config) validateInstance() error {
	namespace, name, ok := strings.Cut(c.Instance, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") || len(c.Instance) > 317 {
		return fmt.Errorf("instance: %q, must be namespace/name", c.Instance)
	}
	return nil
}

func (c Config) validateDurability() error {
	switch c.Durability {
	case Always, EverySecond:
		return nil
	}
	return fmt.Errorf("durability: %q, must be %q or %q", c.Durability, Always, EverySecond)
}

// unlessEmpty is absolute for a field that may be left out.
func unlessEmpty(field, path string) error {
	if path == "" {
		return nil
	}
	return absolute(field, path)
}

func within(field string, value, low, high int64) error {
	if value >= low && value <= high {
		return nil
	}
	if low == high {
		return fmt.Errorf("%s: %d, must be %d", field, value, low)
	}
	return fmt.Errorf("%s: %d, must be from %d to %d", field, value, low, high)
}

// unlessZero is within for a field that may be left out.
func unlessZero(field string, value, low, high int64) error {
	if value == 0 {
		return nil
	}
	return within(field, value, low, high)
}

func absolute(field, path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%s: %q, must be an absolute path", field, path)
	}
	return nil
}

func address(field, value string) error {
	_, port, err := net.SplitHostPort(value)
	if err == nil {
		var n uint64
		if n, err = strconv.ParseUint(port, 10, 16); err == nil && n <= 65535 {
			return nil
		}
	}
	return fmt.Errorf("%s: %q, must be host:port with a port from 0 to 65535 (0: any free one)", field, value)
}

func dnsName(field, value string) error {
	if value == "" || len(value) > 253 || strings.ContainsAny(value, "*/: \t\r\n") {
		return fmt.Errorf("%s: %q, must be one exact DNS name of at most 253 characters", field, value)
	}
	return nil
}
