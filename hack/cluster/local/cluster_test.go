package local

import (
	"strings"
	"testing"
)

func TestNewKnowsTwoClustersThatShareNothing(t *testing.T) {
	demo, err := New("/clone", "demo")
	if err != nil {
		t.Fatal(err)
	}
	test, err := New("/clone", "test")
	if err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]string{
		"state": {demo.stateDir(), test.stateDir()}, "run": {demo.runDir(), test.runDir()}, "link": {demo.hostLink(), test.hostLink()},
		"subnet": {demo.subnet, test.subnet}, "pods": {demo.podCIDR, test.podCIDR}, "services": {demo.serviceCIDR, test.serviceCIDR},
		"cgroup": {demo.cgroup(), test.cgroup()}, "kubeconfig": {demo.Kubeconfig(), test.Kubeconfig()},
	} {
		if pair[0] == pair[1] {
			t.Errorf("both clusters have %s %s", what, pair[0])
		}
	}
	if _, err := New("/clone", "production"); err == nil {
		t.Error("an unknown name was taken")
	}
}

func TestPathsFitTheirLimits(t *testing.T) {
	// An interface's name has at most 15 bytes; containerd takes at most 38 for the directory of the shims' sockets.
	for _, name := range []string{"demo", "test"} {
		c, err := New("/clone", name)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.hostLink()) > 15 || len(c.run("s")) > 38 {
			t.Errorf("%s: %s or %s is too long", name, c.hostLink(), c.run("s"))
		}
	}
}

func TestCheckSaysWhatToDo(t *testing.T) {
	if err := Check("darwin"); err == nil || !strings.Contains(err.Error(), "CLUSTER=existing") {
		t.Errorf("got %v, want the way out", err)
	}
}
