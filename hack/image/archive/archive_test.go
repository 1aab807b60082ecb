package archive

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestWriteIsReproducibleAndReadable(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("#!"), 0o600); err != nil {
		t.Fatal(err)
	}
	image := Image{Ref: "coffer:test", Files: map[string]string{"/b": program, "/a": program}, Entrypoint: []string{"/a"}}
	var archives [2][]byte
	for i := range archives {
		path := filepath.Join(dir, "dist", "image.tar")
		if err := Write(path, image); err != nil {
			t.Fatal(err)
		}
		archives[i], _ = os.ReadFile(path)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("the same files gave two different archives")
	}
	tag, err := name.NewTag(image.Ref)
	if err != nil {
		t.Fatal(err)
	}
	read, err := tarball.ImageFromPath(filepath.Join(dir, "dist", "image.tar"), &tag)
	if err != nil {
		t.Fatal(err)
	}
	config, err := read.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != User || config.Config.Entrypoint[0] != "/a" || config.OS != "linux" {
		t.Errorf("config %+v, want user %s, entrypoint /a, linux", config.Config, User)
	}
}

func TestWriteRefusesWhatIsNoTagOrNoFile(t *testing.T) {
	for _, image := range []Image{{Ref: "no spaces:here"}, {Ref: "coffer:test", Files: map[string]string{"/a": "/does/not/exist"}}} {
		path := filepath.Join(t.TempDir(), "image.tar")
		if err := Write(path, image); err == nil {
			t.Errorf("%+v: want an error", image)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%+v: a file was left", image)
		}
	}
}
