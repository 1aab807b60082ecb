package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
)

// maxFileBytes bounds the configuration file; a real one has under 2 KiB.
const maxFileBytes = 1 << 20

var (
	// ErrNewerVersion is a file written for a later engine.
	ErrNewerVersion = errors.New("configuration is of a newer version")
	// ErrInvalid is a file that says something the engine cannot do.
	ErrInvalid = errors.New("invalid configuration")
)

// Default is the configuration of a member in a pod: the mounts and ports that
// the operator uses, and the limits of a database that asks for none.
func Default() Config {
	return Config{
		Version:    Version,
		DataDir:    "/var/lib/coffer",
		Durability: Always,
		Listen:     Listen{Keys: ":6379", Admin: ":9443", Metrics: ":9090"},
		Files: Files{
			Users:     "/etc/coffer/users",
			ClientTLS: "/etc/coffer/tls/client",
			AdminTLS:  "/etc/coffer/tls/admin",
		},
		Limits: Limits{
			MaxClients:                10_000,
			MaxUnauthenticated:        1_000,
			MaxUnauthenticatedPerHost: 100,
			HandshakeSeconds:          10,
			AuthenticateSeconds:       10,
			MaxBulkBytes:              64 << 20,
			MaxRequestBytes:           256 << 20,
			MaxArrayLength:            1 << 20,
			MaxOutputBytes:            64 << 20,
			MaxKeyBytes:               64 << 10,
		},
	}
}

// Load reads and validates a file. What the file leaves out keeps its default;
// what the engine does not know is refused by name.
func Load(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	c, err := Parse(data)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Parse is Load for bytes.
func Parse(data []byte) (Config, error) {
	if len(data) > maxFileBytes {
		return Config{}, fmt.Errorf("%w: larger than %d bytes", ErrInvalid, maxFileBytes)
	}
	// The version is read first and leniently: a newer file may hold fields
	// that this engine does not know, and the version is then the answer.
	var head struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	switch {
	case head.Version == nil:
		return Config{}, fmt.Errorf("%w: version: missing, must be %d", ErrInvalid, Version)
	case *head.Version > Version:
		return Config{}, fmt.Errorf("%w: version %d, this engine reads up to %d", ErrNewerVersion, *head.Version, Version)
	}
	c := Default()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrInvalid, explain(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Config{}, fmt.Errorf("%w: something follows the closing brace", ErrInvalid)
	}
	if err := c.Validate(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// explain adds the nearest known field to encoding/json's complaint about an
// unknown one.
func explain(err error) error {
	name, ok := strings.CutPrefix(err.Error(), "json: unknown field ")
	if !ok {
		return err
	}
	name = strings.Trim(name, `"`)
	best, bestDistance := "", 4
	for _, known := range fieldNames(reflect.TypeFor[Config]()) {
		if d := distance(strings.ToLower(name), strings.ToLower(known)); d < bestDistance {
			best, bestDistance = known, d
		}
	}
	if best == "" {
		return fmt.Errorf("unknown field %q", name)
	}
	return fmt.Errorf("unknown field %q, did you mean %q?", name, best)
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
		if f.Type.Kind() == reflect.Struct {
			names = append(names, fieldNames(f.Type)...)
		}
	}
	return names
}

// distance is the Levenshtein distance of two short names.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			substitute := diagonal
			if a[i-1] != b[j-1] {
				substitute++
			}
			diagonal = row[j]
			row[j] = min(substitute, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
