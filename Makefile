# make demo   build slipway, start the twin, bring up examples/hello, print its address
# make test   every test, with the race detector

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
SLIPWAY := bin/slipway
LDFLAGS := -s -w -X main.version=$(VERSION)
SOURCES := go.mod go.sum $(shell find cmd internal -name '*.go' -o -name '*.yml' -path '*/templates/*' -o -name '*.gz' -o -name '*.bin')

.PHONY: demo test lint bench conformance fmt generate build cross clean

build: $(SLIPWAY)

$(SLIPWAY): $(SOURCES)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/slipway

demo: $(SLIPWAY)
	@$(SLIPWAY) twin engine
	@$(MAKE) --no-print-directory -s -C examples/hello
	@cd examples/hello && $(CURDIR)/$(SLIPWAY) up

# The tests that need a container engine fail without one here, rather than being skipped.
test: $(SLIPWAY)
	@$(SLIPWAY) twin engine
	SLIPWAY_REQUIRE_ENGINE=1 $(GO) test -race -timeout 30m ./...

lint:
	@unformatted=$$(gofmt -l cmd internal examples); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI) run ./...

GOLANGCI := v2.15.0

fmt:
	gofmt -w cmd internal examples

# The generators read what AWS publishes, as botocore and cfn-lint carry it. Set MODELS and CFNLINT to their data folders to
# read newer data; without MODELS the types are made again from the models that are here.
generate:
	$(GO) run ./internal/twin/api/gen $(if $(MODELS),-models $(MODELS))
	$(if $(CFNLINT),CFNLINT=$(CFNLINT) $(GO) generate ./internal/cfn/schema)

bench: $(SLIPWAY)
	$(GO) run ./internal/bench

conformance: $(SLIPWAY)
	SLIPWAY_CONFORMANCE=1 $(GO) test -count=1 -v -run Conformance ./...

# Builds for every supported platform. The twin runs containers on Linux only; on macOS it needs a Docker engine in a VM.
cross:
	for os in linux darwin; do for arch in amd64 arm64; do \
	  echo "$$os/$$arch"; CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch $(GO) build -trimpath -o dist/slipway-$$os-$$arch ./cmd/slipway || exit 1; done; done

clean:
	rm -rf bin dist examples/*/bin examples/*/*/bin
