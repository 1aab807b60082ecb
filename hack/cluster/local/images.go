package local

import (
	"context"
	"fmt"
	"os"

	"github.com/coffer-dev/coffer/hack/cluster/build"
	"github.com/coffer-dev/coffer/hack/image/archive"
)

// pauseRef is the image that holds a pod's namespaces; its registry is never asked.
const pauseRef = "localhost/coffer-pause:1"

func (c *Cluster) ctr(ctx context.Context, args ...string) (string, error) {
	return output(ctx, nil, c.Programs.Path("ctr"), append([]string{"--address", c.socket(), "--namespace", "k8s.io"}, args...)...)
}

func (c *Cluster) loadPause(ctx context.Context) error {
	tar := c.state("pause.tar")
	err := archive.Write(tar, archive.Image{
		Ref:        pauseRef,
		Files:      map[string]string{"/pause": c.Programs.Path("pause")},
		Entrypoint: []string{"/pause"},
	})
	if err != nil {
		return err
	}
	_, err = c.ctr(ctx, "images", "import", tar)
	return err
}

// LoadImage puts the image of a docker-archive file on the node. Pods use it with a pull policy other than Always.
func (c *Cluster) LoadImage(ctx context.Context, programs *build.Programs, file string) error {
	c.Programs = programs
	if _, err := os.Stat(c.socket()); err != nil {
		return fmt.Errorf("cluster %s is down", c.Name)
	}
	_, err := c.ctr(ctx, "images", "import", file)
	return err
}
