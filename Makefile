# Kairos. "make" or "make help" lists what there is.
SHELL      := /bin/bash
MODULES    := pkg $(sort $(patsubst %/go.mod,%,$(wildcard services/*/go.mod)))
SERVICES   := ingest enrich timing dispatch learn console
TOOL       := GOWORK=off go tool -modfile=$(CURDIR)/.tools/go.mod
KAFKA_LIBS := $(CURDIR)/.cache/kafka/libs
COUNT      ?= 3
SEEDS      ?= 5
FLEET      ?= 25
INPUTS     ?= 20000

export KAIROS_KAFKA_LIBS ?= $(KAFKA_LIBS)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z-]*:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: up
up: ## run the whole system in one process; page at http://localhost:8080
	@cd services/kairos && go build -o ../../bin/kairos . && cd ../.. && exec bin/kairos up --fleet $(FLEET) $(ARGS)

.PHONY: build
build: ## build every program into bin/
	@mkdir -p bin
	@for s in $(SERVICES); do CGO_ENABLED=0 go build -trimpath -o bin/$$s ./services/$$s/cmd/$$s || exit 1; done
	@CGO_ENABLED=0 go build -trimpath -o bin/kairos ./services/kairos

# Vetting is lint's: here it would go through every dependency too. The compiler and the tests collect garbage seldom, and a
# test program does not sleep a second at its end to find one more race. The packages that take longest come first,
# and as some of them wait for timers, one more than there are cores runs at once.
.PHONY: test
test: ## all tests on embedded servers, with the race detector
	GOGC=400 GORACE=atexit_sleep_ms=0 go test -p $$(($$(getconf _NPROCESSORS_ONLN) + 1)) -race -vet=off -timeout 10m ./services/kairos/pipeline ./services/kairos work

.PHONY: race
race: test ## the same as test: the race detector is always on

.PHONY: kafka
kafka: ## fetch Apache Kafka's jars into .cache (needs Java 17 and Maven)
	@.ci/kafka/get

.PHONY: test-real
test-real: kafka ## the suites that need a real Apache Kafka and redis-server
	@for m in $(MODULES); do (cd $$m && go test -race -timeout 20m -tags real -run Real ./...) || exit 1; done

.PHONY: lint
lint: ## golangci-lint with the import rules of .golangci.yml
	@for m in $(MODULES); do echo "lint $$m"; (cd $$m && $(TOOL) golangci-lint run --allow-parallel-runners ./...) || exit 1; done

.PHONY: fmt
fmt: ## format
	@for m in $(MODULES); do (cd $$m && $(TOOL) golangci-lint fmt ./...) || exit 1; done

.PHONY: vuln
vuln: ## known vulnerabilities in what we call
	@for m in $(MODULES); do echo "vuln $$m"; (cd $$m && $(TOOL) govulncheck ./...) || exit 1; done

.PHONY: fuzz
fuzz: ## INPUTS=20000 to every fuzz target: three to thirteen seconds each on an idle core
	@.ci/fuzz $(INPUTS)

.PHONY: faults
faults: kafka ## every row of the fault table on real servers, SEEDS=5 each; ARGS="--fault NAME"
	@mkdir -p bin && go build -o bin/faults ./services/kairos/faults && exec bin/faults --seeds $(SEEDS) $(ARGS)

.PHONY: faults-quick
faults-quick: kafka ## a bounded subset of the fault table
	@mkdir -p bin && go build -o bin/faults ./services/kairos/faults && exec bin/faults --quick $(ARGS)

.PHONY: soak
soak: kafka ## half an hour of steady load, one fault after the other; memory and goroutines stay flat; ARGS="--for 5m"
	@mkdir -p bin && go build -o bin/faults ./services/kairos/faults && exec bin/faults soak $(ARGS)

.PHONY: bench
bench: ## benchmarks of every stage, COUNT=3 runs each, and the senders beside the libraries
	@for m in $(MODULES); do (cd $$m && go test -run '^$$' -bench . -benchmem -count $(COUNT) -timeout 60m ./...) || exit 1; done
	@go run ./services/dispatch/bench

.PHONY: sim
sim: ## the figures of "How well it decides": a population, policies side by side (ARGS="--quick"), a real log, and what is learned
	@mkdir -p bin && go build -o bin/kairos ./services/kairos && bin/kairos simulate $(ARGS)
	@bin/kairos report collegemsg || echo "the real log is left out"
	@go test -count=1 -v -run AnotherFamily ./services/learn | grep -v '^==='

.PHONY: images
images: ## a container image for each service
	@for s in $(SERVICES) kairos; do docker build -f services/Dockerfile --build-arg SERVICE=$$s -t kairos/$$s . || exit 1; done

.PHONY: check
check: lint test standalone schemas ## lint, tests, standalone builds, contracts

.PHONY: standalone
standalone: ## each module builds without the workspace, and production binaries link no fakes
	@.ci/standalone

.PHONY: schemas
schemas: ## lint AsyncAPI, OpenAPI and docker-compose.yml
	@.ci/lint-schemas
	@cd .tools && GOWORK=off go run ./compose ../docker-compose.yml
