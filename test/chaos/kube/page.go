package kube

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const page = `# Reliability

What %[1]s did to a database and a queue of three members each, and what clients saw of it. Written by the run itself on %[2]s: three nodes on one machine of %[3]d processors, seed %[4]d, %[5]s.

Everything that was acknowledged is looked for, and every answer must be explainable by one database that lost nothing and showed nothing stale.

%[6]s
## How long nothing was acknowledged

For each fault, the longest time between two acknowledgements from its beginning until all members were back, over all clients together.

%[7]s
%[10]s Clients of the queue find out that a member has gone without a word by asking it every three seconds, and waiting five; those of the database here wait two seconds for an answer.

![Pauses by kind of fault](%[9]spauses.svg)

![Writes and jobs per second](%[9]srates.svg)

## What happened

%[8]s`

const whatHappens = `| name | what it is |
| :-- | :-- |
| killed, leader killed | ` + "`kill -9`" + ` of the engine |
| stopped for a while | SIGSTOP for 0.1 to 10 s |
| leader alone, follower alone, all nodes apart | nothing goes from these nodes to others or comes, for 2 to 14 s; in half of the cases their kubelets lose the control plane too |
| leader unheard, leader deaf | the same, one way |
| slow disk | the volume takes no write and no sync, for 0.05 to 3 s again and again |
| full disk | the volume has no space for 1 to 10 s |
| pod deleted | with a grace of 30 s, or none |
| node drained | ` + "`kubectl drain`, `uncordon`" + ` |
| volume lost | claim and pod deleted |
| scaled to 5 and back | ` + "`spec.replicas`" + ` |
| rolling restart, switchover, password rotated, certificate renewed | their annotations; the password before is revoked after 3 s |
| operator killed | with its pod |
`

// Write leaves the page, and its drawings beside it, named by the command that
// made them.
func (r *Report) Write(dir, file, prefix, command string, processors int) error {
	text := fmt.Sprintf(page, "`"+command+"`", r.Ended.UTC().Format(time.DateOnly), processors, r.Options.Seed,
		r.Ended.Sub(r.Begun).Round(time.Second), r.results(), r.table(), whatHappens, prefix, r.longest())
	err := os.MkdirAll(dir, 0o755)
	for name, data := range map[string]string{file: text, prefix + "pauses.svg": r.Pauses(), prefix + "rates.svg": r.Rates()} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644))
	}
	return err
}
