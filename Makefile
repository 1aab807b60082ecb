# Coffer's two commands are `make demo` and `make test`; the rest are their parts.
SHELL := /bin/bash
.DEFAULT_GOAL := help
GO ?= go
TOOL := $(GO) tool -modfile=hack/tools/go.mod
# What failed stands once more at the end, where it is found without scrolling.
GOTEST := $(TOOL) gotestsum --format pkgname --format-hide-empty-pkg --
CLUSTER_CLI := $(GO) -C hack/cluster run .
export GOFLAGS := -buildvcs=false
GINKGO_TIMEOUT ?= 30m

##@ Main
.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*##"; printf "Usage: make <target>\n"} \
		/^[a-zA-Z0-9_-]+:.*?##/ {printf "  \033[36m%-18s\033[0m %s\n", $$1, $$2} \
		/^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## A local Kubernetes, the operator in it, a database, a client, two rotations under load (root)
	@hack/preflight demo
	@$(GO) run ./hack/demo up

.PHONY: demo-down
demo-down: ## Remove all that `make demo` started: processes, mounts, namespace, interfaces, rules
	@hack/preflight demo
	@$(GO) run ./hack/demo down

.PHONY: test
test: assets test-unit test-disk test-integration test-conformance test-e2e ## Every layer; leaves nothing running

##@ Test layers
.PHONY: test-unit
test-unit: ## Packages on their own, with the race detector; the event loop on both pollers
	@hack/preflight unit
	$(GOTEST) -race $$($(GO) list ./... | grep -v -e /test/integration -e /test/e2e -e /test/conformance -e /test/disk)
	$(GOTEST) -race -tags portable ./engine/server
	$(GO) -C test/policy test ./...

.PHONY: test-disk
test-disk: ## Real small file systems that fill up: refused, read on, healed, nothing lost (root)
	@hack/preflight disk
	$(GOTEST) -count=1 -timeout 5m ./test/disk

.PHONY: test-integration
test-integration: assets ## API rules and controllers against a real kube-apiserver and etcd
	KUBEBUILDER_ASSETS=$(CURDIR)/.cluster/bin $(GOTEST) -race -parallel 6 -timeout 25m ./test/integration/...

# The differential's engine is a process of its own, which the detector does not see,
# but for that of one test.
.PHONY: test-conformance
test-conformance: ## The engine beside redis-server, under redis-cli, redis-benchmark and ioredis
	@hack/preflight conformance
	$(GOTEST) -race -timeout 25m $$($(GO) list ./test/conformance/... | grep -v /differential)
	$(GOTEST) -timeout 25m ./test/conformance/differential
	$(GOTEST) -race -timeout 25m -run '^TestReplica$$' ./test/conformance/differential

.PHONY: test-e2e
test-e2e: assets ## The product on a real local cluster, installed by its chart (root)
	@hack/preflight e2e
	@hack/e2e

.PHONY: test-determinism
test-determinism: ## Machines that are fed one log agree, jobs do as their model: COMMANDS=1000000 SEED=...; make test has the short form
	COFFER_QUEUE_STEPS=$(or $(COMMANDS),1000000) COFFER_QUEUE_SEED=$(SEED) \
		$(GO) test -v -count=1 -timeout 60m -run TestModel ./engine/queue
	COFFER_DETERMINISM_COMMANDS=$(or $(COMMANDS),1000000) COFFER_DETERMINISM_SEED=$(SEED) \
		$(GO) test -v -count=1 -timeout 60m -run Agree ./test/determinism

.PHONY: test-long
test-long: test-determinism ## COMMANDS=1000000 (50000 at least) random ones beside redis-server too, from SEED on; make test has 150000
	@hack/preflight conformance
	$(GO) test -v -count=1 -timeout 4h -run TestRandomCommands ./test/conformance/differential \
		-args -random-commands $(or $(COMMANDS),1000000) -random-seed $(or $(SEED),1)

.PHONY: fuzz
fuzz: ## Each fuzz target for FUZZTIME=10m, one after the other: ONLY=regexp by package and name, PARALLEL=workers
	@grep -rno --include='*_test.go' 'func Fuzz[A-Za-z]*' engine | sed -E 's|/[^/]*:[0-9]+:func | |' | sort -u | grep -E '$(or $(ONLY),.)' | while read -r package target; do \
		echo "$$package $$target"; \
		$(GO) test ./$$package -run '^$$' -fuzz "^$$target$$" -fuzztime $(or $(FUZZTIME),10m) $(if $(PARALLEL),-parallel $(PARALLEL)) || exit 1; \
	done

.PHONY: mutation
mutation: ## Take out each safeguard and see the test that goes red: ONLY=regexp PARALLEL=2 REPORT=file
	@$(GO) run ./test/mutation --only '$(ONLY)' --parallel $(or $(PARALLEL),2) --report '$(REPORT)'

.PHONY: sim
sim: ## Groups of members in virtual time, seed after seed: DURATION=1h SEED=1; prints what replays a failing one
	@$(GO) run ./test/sim/run --duration $(or $(DURATION),1m) --seed $(or $(SEED),1)

.PHONY: crash-jobs
crash-jobs: ## The engine is killed every 2 s under 20 workers, for DURATION=2m and until JOBS=100000 are through; nothing is lost, nothing runs again
	@$(GO) test ./engine/jobserver -run TestCrashLoop -v -timeout 1h -args -crash-for $(or $(DURATION),2m) -crash-every 2s -crash-workers 20 -crash-jobs $(or $(JOBS),100000)

.PHONY: chaos
chaos: assets ## Everything that can happen to a database and a queue of three on three nodes: DURATION=10m SEED=... REPORT=docs/reliability (root)
	@hack/preflight chaos
	@NODES=3 hack/on-cluster $(GO) run ./test/chaos/run --duration $(or $(DURATION),10m) --seed $(or $(SEED),0) --report '$(REPORT)'

.PHONY: chaos-rollover
chaos-rollover: assets ## Leaders' pods deleted, the image rolled, nodes drained, under 50 clients: SEED=... REPORT=docs/reliability (root)
	@hack/preflight chaos
	@NODES=3 hack/on-cluster $(GO) run ./test/chaos/run --scenario rollover --seed $(or $(SEED),0) --report '$(REPORT)'

.PHONY: chaos-local
chaos-local: ## Three members without a cluster: killed, paused, all without power at once, volumes lost: DURATION=5m SEED=... EVERY_SECOND=true
	@$(GO) test ./test/chaos -run TestChaos -v -timeout 0 -args -chaos-for $(or $(DURATION),5m) -chaos-seed $(or $(SEED),0) -chaos-every-second=$(or $(EVERY_SECOND),false)

.PHONY: storm
storm: assets ## Everything rotates under 50 clients while the operator is killed: DURATION=10m SEED=... (root)
	@hack/preflight storm
	@hack/on-cluster $(GO) run ./test/storm/run --duration $(or $(DURATION),10m) --seed $(or $(SEED),0)

##@ Build
.PHONY: build
build: ## Both programs into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/coffer .
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/coffer-engine ./engine

.PHONY: image
image: ## Image archives into dist/ (no docker needed)
	$(GO) run ./hack/image

.PHONY: assets
assets: ## The local cluster's programs, built from pinned modules into the user's cache (long the first time)
	@hack/preflight cluster
	@$(CLUSTER_CLI) build

##@ Keep
.PHONY: generate
generate: ## Deep copies, CRDs, RBAC, the chart's copies of them
	$(TOOL) controller-gen object:headerFile=hack/boilerplate.go.txt paths=./api/...
	$(TOOL) controller-gen crd paths=./api/... output:crd:artifacts:config=config/crd/bases
	$(TOOL) controller-gen rbac:roleName=coffer-operator paths=./controllers/... output:rbac:artifacts:config=config/rbac
	$(GO) run ./hack/chart

.PHONY: lint
lint: ## golangci-lint, pinned in hack/tools
	$(TOOL) golangci-lint run ./...

.PHONY: verify
verify: generate lint ## Regenerate, lint, check formatting and modules; the tree must be unchanged by it
	@hack/verify

.PHONY: bench-wal
bench-wal: ## The log beside etcd's own WAL package, taking turns in one run
	$(GO) run ./test/bench/wal

.PHONY: bench-durability
bench-durability: ## Durable writes, space and restarts beside redis-server, taking turns: OUT=docs/benchmarks/durability.md
	$(GO) run ./test/bench/durability -out $(or $(OUT),docs/benchmarks/durability.md)

.PHONY: bench-kv
bench-kv: ## Commands, connections, memory and job libraries beside redis-server, taking turns: OUT=docs/benchmarks/kv.md
	@hack/preflight bench-kv
	$(GO) run ./test/bench/kv -out $(or $(OUT),docs/benchmarks/kv.md)

.PHONY: bench-security
bench-security: ## What strangers and the audit log cost users, and what login times tell, taking turns: OUT=docs/benchmarks/security.md
	$(GO) run ./test/bench/security -out $(or $(OUT),docs/benchmarks/security.md)

.PHONY: bench-queue
bench-queue: ## Jobs beside BullMQ, asynq, JetStream and beanstalkd, taking turns: OUT=docs/benchmarks/queue.md
	@hack/preflight bench-queue
	$(GO) run ./test/bench/queue -out $(or $(OUT),docs/benchmarks/queue.md)

.PHONY: bench-replicated
bench-replicated: ## Three members beside redis-server with replicas and etcd, taking turns; pauses when leaders change: OUT=docs/benchmarks/replicated.md
	@hack/preflight bench-replicated
	$(GO) test ./test/bench/replicated -run '^$$' -bench Replicated -benchtime 1x -timeout 0 -args -out $(abspath $(or $(OUT),docs/benchmarks/replicated.md))
