GO      ?= go
BINARY  := bin/aftershock
FUZZTIME ?= 15s

.PHONY: build demo test race lint fuzz differential mutants bench bench-checkers bugs soak plans table images servers test-targets clean

build: ## a static binary, because it becomes PID 1 of every node
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BINARY) ./cmd/aftershock

demo: build ## the newcomer's first run
	$(BINARY) run plans/quickstart.yaml

test: build ## everything that can run on this machine, both hosts included
	$(GO) tool gotestsum --format pkgname -- -count=1 -timeout 20m ./...

race: ## every package under the race detector, but for the scripts that run the built binary
	$(GO) tool gotestsum --format pkgname -- -race -timeout 20m $$($(GO) list ./... | grep -v /cmd/)

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these files"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

fuzz: ## each fuzz target for FUZZTIME
	scripts/fuzz $(FUZZTIME)

differential: ## checkers, stream and porcupine on random histories; SEED=random takes new ones, SEED=N those of a failure
	AFTERSHOCK_SEED=$(or $(SEED),random) $(GO) test -count=1 -v -run TestDifferential ./checkers

mutants: ## breaks each checker in small ways; every one must be caught by the tests. ONLY=zones.go is one file alone
	$(GO) run ./scripts/mutate -only '$(ONLY)'

bench: build ## the figures of BENCHMARKS.md
	scripts/bench

bench-checkers: ## the checkers' table of BENCHMARKS.md; takes minutes, on an idle machine
	scripts/bench-checkers

bugs: build ## every plan of plans/bugs must find its defect as what it is, RUNS times; SOUND=1 switches the defects off
	$(GO) run ./scripts/bugs -runs $(or $(RUNS),1) $(if $(SOUND),-sound)

soak: build ## the sound store must pass every fault RUNS times in a row
	scripts/soak $(or $(RUNS),20)

plans: build ## every plan's claims, RUNS times with new seeds; HOST=docker or local, TARGET=postgres is one target's alone
	RUNS=$(or $(RUNS),1) HOST=$(HOST) TARGET=$(TARGET) scripts/plans

table: build ## the table of README.md, from RUNS runs of every real target's plans on HOST (docker)
	RUNS=$(or $(RUNS),1) HOST=$(HOST) scripts/table

images: ## stand-ins for the official images, where no registry can be reached
	scripts/images $(TARGET)

servers: ## the real targets' servers on this machine, for the local host
	scripts/servers

test-targets: build images servers ## every mode of every real target on both hosts, one that fails once more by itself; TARGET=postgres is one alone
	AFTERSHOCK_TARGETS=$(or $(TARGET),all) $(GO) tool gotestsum --format testname --rerun-fails=1 --packages ./cmd/aftershock -- -count=1 -parallel 2 -timeout 40m -run TestModes

clean:
	rm -rf bin runs
