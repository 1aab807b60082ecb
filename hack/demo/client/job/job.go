// Package job has the demo's client as a Kubernetes Job: an application that mounts a connection secret as files.
package job

import (
	"fmt"
	"strings"
	"time"
)

// Client is one such application.
type Client struct {
	Name, Namespace string
	Image           string
	Secret          string        // that it mounts
	Clients         int           // that work at a time
	ConnectionAge   time.Duration // after which a connection is made anew; 0 for never
	Pause           time.Duration // of each between two turns
	Queue, Role     string        // of a job queue; empty for a database
}

// Selector finds the client's pod.
func (c Client) Selector() string { return "job-name=" + c.Name }

// StopConfigMap is the name of the ConfigMap that ends the client when it appears in its other mount, with the key stop.
func (c Client) StopConfigMap() string { return c.Name + "-stop" }

// Deliver is an annotation of the pod: when it changes, the kubelet looks at the mounts at once, and not within 90 seconds.
const Deliver = "demo.coffer.dev/deliver"

// Manifest is the Job in YAML. Its pod is admitted under the restricted profile.
func (c Client) Manifest() string {
	return strings.NewReplacer("NAMESPACE", c.Namespace, "NAME", c.Name, "SECRET", c.Secret, "STOP", c.StopConfigMap(), "IMAGE", c.Image,
		"CLIENTS", fmt.Sprint(c.Clients), "AGE", c.ConnectionAge.String(), "PAUSE", c.Pause.String(), "QUEUE", c.Queue, "ROLE", c.Role).Replace(manifest)
}

const manifest = `
apiVersion: batch/v1
kind: Job
metadata: {name: NAME, namespace: NAMESPACE}
spec:
  backoffLimit: 0
  template:
    metadata: {labels: {app: NAME}}
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile: {type: RuntimeDefault}
      containers:
      - name: client
        image: "IMAGE"
        imagePullPolicy: IfNotPresent
        args: [--secret=/etc/coffer/connection, --until-file=/etc/demo/stop, --clients=CLIENTS, --connection-age=AGE, --pause=PAUSE, --queue=QUEUE, --role=ROLE]
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL]}
        volumeMounts:
        - {name: connection, mountPath: /etc/coffer/connection, readOnly: true}
        - {name: stop, mountPath: /etc/demo, readOnly: true}
      volumes:
      - name: connection
        secret: {secretName: SECRET, defaultMode: 0440}
      - name: stop
        configMap: {name: STOP, optional: true}
`
