package config

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func valid() Config {
	c := Default()
	c.Instance = "shop/sessions"
	c.Files.OperatorName = "operator.sessions.shop.coffer.dev"
	return c
}

var peers = Peers{Listen: ":7443", Address: "kv-{ordinal}.kv-members.shop.svc:7443", Name: "peers.kv.shop.coffer.dev"}

func TestMarshalLoadRoundTrip(t *testing.T) {
	want := valid()
	want.Limits.MaxClients = 77
	want.Durability, want.Peers, want.Listen.Reads = EverySecond, peers, ":6380"
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "engine.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestParseKeepsDefaultsOfWhatIsLeftOut(t *testing.T) {
	got, err := Parse([]byte(`{"version":1,"instance":"a/b","files":{"operatorName":"op"},"limits":{"maxClients":5}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Instance, want.Files.OperatorName, want.Limits.MaxClients = "a/b", "op", 5
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestWhatIsNotSetIsNotWritten: an engine of the version before refuses fields
// that it does not know.
func TestWhatIsNotSetIsNotWritten(t *testing.T) {
	data, err := json.Marshal(valid())
	if err != nil || strings.Contains(string(data), "maxClientBufferBytes") || strings.Contains(string(data), "requestSeconds") ||
		strings.Contains(string(data), "jobs") || strings.Contains(string(data), "peers") || strings.Contains(string(data), "queues") || strings.Contains(string(data), "reads") {
		t.Errorf("%s, %v", data, err)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		want     error
		says     string
	}{
		{"newer version", `{"version":7,"shiny":true}`, ErrNewerVersion, "version 7, this engine reads up to 1"},
		{"no version", `{"instance":"a/b"}`, ErrInvalid, "version: missing"},
		{"older version", `{"version":0}`, ErrInvalid, "version: 0, must be 1"},
		{"typo", `{"version":1,"limits":{"maxClient":5}}`, ErrInvalid, `unknown field "maxClient", did you mean "maxClients"?`},
		{"stranger", `{"version":1,"replicationFactor":5}`, ErrInvalid, `unknown field "replicationFactor"`},
		{"wrong type", `{"version":1,"dataDir":5}`, ErrInvalid, "dataDir"},
		{"trailing", `{"version":1,"instance":"a/b"} {}`, ErrInvalid, "after top-level value"},
		{"not JSON", `limits: 5`, ErrInvalid, "invalid character"},
		{"too large", strings.Repeat(" ", maxFileBytes+1), ErrInvalid, "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.in))
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %v saying %q", err, tt.want, tt.says)
			}
		})
	}
}

func TestValidateNamesFieldValueAndRange(t *testing.T) {
	tests := []struct {
		change func(*Config)
		says   string
	}{
		{func(c *Config) { c.Instance = "shop" }, `instance: "shop", must be namespace/name`},
		{func(c *Config) { c.DataDir = "data" }, `dataDir: "data", must be an absolute path`},
		{func(c *Config) { c.Durability = "Never" }, `durability: "Never", must be "Always" or "EverySecond"`},
		{func(c *Config) { c.Listen.Keys = "6379" }, `listen.keys: "6379"`},
		{func(c *Config) { c.Listen.Admin = ":70000" }, `listen.admin: ":70000"`},
		{func(c *Config) { c.Listen.Keys = "" }, `listen.keys: ""`},
		{func(c *Config) { c.Listen.Jobs = "6789" }, `listen.jobs: "6789"`},
		{func(c *Config) { c.Listen.JobsHTTP = ":6790" }, `listen.jobsHTTP: ":6790", needs listen.jobs`},
		{func(c *Config) { c.Listen.Jobs, c.Listen.JobsHTTP = ":6789", "x" }, `listen.jobsHTTP: "x"`},
		{func(c *Config) { c.Listen.Jobs, c.Listen.Keys = ":6789", "x" }, `listen.keys: "x"`},
		{func(c *Config) { c.Files.Queues = "queues" }, `files.queues: "queues", must be an absolute path`},
		{func(c *Config) { c.Files.Users = "" }, "files.users"},
		{func(c *Config) { c.Files.EncryptionKeys = "keys" }, `files.encryptionKeys: "keys", must be an absolute path`},
		{func(c *Config) { c.Files.OperatorName = "*.x" }, "files.operatorName"},
		{func(c *Config) { c.Listen.Reads = ":6380" }, `listen.reads: ":6380", needs listen.keys and peers`},
		{func(c *Config) { c.Peers, c.Listen.Reads = peers, "6380" }, `listen.reads: "6380", must be host:port`},
		{func(c *Config) { c.Peers.Listen = "x" }, `peers.listen: "x"`},
		{func(c *Config) { c.Peers = peers; c.Peers.Address = "kv-0:7443" }, `peers.address: "kv-0:7443", must be host:port with one "{ordinal}" in the host`},
		{func(c *Config) { c.Peers = peers; c.Peers.Name = "" }, "peers.name"},
		{func(c *Config) { c.Limits.MaxClients = 0 }, "limits.maxClients: 0, must be from 1 to 100000"},
		{func(c *Config) { c.Limits.HandshakeSeconds = 301 }, "limits.handshakeSeconds: 301, must be from 1 to 300"},
		{func(c *Config) { c.Limits.MaxBulkBytes = 1 << 30 }, "limits.maxBulkBytes: 1073741824, must be from 1024 to 536870912"},
		{func(c *Config) { c.Limits.MaxKeyBytes = -1 }, "limits.maxKeyBytes: -1"},
		{func(c *Config) { c.Limits.RequestSeconds = -1 }, "limits.requestSeconds: -1, must be from 1 to 3600"},
		{func(c *Config) { c.Memory.LimitBytes = 5 }, "memory.limitBytes: 5, must be from 1048576 to"},
		{func(c *Config) { c.Memory.EvictionPolicy = "allkeys-lru" }, `memory.evictionPolicy: "allkeys-lru", must be NoEviction, AllKeysLRU,`},
		{func(c *Config) { c.Limits.MaxClientBufferBytes = 5 }, "limits.maxClientBufferBytes: 5, must be from 1048576 to"},
	}
	for _, tt := range tests {
		c := valid()
		tt.change(&c)
		if err := c.Validate(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("got %v, want it to say %q", err, tt.says)
		}
	}
	jobs := valid()
	jobs.Listen.Keys, jobs.Listen.Jobs, jobs.Listen.JobsHTTP, jobs.Files.Queues = "", ":6789", ":6790", "/etc/coffer/queues"
	if err := jobs.Validate(); err != nil {
		t.Errorf("a member for jobs alone: %v", err)
	}
	c := valid()
	c.Limits.MaxClients, c.DataDir = 0, "x"
	if err := c.Validate(); !strings.Contains(err.Error(), "maxClients") || !strings.Contains(err.Error(), "dataDir") {
		t.Errorf("got %v, want every problem at once", err)
	}
}
