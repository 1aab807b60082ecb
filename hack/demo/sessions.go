package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/engine/client"
)

// waitSessionsGone returns when no session of the member is on a password older than the generation. It asks the
// member itself, with the operator's certificate, through the API server: ending an overlap earlier would cut
// sessions off.
func (d *demo) waitSessionsGone(ctx context.Context, generation int64) error {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	address, err := d.forward(ctx, "pod/"+database+"-0", "9443")
	if err != nil {
		return err
	}
	options, err := d.operatorIdentity(ctx)
	if err != nil {
		return err
	}
	options.Address = address
	member := client.New(options)
	defer member.Close()
	for none := 0; ; {
		status, _, err := member.Status(ctx)
		var old int64
		for _, user := range status.Credentials.Users {
			for _, g := range user.Generations {
				if g.Number < generation {
					old += g.Sessions
				}
			}
		}
		if none++; err != nil || old > 0 {
			none = 0
		}
		if none == settled {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d sessions are still on the old password after %s: %w", old, stepLimit, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// operatorIdentity is what the member's admin port wants to see: the operator's certificate.
func (d *demo) operatorIdentity(ctx context.Context) (client.Options, error) {
	text, err := d.kube(ctx, "--namespace", namespace, "get", "secret", database+"-operator-tls", "--output=json")
	if err != nil {
		return client.Options{}, err
	}
	var secret corev1.Secret
	if err := json.Unmarshal([]byte(text), &secret); err != nil {
		return client.Options{}, err
	}
	pair, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
	if err != nil {
		return client.Options{}, fmt.Errorf("secret %s-operator-tls: %w", database, err)
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(secret.Data["ca.crt"])
	return client.Options{Certificate: pair, Authorities: authorities,
		ServerName: fmt.Sprintf("%[1]s-0.%[1]s-members.%[2]s.svc", database, namespace)}, nil
}

// settled is how many looks in a row must find no session on the old password: a connection that is just being made
// has read the old secret, and shows only once it has logged in.
const settled = 3

var forwarding = regexp.MustCompile(`Forwarding from (127\.0\.0\.1:\d+) `)

// forward makes a port of a pod reachable until the context ends, and returns the address.
func (d *demo) forward(ctx context.Context, pod, port string) (address string, err error) {
	cmd := exec.CommandContext(ctx, d.kubectl, "--namespace", namespace, "port-forward", pod, ":"+port)
	cmd.Env = append(os.Environ(), d.env()...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if found := forwarding.FindStringSubmatch(lines.Text()); found != nil {
			go func() {
				for lines.Scan() {
				}
				_ = cmd.Wait()
			}()
			return found[1], nil
		}
	}
	return "", fmt.Errorf("kubectl port-forward %s ended: %w", pod, cmd.Wait())
}
