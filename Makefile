# Everything here needs Go and make only, but `interop` (it installs what the
# peers need) and `lint` (it builds the linter).

GO       ?= go
BIN      := bin
PKGS     := ./...
FUZZTIME ?= 20s
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: all demo build test check generate interop bench fuzz lint tidy clean help

all: build

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  \1	/' | expand -t 14

demo: build ## the whole path on loopback: token, N1/N2, protected requests, B.2
	$(BIN)/ostiary-as demo

build: ## the binaries, in bin/
	$(GO) build -trimpath -o $(BIN)/ostiary-as ./cmd/as
	$(GO) build -trimpath -o $(BIN)/ostiary-rs-agent ./cmd/rs-agent

test: ## the tests, quickly
	$(GO) test $(PKGS)

check: ## what CI runs: formatting, vet, all tests with the race detector, generated files
	@fmt=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$fmt" || { echo "gofmt would change:"; echo "$$fmt"; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet $(PKGS)
	$(GO) test -race -shuffle=on -timeout 20m $(PKGS)
	@$(MAKE) --no-print-directory build
	@echo "check: all passed"

generate: ## docs/reference/conformance.md and interop.md
	$(GO) test ./internal/spec -run Report -update
	$(GO) test ./test/interop -run Matrix -update

interop: build ## live runs against real peers, installed from their registries
	test/interop/run.sh

bench: ## the benchmarks behind docs/reference/performance.md
	$(GO) test -run '^$$' -bench . -benchmem -count 6 ./internal/ccm ./oscore

fuzz: ## every fuzz target for FUZZTIME each
	@for pkg in $$($(GO) list $(PKGS)); do \
		for f in $$($(GO) test $$pkg -list '^Fuzz' 2>/dev/null | grep '^Fuzz'); do \
			echo "$$pkg $$f"; $(GO) test $$pkg -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) || exit 1; \
		done; done

lint: ## golangci-lint, built at the version pinned above
	$(GO) run $(GOLANGCI) run $(PKGS)

tidy:
	$(GO) mod tidy

clean:
	rm -rf $(BIN)
