package local

import (
	"context"
	"fmt"
	"os"
	"strings"
)

func (c *Cluster) networkName() string { return "coffer-" + c.Name }

// makeNetwork makes the node's namespace, its link to the machine, and the machine's routes to pods and services.
// The node has no default route: nothing in it can reach the world, and fails at once when it tries.
func (c *Cluster) makeNetwork(ctx context.Context) error {
	for _, cidr := range []string{c.subnet + ".0/24", c.podCIDR, c.serviceCIDR} {
		routes, err := output(ctx, nil, "ip", "-4", "route", "show", "root", cidr)
		if err != nil {
			return err
		}
		if routes = strings.TrimSpace(routes); routes != "" {
			return fmt.Errorf("this machine already has a route in %s, which cluster %s needs: %s", cidr, c.Name, routes)
		}
	}
	// A file to mount the namespace on; not /run/netns, which `ip netns add` would turn into a mount for good.
	if err := os.WriteFile(c.netns(), nil, 0o600); err != nil {
		return err
	}
	if err := command(ctx, "unshare", "--net="+c.netns(), "true"); err != nil {
		return err
	}
	machine := [][]string{
		{"ip", "link", "add", c.hostLink(), "type", "veth", "peer", "name", c.nodeLink(), "netns", c.netns()},
		{"ip", "address", "add", c.hostIP() + "/24", "dev", c.hostLink()},
		{"ip", "link", "set", c.hostLink(), "up"},
	}
	node := [][]string{
		{"ip", "address", "add", c.nodeIP() + "/24", "dev", c.nodeLink()},
		{"ip", "link", "set", c.nodeLink(), "up"},
		{"ip", "link", "set", "lo", "up"},
		// The node's own programs reach services too: the route only has to exist for the rules to be asked.
		{"ip", "route", "add", c.serviceCIDR, "dev", "lo", "src", c.nodeIP()},
		{"sysctl", "-qw", "net.ipv4.ip_forward=1"},
	}
	routes := [][]string{
		{"ip", "route", "add", c.podCIDR, "via", c.nodeIP(), "dev", c.hostLink()},
		{"ip", "route", "add", c.serviceCIDR, "via", c.nodeIP(), "dev", c.hostLink()},
	}
	for i, line := range node {
		node[i] = c.inNode(line[0], line[1:]...)
	}
	for _, line := range append(append(machine, node...), routes...) {
		if err := command(ctx, line[0], line[1:]...); err != nil {
			return err
		}
	}
	return nil
}
