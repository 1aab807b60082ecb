package disk

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// inNamespace says that the process has mounts of its own.
const inNamespace = "COFFER_DISK_NAMESPACE"

// TestMain runs the tests in a mount namespace of their own: however they end,
// the kernel unmounts with it, and a loop device goes with its mount.
func TestMain(m *testing.M) {
	if os.Getenv(engineDir) != "" {
		serve()
		return
	}
	if os.Getenv(inNamespace) == "" {
		os.Exit(again())
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		fmt.Fprintln(os.Stderr, "test/disk: make the mounts private:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// again runs this program in its namespace.
func again() int {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "test/disk cannot run: it mounts file systems and needs root: sudo make test-disk")
		return 1
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "test/disk:", err)
		return 1
	}
	return 0
}

// kind is a file system to fill. XFS cannot be made as small as ext4.
type kind struct {
	name string
	size int64 // of the device, bytes
	make []string
}

// kinds are ext4 and, where it can be made, XFS.
func kinds(t *testing.T) []kind {
	t.Helper()
	all := []kind{{"ext4", 24 << 20, []string{"mkfs.ext4", "-q", "-F", "-m", "0"}}}
	if _, err := exec.LookPath("mkfs.xfs"); err == nil {
		return append(all, kind{"xfs", 304 << 20, []string{"mkfs.xfs", "-q", "-f"}})
	}
	t.Log("no mkfs.xfs here: ext4 only")
	return all
}

// each runs a test on every kind.
func each(t *testing.T, test func(t *testing.T, v *volume)) {
	for _, k := range kinds(t) {
		t.Run(k.name, func(t *testing.T) { test(t, newVolume(t, k)) })
	}
}

// volume is a mounted file system.
type volume struct {
	t   *testing.T
	dir string
}

func newVolume(t *testing.T, k kind) *volume {
	t.Helper()
	base := t.TempDir()
	image, dir := filepath.Join(base, "image"), filepath.Join(base, "mount")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, k.size); err != nil {
		t.Fatal(err)
	}
	shell(t, k.make[0], append(k.make[1:], image)...)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	shell(t, "mount", "-o", "loop", "-t", k.name, image, dir)
	t.Cleanup(func() { shell(t, "umount", dir) })
	return &volume{t, dir}
}

func shell(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// data is the engine's directory.
func (v *volume) data() string { return filepath.Join(v.dir, "data") }

// available is how many bytes can be written.
func (v *volume) available() int64 {
	v.t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(v.dir, &s); err != nil {
		v.t.Fatal(err)
	}
	return int64(s.Bavail) * s.Bsize
}

// leave takes space until so many bytes are left.
func (v *volume) leave(bytes int64) {
	v.t.Helper()
	f, err := os.Create(v.ballast())
	if err != nil {
		v.t.Fatal(err)
	}
	defer f.Close()
	size := v.available() - bytes
	if size <= 0 {
		v.t.Fatalf("%d bytes are available, %d are to be left", v.available(), bytes)
	}
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, size); err != nil {
		v.t.Fatalf("take %d bytes: %v", size, err)
	}
}

// free gives the space back.
func (v *volume) free() {
	v.t.Helper()
	if err := os.Remove(v.ballast()); err != nil {
		v.t.Fatal(err)
	}
}

func (v *volume) ballast() string { return filepath.Join(v.dir, "ballast") }
