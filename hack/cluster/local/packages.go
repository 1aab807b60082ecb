package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// debianPackages are what the cluster takes from the distribution, and how to see that it is there.
var debianPackages = []struct{ name, probe string }{
	{"runc", "runc"},
	{"containernetworking-plugins", "/usr/lib/cni/ptp"},
	{"iptables", "iptables"},
	{"conntrack", "conntrack"},
	{"ipset", "ipset"},
	{"iproute2", "ip"},
	{"procps", "sysctl"},
	{"util-linux", "nsenter"},
	{"mount", "losetup"},
	{"e2fsprogs", "mkfs.ext4"},
	{"etcd-server", "etcd"},
}

// MissingPackages names the Debian packages that have to be installed.
func MissingPackages() []string {
	var missing []string
	for _, p := range debianPackages {
		if _, err := exec.LookPath(p.probe); err != nil {
			missing = append(missing, p.name)
		}
	}
	return missing
}

// servicePolicy is asked by Debian's packages before they start a service on installation.
const servicePolicy = "/usr/sbin/policy-rc.d"

// InstallPackages installs the packages. Services they bring (etcd's) are not started: the cluster runs its own.
func InstallPackages(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("this is not Debian (there is no apt-get): install what these packages hold: %s", strings.Join(names, " "))
	}
	if _, err := os.Stat(servicePolicy); os.IsNotExist(err) {
		if err := os.WriteFile(servicePolicy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
			return err
		}
		defer func() { _ = os.Remove(servicePolicy) }()
	}
	if err := command(ctx, "apt-get", "-q", "update"); err != nil {
		return err
	}
	args := []string{"DEBIAN_FRONTEND=noninteractive", "apt-get", "-qy", "install", "--no-install-recommends"}
	return command(ctx, "env", append(args, names...)...)
}
