// Package images knows which images the project has and builds them from the clone's source.
package images

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/coffer-dev/coffer/hack/image/archive"
)

// Names of the images when nobody asks for others.
const (
	Coffer     = "coffer:dev"
	DemoClient = "coffer-demo-client:dev"
)

// programs maps a path in an image to the package that is built for it.
type programs map[string]string

// BuildCoffer makes dist/coffer.tar, with operator and engine: one image, so that their versions cannot drift
// apart. Users name the program they want. It returns the file.
func BuildCoffer(ctx context.Context, root, ref string) (string, error) {
	return build(ctx, root, "coffer.tar", archive.Image{Ref: ref},
		programs{"/coffer": ".", "/coffer-engine": "./engine"})
}

// BuildDemoClient makes dist/coffer-demo-client.tar and returns the file.
func BuildDemoClient(ctx context.Context, root, ref string) (string, error) {
	return build(ctx, root, "coffer-demo-client.tar", archive.Image{Ref: ref, Entrypoint: []string{"/client"}},
		programs{"/client": "./hack/demo/client"})
}

func build(ctx context.Context, root, file string, image archive.Image, packages programs) (string, error) {
	dir, err := os.MkdirTemp("", "coffer-image-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	image.Files = map[string]string{}
	for path, pkg := range packages {
		output := filepath.Join(dir, filepath.Base(path))
		if err := compile(ctx, root, output, pkg, tag(image.Ref)); err != nil {
			return "", err
		}
		image.Files[path] = output
	}
	archiveFile := filepath.Join(root, "dist", file)
	return archiveFile, archive.Write(archiveFile, image)
}

// tag is what comes after the last colon of an image's name, which a port of
// its registry does not.
func tag(ref string) string {
	name := ref[strings.LastIndex(ref, "/")+1:]
	_, tag, _ := strings.Cut(name, ":")
	return tag
}

// compile builds a static program that tells its version and not where it was
// built.
func compile(ctx context.Context, root, output, pkg, version string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -X github.com/coffer-dev/coffer/engine/version.linked="+version, "-o", output, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	var messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &messages, &messages
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, messages.Bytes())
	}
	return nil
}
