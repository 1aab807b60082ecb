package local

import (
	"context"
	"fmt"

	"github.com/coffer-dev/coffer/hack/cluster/build"
	"github.com/coffer-dev/coffer/hack/image/archive"
)

// pauseRef is the image that holds a pod's namespaces; its registry is never asked.
const pauseRef = "localhost/coffer-pause:1"

func (n Node) ctr(ctx context.Context, args ...string) (string, error) {
	return output(ctx, nil, n.Programs.Path("ctr"), append([]string{"--address", n.socket(), "--namespace", "k8s.io"}, args...)...)
}

func (n Node) loadPause(ctx context.Context) error {
	tar := n.state("pause.tar")
	err := archive.Write(tar, archive.Image{
		Ref:        pauseRef,
		Files:      map[string]string{"/pause": n.Programs.Path("pause")},
		Entrypoint: []string{"/pause"},
	})
	if err != nil {
		return err
	}
	_, err = n.ctr(ctx, "images", "import", tar)
	return err
}

// LoadImage puts the image of a docker-archive file on every node. Pods use it with a pull policy other than Always.
func (c *Cluster) LoadImage(ctx context.Context, programs *build.Programs, file string) error {
	c.Programs = programs
	if !c.Left() {
		return fmt.Errorf("cluster %s is down", c.Name)
	}
	for _, n := range c.Nodes() {
		if _, err := n.ctr(ctx, "images", "import", file); err != nil {
			return err
		}
	}
	return nil
}
