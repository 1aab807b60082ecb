package build

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/coffer-dev/coffer/hack/cluster/progress"
)

// Programs finds a built program, or other content of a component's cache entry, by name.
type Programs struct {
	paths   map[string]string // program -> file
	entries map[string]string // component -> cache entry
}

// Path of a program, for example kubectl.
func (p *Programs) Path(program string) string { return p.paths[program] }

// Dir is the cache entry of a component, for example certmanager.
func (p *Programs) Dir(component string) string { return p.entries[component] }

// Dirs lists the directories that hold programs, for a PATH.
func (p *Programs) Dirs() []string {
	var dirs []string
	for _, c := range components {
		dirs = append(dirs, p.entries[c.name])
	}
	return dirs
}

// Missing names the programs that a call of All would have to build.
func Missing(root string) ([]string, error) {
	goVersion, err := goVersion()
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, c := range components {
		entry, _, err := c.entry(root, goVersion)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(entry); err != nil {
			missing = append(missing, c.programNames()...)
		}
	}
	return missing, nil
}

// All builds what the cache lacks, reporting on out, and links every program into .cluster/bin of the clone at root.
func All(ctx context.Context, root string, out *progress.Printer) (*Programs, error) {
	goVersion, err := goVersion()
	if err != nil {
		return nil, err
	}
	found := &Programs{paths: map[string]string{}, entries: map[string]string{}}
	for _, c := range components {
		entry, version, err := c.entry(root, goVersion)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(entry); errors.Is(err, os.ErrNotExist) {
			err = c.build(ctx, root, entry, version, out)
			if err != nil {
				return nil, fmt.Errorf("building %s %s: %w", c.name, version, err)
			}
		} else if err != nil {
			return nil, err
		}
		found.entries[c.name] = entry
		for _, name := range c.programNames() {
			found.paths[name] = filepath.Join(entry, name)
		}
	}
	return found, found.link(filepath.Join(root, ".cluster", "bin"))
}

// link makes dir a directory of symbolic links to all programs, etcd among them: what envtest calls its assets.
func (p *Programs) link(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	targets := map[string]string{}
	for name, path := range p.paths {
		targets[name] = path
	}
	if etcd, err := exec.LookPath("etcd"); err == nil {
		targets["etcd"] = etcd
	}
	for name, target := range targets {
		file := filepath.Join(dir, name)
		if now, err := os.Readlink(file); err == nil && now == target {
			continue
		}
		// By rename: another command may be looking at the link.
		fresh := fmt.Sprintf("%s.%d", file, os.Getpid())
		if err := os.Symlink(target, fresh); err != nil {
			return err
		}
		if err := os.Rename(fresh, file); err != nil {
			return err
		}
	}
	return nil
}

// entry is the component's place in the cache.
func (c component) entry(root, goVersion string) (path, version string, err error) {
	dir := filepath.Join(root, "hack", "cluster", "components", c.name)
	if version, err = c.version(dir); err != nil {
		return "", "", err
	}
	recipe, err := c.recipe(dir)
	if err != nil {
		return "", "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", "", fmt.Errorf("no cache directory: set HOME or XDG_CACHE_HOME: %w", err)
	}
	return filepath.Join(cache, "coffer", strings.Join([]string{c.name, version, goVersion, recipe}, "-")), version, nil
}

// build fills a temporary directory beside the entry and renames it there: an entry that exists is complete.
func (c component) build(ctx context.Context, root, entry, version string, out *progress.Printer) error {
	if err := os.MkdirAll(filepath.Dir(entry), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(entry), ".building-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	dir := filepath.Join(root, "hack", "cluster", "components", c.name)
	for _, name := range c.programNames() {
		err := out.Run("building "+name+" "+version, func(s *progress.Step) error {
			return c.compile(ctx, dir, filepath.Join(tmp, name), c.programs[name], version, s)
		})
		if err != nil {
			return err
		}
	}
	for from, to := range c.copyTree {
		module, err := goOutput(ctx, dir, "list", "-m", "-f", "{{.Dir}}", c.module)
		if err != nil {
			return err
		}
		if err := os.CopyFS(filepath.Join(tmp, to), os.DirFS(filepath.Join(module, from))); err != nil {
			return err
		}
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := os.Rename(tmp, entry); err != nil {
		// Another clone was faster: its entry is as good.
		if _, there := os.Stat(entry); there == nil {
			return nil
		}
		return err
	}
	return nil
}

// compile runs go build and turns its list of compiled packages into progress.
func (c component) compile(ctx context.Context, dir, output, pkg, version string, s *progress.Step) error {
	s.Note("downloading modules")
	list, err := goOutput(ctx, dir, "list", "-deps", "-tags", c.tags, pkg)
	if err != nil {
		return err
	}
	total := strings.Count(list, "\n") + 1
	flags := "-s -w"
	if c.ldflags != nil {
		flags += " " + c.ldflags(version)
	}
	cmd := goCommand(ctx, dir, "build", "-v", "-trimpath", "-buildvcs=false", "-tags", c.tags, "-ldflags", flags, "-o", output, pkg)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	messages := follow(stderr, total, s)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w\n%s", err, messages)
	}
	return nil
}

// follow counts the packages that go build -v names and keeps the other lines, which tell what went wrong.
func follow(stderr io.Reader, total int, s *progress.Step) string {
	var messages bytes.Buffer
	compiled := 0
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "go: downloading"):
			s.Note("%s", strings.TrimPrefix(line, "go: "))
		case strings.ContainsAny(line, " :"):
			messages.WriteString(line + "\n")
		default:
			compiled++
			s.Note("%s %d/%d packages", bar(compiled, total), compiled, total)
		}
	}
	return messages.String()
}

func bar(done, total int) string {
	const cells = 11
	full := min(cells, done*cells/max(total, 1))
	return strings.Repeat("█", full) + strings.Repeat("░", cells-full)
}

// goCommand is the go command in a component's directory, for a static binary and without what the surroundings
// may have set for the product's own build.
func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	return cmd
}

func goOutput(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := goCommand(ctx, dir, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

func goVersion() (string, error) {
	out, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		return "", fmt.Errorf("the go command does not run: install Go as README.md says: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
