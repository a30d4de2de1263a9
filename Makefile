# Two commands set everything up: `make demo` runs the main job on this machine, `make test` passes the tests. Neither needs
# root. `make e2e` needs root: its hosts are network namespaces.
SHELL := /bin/bash
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X p2pcp/cmd.version=$(VERSION) -X p2pcp/cmd.commit=$(COMMIT)
PREFIX  ?= /usr/local
FUZZTIME ?= 10s
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT := mvdan.cc/gofumpt@v0.12.0

OPS ?= 2400
SEED ?= 1
.PHONY: build demo test short e2e kills reliability tour picture push-many soak lint fuzz sim sim-all bench bench-quick bench-page benchmarks gossip-scale \
	top-scale completions man notices snapshot packages-test check install clean

build: ## the static binary, bin/p2pcp
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/p2pcp .

demo: build ## seed a real directory, get it with 8 processes, check every copy
	./scripts/demo.sh $(WHAT)

test: ## all tests, with the race detector; what is bounded in virtual time once more without it
	go test -race -shuffle=on ./...
	go test -count=1 -run TestHostileMember ./swarm

short: ## the tests without the race detector
	go test ./...

e2e: build ## the tests on hosts made of network namespaces (root, Linux)
	P2PCP_E2E=1 P2PCP_BIN=$(CURDIR)/bin/p2pcp go test -count=1 -timeout 20m -p 1 -parallel 4 -run 'TestE2E|TestLab' -v ./internal/...

kills: build ## kill a receiver at 200 random moments (make e2e: 40)
	P2PCP_KILLS=200 P2PCP_BIN=$(CURDIR)/bin/p2pcp go test -count=1 -run TestE2EKillMoments -v ./internal/e2e

RELIABILITY := TestE2EFault|TestE2EKillMoments|TestE2ECorruption|TestE2EHostile|TestHostile|TestReplayedAndForged|TestThousandHalfOpen|TestStrangersHear|TestJournalTorn|TestSim(Partition|Rolling)|TestHalves|TestGossipedLies|TestMillionEntries
reliability: build ## docs/RELIABILITY.md's tables from what the tests of faults and attacks print (root, Linux)
	set -o pipefail; P2PCP_E2E=1 P2PCP_E2E_ALL=1 P2PCP_KILLS=200 P2PCP_BIN=$(CURDIR)/bin/p2pcp \
		go test -count=1 -timeout 30m -p 1 -parallel 4 -run '$(RELIABILITY)' -v ./blocks ./cmd ./gossip ./swarm ./internal/... | tee bin/reliability.txt
	go run ./internal/reliability <bin/reliability.txt

tour: build ## the README's tour and docs/pictures anew, from the real program (root, Linux, tmux, chromium)
	P2PCP_E2E=1 P2PCP_TOUR=write P2PCP_BIN=$(CURDIR)/bin/p2pcp go test -count=1 -run TestE2ETour -v ./internal/docs
	chromium --headless --no-sandbox --hide-scrollbars --window-size=1120,1145 --screenshot=docs/pictures/report.png bin/report.html 2>/dev/null

picture: ## docs/ARCHITECTURE.md's picture of the packages, from their imports
	P2PCP_PICTURE=write go test -count=1 -run TestPictureOfPackages .

push-many: build ## push to 200 hosts (root, Linux)
	P2PCP_E2E=1 P2PCP_E2E_MANY=$(or $(N),200) P2PCP_BIN=$(CURDIR)/bin/p2pcp go test -count=1 -timeout 20m -run TestE2EPushMany -v ./internal/e2e

soak: ## OPS random operations on twelve hosts, with the race detector (root, Linux); the default takes 20 minutes
	go build -race -o bin/p2pcp-race .
	P2PCP_E2E=1 P2PCP_BIN=$(CURDIR)/bin/p2pcp-race P2PCP_SOAK_OPS=$(OPS) P2PCP_SOAK_SEED=$(SEED) \
		go test -count=1 -timeout 60m -run TestE2ESoak -v ./internal/e2e

lint: ## vet for every system, formatting, staticcheck
	go vet ./...
	GOOS=darwin go vet ./...
	GOOS=freebsd go vet ./...
	@bad=$$(go run $(GOFUMPT) -l .); [ -z "$$bad" ] || { echo "not gofumpt-ed: $$bad"; exit 1; }
	go run $(STATICCHECK) ./...

fuzz: ## each fuzz target for FUZZTIME
	./scripts/fuzz.sh $(FUZZTIME)

sim: ## the core in the simulator: make sim N=64 BLOCKS=1024 SEED=1
	P2PCP_SIM_N=$(or $(N),64) P2PCP_SIM_BLOCKS=$(or $(BLOCKS),1024) P2PCP_SIM_SEED=$(or $(SEED),1) \
		go test -count=1 -run TestSimOne -v ./swarm

sim-all: ## simulations of up to 10,000 nodes, some minutes: a line each, and as JSON in P2PCP_SIM_JSON if that names a file
	P2PCP_SIM_ALL=1 go test -count=1 -timeout 60m -run TestSimCases -v ./swarm

CASES ?= .
bench: build ## all measurements, docs/PERFORMANCE.md's tables and pictures; CASES=8x200 for one case (root, Linux)
	go run ./internal/bench -write -run "$(CASES)"

bench-quick: build ## one run of 8 receivers (root, Linux)
	go run ./internal/bench -quick

bench-page: ## tables and pictures anew from what was measured
	go run ./internal/bench -write -run '^$$'

BENCHMARK_PACKAGES := ./blocks ./swarm ./swarm/wire
BENCHSTAT := golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
benchmarks: ## the hot paths' Go benchmarks, ten times, compared with the committed baseline
	mkdir -p bin
	go test -run '^$$' -bench . -count 10 -benchtime 100ms $(BENCHMARK_PACKAGES) >bin/benchmarks.txt
	go run $(BENCHSTAT) docs/benchmarks.txt bin/benchmarks.txt

gossip-scale: ## gossip of 100, 300 and 1000 members in virtual time: the table of docs/PERFORMANCE.md (half an hour)
	@set -o pipefail; for n in 100 300 1000; do P2PCP_GOSSIP_N=$$n go test -count=1 -timeout 60m -run TestCrowdSeesItself -v ./gossip | grep -E '[|]|FAIL|not so' || exit 1; done

top-scale: ## how long status and top take for 500 receivers at once
	P2PCP_TOP_N=500 go test -count=1 -run TestTopOfHundreds -v ./cmd

completions: build ## write completions/ anew
	for s in bash zsh fish; do ./bin/p2pcp completion $$s >completions/p2pcp.$$s; done
	./bin/p2pcp completion powershell >completions/p2pcp.ps1

man: ## a man page a command, into manpages/
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) P2PCP_MAN=$(CURDIR)/manpages go test -count=1 -run TestManPages ./cmd

notices: ## packaging/THIRD_PARTY and packaging/copyright anew, from the licences of the modules that the program is linked with
	go run ./internal/release third-party >packaging/THIRD_PARTY.new && mv packaging/THIRD_PARTY.new packaging/THIRD_PARTY
	go run ./internal/release copyright >packaging/copyright.new && mv packaging/copyright.new packaging/copyright

GORELEASER := github.com/goreleaser/goreleaser/v2@v2.14.0
snapshot: ## all binaries, archives and packages into dist/, unsigned
	go run $(GORELEASER) release --snapshot --clean --skip=sign

packages-test: ## build twice and compare; install, use and remove the packages and the image in roots of their own (root, Linux, some minutes)
	./scripts/packages-test.sh

check: lint test ## what a change must pass

install: build ## into PREFIX/bin
	install -D -m 0755 bin/p2pcp $(DESTDIR)$(PREFIX)/bin/p2pcp

clean:
	rm -rf bin dist manpages
