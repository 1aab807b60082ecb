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
		"subnet": {demo.subnet, test.subnet}, "pods": {demo.podCIDR(), test.podCIDR()}, "services": {demo.serviceCIDR, test.serviceCIDR},
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
		if len(c.hostLink()) > 15 || len((Node{c, MaxNodes}).run("s")) > 38 {
			t.Errorf("%s: %s or %s is too long", name, c.hostLink(), (Node{c, MaxNodes}).run("s"))
		}
	}
}

func TestCheckSaysWhatToDo(t *testing.T) {
	if err := Check("darwin"); err == nil || !strings.Contains(err.Error(), "CLUSTER=existing") {
		t.Errorf("got %v, want the way out", err)
	}
}

func TestNodesShareNothing(t *testing.T) {
	c, err := New("/clone", "test")
	if err != nil {
		t.Fatal(err)
	}
	a, b := Node{c, 1}, Node{c, 2}
	for what, pair := range map[string][2]string{
		"name": {a.Name(), b.Name()}, "namespace": {a.Netns(), b.Netns()}, "address": {a.IP(), b.IP()}, "pods": {a.PodCIDR(), b.PodCIDR()},
		"state": {a.state(""), b.state("")}, "run": {a.run(""), b.run("")}, "cgroup": {a.cgroup(), b.cgroup()}, "identity": {a.identity(), b.identity()},
	} {
		if pair[0] == pair[1] {
			t.Errorf("two nodes have %s %s", what, pair[0])
		}
	}
	for _, taken := range []string{c.hostIP(), c.ControlIP()} {
		for number := 1; number <= MaxNodes; number++ {
			if ip := (Node{c, number}).IP(); ip == taken {
				t.Errorf("node %d has %s, which is not a node's", number, ip)
			}
		}
	}
}

func TestUpRefusesANumberOfNodes(t *testing.T) {
	c, err := New("/clone", "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{-1, 0, MaxNodes + 1} {
		if err := c.Up(t.Context(), nil, n, nil); err == nil || !strings.Contains(err.Error(), "--nodes") {
			t.Errorf("%d nodes: %v, want what can be written instead", n, err)
		}
	}
}
