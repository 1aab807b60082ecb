// Package archive writes container images as docker-archive files, without docker: one layer of files on nothing,
// the form that `ctr images import`, `docker load` and `kind load image-archive` take.
package archive

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// User and group of the processes in our images: not root, and not anybody on the node.
const User = "65532:65532"

// Image says what an image holds.
type Image struct {
	Ref        string            // repository:tag
	Files      map[string]string // absolute path in the image -> file on this machine, an executable
	Entrypoint []string          // empty when every user names the program
	Labels     map[string]string
}

// Write makes the archive at path. The same files give the same bytes.
func Write(path string, image Image) error {
	tag, err := name.NewTag(image.Ref)
	if err != nil {
		return err
	}
	content, err := layer(image.Files)
	if err != nil {
		return err
	}
	built, err := assemble(content, image)
	if err != nil {
		return fmt.Errorf("image %s: %w", image.Ref, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	// By rename, so that a reader never sees half an archive.
	tmp := fmt.Sprintf("%s.%d", path, os.Getpid())
	defer func() { _ = os.Remove(tmp) }()
	if err := tarball.WriteToFile(tmp, tag, built); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func assemble(content []byte, image Image) (v1.Image, error) {
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
	if err != nil {
		return nil, err
	}
	built, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	file, err := built.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.Architecture, file.OS = runtime.GOARCH, "linux"
	file.Config = v1.Config{Entrypoint: image.Entrypoint, User: User, WorkingDir: "/", Labels: image.Labels}
	return mutate.ConfigFile(built, file)
}

// layer is a tar of the files, in the order of their paths, with nothing in it that differs between two builds.
func layer(files map[string]string) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		data, err := os.ReadFile(files[path])
		if err != nil {
			return nil, err
		}
		header := &tar.Header{Name: path[1:], Typeflag: tar.TypeReg, Mode: 0o555, Size: int64(len(data)), ModTime: time.Unix(0, 0)}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
