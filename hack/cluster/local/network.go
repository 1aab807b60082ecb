package local

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
)

func (c *Cluster) networkName() string { return "coffer-" + c.Name }

// namespaces are the files that the cluster's network namespaces are mounted on: not in /run/netns, which `ip netns
// add` would turn into a mount for good.
func (c *Cluster) namespaces() []string {
	files := []string{c.netns()}
	for _, n := range c.Nodes() {
		files = append(files, n.Netns())
	}
	return files
}

// makeNetwork makes the namespaces, a bridge in the control plane's, and links from it to the machine and to each
// node. Routes to pods and services are everywhere, but no node has a default route: nothing in it can reach the
// world, and fails at once when it tries.
func (c *Cluster) makeNetwork(ctx context.Context) error {
	if err := c.checkRoutes(ctx); err != nil {
		return err
	}
	for _, file := range c.namespaces() {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			return err
		}
		if err := command(ctx, "unshare", "--net="+file, "true"); err != nil {
			return err
		}
	}
	lines := c.controlNetwork()
	for _, n := range c.Nodes() {
		lines = append(lines, n.network()...)
	}
	for _, line := range lines {
		if err := command(ctx, line[0], line[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// checkRoutes refuses addresses that the machine uses already.
func (c *Cluster) checkRoutes(ctx context.Context) error {
	for _, cidr := range []string{c.subnet + ".0/24", c.podCIDR(), c.serviceCIDR} {
		routes, err := output(ctx, nil, "ip", "-4", "route", "show", "root", cidr)
		if err != nil {
			return err
		}
		if routes = strings.TrimSpace(routes); routes != "" {
			return fmt.Errorf("this machine already has a route in %s, which cluster %s needs: %s", cidr, c.Name, routes)
		}
	}
	return nil
}

func (c *Cluster) controlNetwork() [][]string {
	first := c.Nodes()[0]
	lines := [][]string{
		{"ip", "link", "add", c.hostLink(), "type", "veth", "peer", "name", "machine", "netns", c.netns()},
		{"ip", "address", "add", c.hostIP() + "/24", "dev", c.hostLink()},
		{"ip", "link", "set", c.hostLink(), "up"},
		{"ip", "route", "add", c.serviceCIDR, "via", first.IP(), "dev", c.hostLink()},
		within(c.netns(), "ip", "link", "set", "lo", "up"),
		within(c.netns(), "ip", "link", "add", "nodes", "type", "bridge"),
		within(c.netns(), "ip", "address", "add", c.ControlIP()+"/24", "dev", "nodes"),
		within(c.netns(), "ip", "link", "set", "nodes", "up"),
		within(c.netns(), "ip", "link", "set", "machine", "master", "nodes", "up"),
	}
	for _, n := range c.Nodes() {
		lines = append(lines,
			[]string{"ip", "route", "add", n.PodCIDR(), "via", n.IP(), "dev", c.hostLink()},
			within(c.netns(), "ip", "route", "add", n.PodCIDR(), "via", n.IP()))
	}
	return lines
}

func (n Node) network() [][]string {
	port := "node" + strconv.Itoa(n.number)
	lines := [][]string{
		within(n.netns(), "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", n.Netns()),
		within(n.netns(), "ip", "link", "set", port, "master", "nodes", "up"),
		within(n.Netns(), "ip", "address", "add", n.IP()+"/24", "dev", "eth0"),
		within(n.Netns(), "ip", "link", "set", "eth0", "up"),
		within(n.Netns(), "ip", "link", "set", "lo", "up"),
		// The node's own programs reach services too: the route only has to exist for the rules to be asked.
		within(n.Netns(), "ip", "route", "add", n.serviceCIDR, "dev", "lo", "src", n.IP()),
		within(n.Netns(), "sysctl", "-qw", "net.ipv4.ip_forward=1"),
	}
	for _, other := range n.Nodes() {
		if other.number != n.number {
			lines = append(lines, within(n.Netns(), "ip", "route", "add", other.PodCIDR(), "via", other.IP()))
		}
	}
	return lines
}
