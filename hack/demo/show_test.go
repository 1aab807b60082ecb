package main

import (
	"strings"
	"testing"
)

func TestSplitRef(t *testing.T) {
	for ref, want := range map[string][2]string{
		"coffer:dev":                     {"coffer", "dev"},
		"registry.example:5000/coffer":   {"registry.example:5000/coffer", "latest"},
		"registry.example:5000/coffer:v": {"registry.example:5000/coffer", "v"},
	} {
		if repository, tag := splitRef(ref); repository != want[0] || tag != want[1] {
			t.Errorf("%s: got %s and %s, want %v", ref, repository, tag, want)
		}
	}
}

func TestLoaderAsksWhenItCannotKnow(t *testing.T) {
	t.Setenv("LOAD", "")
	t.Setenv("IMAGE", "")
	t.Setenv("CLIENT_IMAGE", "")
	if _, err := loader("production"); err == nil || !strings.Contains(err.Error(), "LOAD=") {
		t.Errorf("got %v, want the three ways", err)
	}
	if load, err := loader("kind-test"); err != nil || load == nil {
		t.Errorf("a kind cluster is loaded without further ado, got %v", err)
	}
	t.Setenv("IMAGE", "registry.example/coffer:dev")
	if _, err := loader("production"); err == nil || !strings.Contains(err.Error(), "CLIENT_IMAGE") {
		t.Errorf("got %v, want to be asked for CLIENT_IMAGE", err)
	}
	t.Setenv("CLIENT_IMAGE", "registry.example/client:dev")
	if load, err := loader("production"); err != nil || load != nil {
		t.Errorf("pushed images need no loading, got %v", err)
	}
}
