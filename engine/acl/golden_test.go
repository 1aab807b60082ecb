package acl

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestFilesOfAllVersions: what an operator of this version or one before has
// written is read to the last field.
func TestFilesOfAllVersions(t *testing.T) {
	for version := FirstFileVersion; version <= FileVersion; version++ {
		data, err := os.ReadFile(fmt.Sprintf("testdata/users-v%d.json", version))
		if err != nil {
			t.Fatal(err)
		}
		u, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		id, c, refusal := u.Verify("default", "old", now)
		if refusal != "" || c.Generation() != 1 || u.Revision() != "r1" || !u.VerifyToken("token") {
			t.Errorf("version %d: %v %q", version, c.Generation(), refusal)
		}
		if denied := id.Allows(action("flushall", "write", Read|Write, "x")); denied != nil {
			t.Errorf("version %d: %v", version, denied)
		}
		reader := u.Identity("reader")
		if denied := reader.Allows(action("get", "read", Read, "shop:1")); denied != nil || reader.Allows(action("get", "read", Read, "x")) == nil {
			t.Errorf("version %d: %v", version, denied)
		}
		if version >= TokensFileVersion && (u.Audit() != Audit{AuditWrites, 60} || reader.Quota() != Quota{5, 100} || reader.Source() != "AccessToken shop/reader" ||
			!reader.ExpiredAt(now.AddDate(10, 0, 0)) || reader.Allows(action("keys", "read", Read, "shop:1")) == nil || len(reader.channels) != 1) {
			t.Errorf("version %d: %+v", version, reader)
		}
		for queue, allowed := range map[string]bool{"jobs:1": true, "tasks": true, "other": false} {
			if denied := reader.AllowsJob(JobPull, queue); (denied == nil) != (allowed && version >= JobsFileVersion) {
				t.Errorf("version %d: pulling from %s: %v", version, queue, denied)
			}
		}
	}
}

// TestTheGoldenFileHasEveryField, or the test above would say nothing of it.
func TestTheGoldenFileHasEveryField(t *testing.T) {
	data, err := os.ReadFile("testdata/users-v3.json")
	if err != nil {
		t.Fatal(err)
	}
	var f File
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{f, *f.Audit, f.Users[1], *f.Users[1].Quota, f.Users[1].Jobs[0], f.Users[1].Verifiers[0]} {
		for i, value := 0, reflect.ValueOf(v); i < value.NumField(); i++ {
			if value.Field(i).IsZero() {
				t.Errorf("%T.%s is not in it", v, value.Type().Field(i).Name)
			}
		}
	}
}

// TestNewerFileIsRefused with both versions named, whatever else is in it.
func TestNewerFileIsRefused(t *testing.T) {
	_, err := Parse([]byte(`{"version": 4, "users": {"of": "another shape"}, "newField": true}`))
	if !errors.Is(err, ErrNewerVersion) || !strings.Contains(err.Error(), "version 4, this engine reads up to 3") {
		t.Errorf("%v", err)
	}
}
