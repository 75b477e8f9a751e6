GO      ?= go
BINARY  := bin/aftershock
FUZZTIME ?= 15s

# One way to compile everything, so that what the binary and the tests share is compiled
# once; the race detector alone wants another.
export CGO_ENABLED := 0
export GOFLAGS     := -trimpath $(GOFLAGS)

.PHONY: build demo test browser race lint fuzz differential mutants bench bench-checkers bench-peers bugs museum soak drivers scale calm kills ab plans table study reference images deployment deployments kubernetes tools-test servers test-targets same release man clean

build: ## a static binary, because it becomes PID 1 of every node
	$(GO) build -ldflags "-s -w" -o $(BINARY) ./cmd/aftershock

demo: build ## the newcomer's first run
	$(BINARY) run plans/quickstart.yaml

test: build ## everything that can run on this machine, both hosts included
	$(GO) tool gotestsum --format pkgname -- -count=1 -timeout 20m ./...

browser: ## the report and the site in a headless Chromium, which is installed where it may be: three sizes, light, dark, printed
	scripts/browser

race: ## every package under the race detector, without what compares one goroutine with definitions, but for the scripts that run the built binary
	CGO_ENABLED=1 $(GO) tool gotestsum --format pkgname -- -race -short -timeout 20m $$($(GO) list ./... | grep -v /cmd/)

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these files"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

fuzz: ## each fuzz target for FUZZTIME; SAMPLE=1 is every second one, by the commit
	SAMPLE=$(SAMPLE) scripts/fuzz $(FUZZTIME)

differential: ## checkers against porcupine, brute force, simulated worlds and themselves with less evidence, on HISTORIES random histories each; SEED=random takes new ones, SEED=N those of a failure
	AFTERSHOCK_SEED=$(or $(SEED),random) AFTERSHOCK_HISTORIES=$(or $(HISTORIES),200000) $(GO) test -count=1 -v -timeout 2h -run TestDifferential \
		./checkers/register/stream ./checkers/transactions ./checkers/all

mutants: ## breaks each checker in small ways; every one must be caught by the tests. ONLY=zones.go is one file alone, ONLY=set/ one room
	$(GO) run ./scripts/mutate -only '$(ONLY)'

bench: build ## the figures of BENCHMARKS.md
	scripts/bench

bench-checkers: ## the checkers' table of BENCHMARKS.md; takes minutes, on an idle machine
	scripts/bench-checkers

bench-peers: ## our clients beside redis-benchmark, pgbench and sysbench on the same server; medians of RUNS (5) runs of SECONDS_EACH (4)
	scripts/bench-peers

bugs: build ## every plan of plans/bugs must find its defect as what it is, RUNS times; SOUND=1 switches the defects off, PIPELINE=16 has each client of the first workload so many operations under way
	$(GO) run ./scripts/bugs -runs $(or $(RUNS),1) $(if $(SOUND),-sound) $(if $(PIPELINE),-pipeline $(PIPELINE))

museum: build ## the defects of released versions (docs/museum.md): each is found in a run of its version, within 20 minutes, and held off in the version without it; RUNS=5 counts, PLAN=etcd-13766 is one alone
	scripts/images museum postgres:15
	$(GO) run ./scripts/museum $(if $(RUNS),-runs $(RUNS)) $(PLAN)

soak: build ## the sound store must pass every fault RUNS times in a row
	scripts/soak $(or $(RUNS),20)

kills: build ## kills N runs with SIGKILL at random instants, on both hosts: nothing may be left of them. SEED=7 takes the same again; DEPLOYMENT=redis-sentinel, redis-sentinel-hosts or repmgr kills runs on that
	$(if $(DEPLOYMENT),,! docker info >/dev/null 2>&1 || scripts/images redis:8.0)
	$(if $(DEPLOYMENT),SEED=$(SEED) scripts/deployment-kills $(DEPLOYMENT) $(or $(N),20),$(GO) run ./scripts/kills -n $(or $(N),60) $(if $(SEED),-seed $(SEED)))

calm: build ## the sound store, or TARGET=redis or postgres in a safe mode, is never accused of what the harness did: N runs beside busy loops, with naps of the harness; SEED=1000 are those again
	TARGET=$(TARGET) SEED=$(SEED) HOST=$(or $(HOST),local) scripts/calm $(or $(N),20)

ab: build ## whether comparing and searching can be trusted here: A/A, A/B, and RUNS searches for a known capacity
	scripts/ab $(or $(RUNS),10)

plans: build ## every plan's claims, RUNS times with new seeds; HOST=docker or local, TARGET=postgres is one target's alone
	RUNS=$(or $(RUNS),1) HOST=$(HOST) TARGET=$(TARGET) scripts/plans

table: build ## the table of docs/compared.md, from RUNS runs of every real target's plans on HOST (docker)
	RUNS=$(or $(RUNS),1) HOST=$(HOST) scripts/table

study: build ## the ten sentences of docs/replicas.md, measured on TARGET (ripple) and HOST, one or several; QUICK=1 in minutes; what comes of it goes into that page. STUDY=cost is one alone
	$(BINARY) study replicas$(if $(STUDY),/$(STUDY)) --target '$(or $(TARGET),ripple)' $(if $(HOST),--host $(HOST)) $(if $(QUICK),--quick) --into docs/replicas.md --pages docs/replicas

reference: ## docs/plan.md and schema/plan.json, from the tables of a plan's keys; schema/verdict.json and report.json, from the types
	$(GO) test -count=1 -run TestShippedSchema ./harness -update-reference
	$(GO) test -count=1 -run TestSchemas ./results/report -update-reference

images: ## stand-ins for the official images, of all versions that are tested, where no registry can be reached
	scripts/images $(TARGET)

deployment: ## brings up a deployment of plans/deployments: NAME=patroni, VARIANT=strict is one of its variants; DOWN=1 takes it away with its data
	scripts/deployment $(if $(DOWN),down,up) '$(NAME)' $(if $(DOWN),,$(VARIANT))

deployments: build ## attaches to Patroni, asynchronous and synchronous, and cuts its primary off: losses, and none; NAMES="repmgr pgpool", or all, is every plan of these, RUNS=10 ten times each; NAMES=controls is what protects each of them, with it and without it, ten times each
	RUNS=$(RUNS) scripts/deployments $(NAMES)

tools-test: build ## reads a run with DuckDB, pyarrow and pandas of Debian sid, by the queries of docs/history.md and README.md as they stand there
	scripts/tools-test

kubernetes: build ## tests and plans on a real Kubernetes of NODES (3) machines, made here for that; where it was built once (scripts/kubernetes build, 5 to 15 minutes). SAMPLE=1 has one plan of the three targets and one of the four deployments of pods, by the commit; KILLS=20 kills so many runs of each kind
	NODES=$(NODES) SAMPLE=$(SAMPLE) KILLS=$(KILLS) scripts/kubernetes-tests

drivers: build ## three drivers of the load on local: planted defects found, clocks that step and drift accused of nothing; RUNS=10
	scripts/drivers $(or $(RUNS),10)

scale: ## what an operation costs from 100 drivers in one process, and what docs/scale.md rests on
	AFTERSHOCK_SCALE=1 $(GO) test -count=1 -v -run TestScale ./harness/drivers
	$(GO) test -run - -bench 'Join|Pass' -benchtime 2x -benchmem ./history

servers: ## the real targets' servers on this machine, for the local host
	scripts/servers

OLDER = $(if $(filter all,$(VERSIONS)),all,$(shell scripts/sample))
test-targets: build servers ## every mode of every real target: docker the newest versions, and of the older ones and of local's modes those that are this commit's turn, or all with VERSIONS=all; one that fails runs once more; TARGET=postgres is one alone; with MINUTES=n none begins later than that
	scripts/images $(if $(filter all,$(OLDER)),$(TARGET),$(or $(TARGET),newest $(OLDER)))
	AFTERSHOCK_UNTIL=$(if $(MINUTES),$(shell date -d '+$(MINUTES) minutes' +%s)) AFTERSHOCK_TARGETS=$(or $(TARGET),all) AFTERSHOCK_OLDER="$(if $(TARGET),all,$(OLDER))" AFTERSHOCK_SAMPLE=$(if $(TARGET)$(filter all,$(OLDER)),,$(shell git rev-parse HEAD)) $(GO) tool gotestsum --format testname --rerun-fails=1 --packages ./cmd/aftershock -- -count=1 -parallel 2 -timeout 40m -run 'TestModes|TestMembers'

same: build ## what is built here does as the program OLD on the runs in DIR (runs) and on foreign histories, those of FOREIGN too
	$(GO) run ./scripts/same -old '$(OLD)' -new $(BINARY) -runs $(or $(DIR),runs) -foreign history/foreign/testdata $(FOREIGN)

release: ## what people install, in dist: binaries, packages, an image, manual, completions, bills of materials, checksums; CHECK=1 makes it twice and compares; VERSION=1.2.0 is what it is called
	cd scripts/release && $(GO) test . && $(GO) run . -out ../../dist $(if $(VERSION),-version '$(VERSION)') $(if $(CHECK),-check)

man: build ## the manual pages, in bin/man
	$(BINARY) man bin/man

clean:
	rm -rf bin runs dist
