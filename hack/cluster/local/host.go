package local

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// hostSettings are kernel settings that kubelet changes for the whole machine; the values found before the first
// cluster started are put back when the last one is gone.
var hostSettings = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

// strayDirs are directories that programs make whatever they are told; those that did not exist are removed again.
var strayDirs = []string{
	"/var/lib/cni/results", "/var/lib/cni/cache", "/var/lib/cni", "/var/log/containers", "/var/log/pods",
	"/run/containerd/s", "/run/containerd", "/run/runc", "/opt/containerd/lib", "/opt/containerd/bin", "/opt/containerd",
	"/var/lib/kubelet/device-plugins", "/var/lib/kubelet", "/run/netns", "/etc/cni/net.d", "/etc/cni",
	"/usr/libexec/kubernetes/kubelet-plugins/volume/exec", "/usr/libexec/kubernetes/kubelet-plugins/volume",
	"/usr/libexec/kubernetes/kubelet-plugins", "/usr/libexec/kubernetes",
}

// strayFiles are files that stay behind in those directories; removed if the directory was not there before.
var strayFiles = []string{
	"/var/lib/kubelet/device-plugins/kubelet.sock", "/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
	"/var/lib/cni/results/cni-loopback-*",
}

type hostRecord struct {
	Settings map[string]string
	Dirs     []string // that did not exist
}

func hostFile() string { return filepath.Join(base, "host.json") }

// rememberHost records what the machine was like, unless a running cluster's start did.
func rememberHost() error {
	if _, err := os.Stat(hostFile()); err == nil {
		return nil
	}
	record := hostRecord{Settings: map[string]string{}}
	for _, name := range hostSettings {
		if data, err := os.ReadFile("/proc/sys/" + name); err == nil {
			record.Settings[name] = strings.TrimSpace(string(data))
		}
	}
	for _, dir := range strayDirs {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			record.Dirs = append(record.Dirs, dir)
		}
	}
	data, err := json.Marshal(record)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return err
	}
	return os.WriteFile(hostFile(), data, 0o600)
}

// restoreHost undoes what rememberHost recorded, if no other cluster is left.
func restoreHost() error {
	data, err := os.ReadFile(hostFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if entries, err := os.ReadDir(base); err != nil || len(entries) > 1 {
		return err
	}
	var record hostRecord
	if err := json.Unmarshal(data, &record); err != nil {
		return err
	}
	var errs []error
	for name, value := range record.Settings {
		errs = append(errs, os.WriteFile("/proc/sys/"+name, []byte(value), 0o600))
	}
	for _, pattern := range strayFiles {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			if slices.Contains(record.Dirs, filepath.Dir(file)) {
				errs = append(errs, os.Remove(file))
			}
		}
	}
	for _, dir := range record.Dirs {
		// Not empty or not there: then it is somebody else's, or nobody's.
		_ = os.Remove(dir)
	}
	return errors.Join(append(errs, os.RemoveAll(base))...)
}
