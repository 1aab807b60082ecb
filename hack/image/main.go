// Command image builds the project's container images as docker-archive files in dist/, without docker:
// coffer.tar, with both programs, and coffer-demo-client.tar, with the client of the demo.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/coffer-dev/coffer/hack/cluster/clone"
	"github.com/coffer-dev/coffer/hack/cluster/progress"
	"github.com/coffer-dev/coffer/hack/image/images"
)

func main() {
	ref := flag.String("ref", cmp.Or(os.Getenv("IMAGE"), images.Coffer), "name of the image with both programs")
	client := flag.String("client-ref", cmp.Or(os.Getenv("CLIENT_IMAGE"), images.DemoClient), "name of the demo client's image")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *ref, *client)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, ref, client string) error {
	root, err := clone.Root()
	if err != nil {
		return err
	}
	out := &progress.Printer{Out: os.Stdout}
	for _, image := range []struct {
		ref   string
		build func(context.Context, string, string) (string, error)
	}{{ref, images.BuildCoffer}, {client, images.BuildDemoClient}} {
		err := out.Run("image "+image.ref, func(s *progress.Step) error {
			file, err := image.build(ctx, root, image.ref)
			if err == nil {
				s.Result("%s", filepath.Join("dist", filepath.Base(file)))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
