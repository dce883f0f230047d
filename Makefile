# `make` prints the targets. Everything here runs as root and as a normal user, on Linux and macOS.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

FUNCTIONS := $(sort $(notdir $(patsubst %/,%,$(wildcard functions/*/))))
ARCH ?= arm64
LOCAL_DIR ?= .local
TOOLS := $(CURDIR)/bin/tools

# The one way that functions are built, by `make build` and by `sam build`; docs/adr/0002 explains each flag.
# GOFLAGS is emptied, so that a developer's settings cannot change a binary.
GO_BUILD = CGO_ENABLED=0 GOOS=linux GOARCH=$(ARCH) GOFLAGS= go build -mod=readonly -buildvcs=false \
	-tags lambda.norpc -trimpath -ldflags='-s -w'

# Whose settings (settings/<environment>.toml) go into the artifacts; template.yaml's parameter Environment must be the same.
ENVIRONMENT ?= production
SETTINGS := go run ./internal/policy/settings/tool

# Tools are built once, at fixed versions, as modules of their own that are never in go.mod.
GOLANGCI_LINT := $(TOOLS)/golangci-lint-v2.15.0
GOVULNCHECK := $(TOOLS)/govulncheck-v1.9.0
# A vulnerability database: a URL, or an archive or folder for work without a network.
VULNDB ?= $(firstword $(wildcard ../shared/data/vulndb-*.tar.gz) https://vuln.go.dev)

FN ?= subscribe
EVENT ?= $(firstword $(wildcard events/$(FN)/*.json))
FUZZTIME ?= 10s
OPS ?= 10000
SEED ?=
TIME ?= 4m

.PHONY: help
help:
	@awk -F ':.*## ' '/^##@ / { printf "%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' \
		$(firstword $(MAKEFILE_LIST))

##@ Run

.PHONY: dev
dev: ## Start the whole system on http://127.0.0.1:3000 (PORT, LOCAL_DIR)
	@mkdir -p $(LOCAL_DIR) && go build -o $(LOCAL_DIR)/newsletter ./cmd/newsletter && exec $(LOCAL_DIR)/newsletter dev

.PHONY: invoke
invoke: ## Send one event to one function of the running stack, fail if it fails: FN=subscribe EVENT=events/subscribe/json.json (EXPECT=422)
	@go run ./cmd/newsletter invoke $(if $(EXPECT),--expect $(EXPECT)) $(FN) $(EVENT)

.PHONY: invoke-rie
invoke-rie: ## Send every sample event to the real binaries under AWS's Runtime Interface Emulator
	@go run ./internal/suites/emulate rie

.PHONY: sam-local
sam-local: ## Send sample events to the real binaries under `sam local invoke` (needs Docker)
	@go run ./internal/suites/emulate sam

##@ Test

.PHONY: setup
setup: $(GOLANGCI_LINT) $(GOVULNCHECK) ## Install what `make check` and `make test` need: linters, servers, a browser (apt-get or brew)
	@scripts/setup.sh

.PHONY: check
check: fmt-check language settings-check tidy-check vet lint generate-check vuln template-check ## Run everything that reads the code: format, linters, generated files, vulnerabilities, template

.PHONY: test
test: ## Run every test against real servers, with the race detector
	@# Built first on all cores, then run one package at a time: the time limits of 150 ms in these tests are real.
	@go test -race -exec true ./... >/dev/null
	@go run ./internal/fixtures/testenv/run -- go test -race -p 1 -timeout 18m $$(go list ./... | grep -vE '/(migrations|functions/migrate)$$')
	@go run ./internal/fixtures/testenv/run -versions -- go test -race -p 1 ./migrations ./functions/migrate

.PHONY: e2e
e2e: ## Run the tests that drive the whole stack and a browser
	@go run ./internal/fixtures/testenv/run -- go test -count=1 ./internal/suites/e2e/...

.PHONY: attack
attack: ## Try to bomb strangers' inboxes through the system, and count what reaches them
	@go run ./internal/suites/attack

.PHONY: load
load: ## Simulate 10,000 users in 100 seconds; print latencies, fail if anything is lost
	@go run ./internal/suites/load

.PHONY: faults
faults: ## Break databases, services and processes under OPS random operations, and check every invariant (OPS, SEED, TIME)
	@go run ./internal/suites/faults -ops $(OPS) $(if $(SEED),-seed $(SEED)) -time $(TIME)

.PHONY: bench
bench: size ## Print the budgets' figures: sizes, starts, the limiter, sign-ups, a backlog; as ratios of one run
	@go run ./internal/fixtures/testenv/run -- go test -run '^$$' -bench . -benchtime 1x -p 1 ./internal/suites/bench ./functions/subscribe ./functions/deliver

.PHONY: bursts
bursts: ## Print how well sign-up bursts are detected (docs/burst-detection.md)
	@go run ./internal/suites/bursts/evaluate report

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME
	@scripts/fuzz.sh $(FUZZTIME)

.PHONY: nightly
nightly: bench attack load faults bursts fuzz ## Run what takes too long for every change, one after the other

##@ Build

.PHONY: build
build: $(FUNCTIONS:%=bin/%/bootstrap) ## Build the functions as they are deployed, into bin/<function>, for ENVIRONMENT

.PHONY: install
install: ## Install the operator's tool, newsletter, into GOBIN
	@go install ./cmd/newsletter
	@tool=$$(go list -f '{{.Target}}' ./cmd/newsletter); echo "installed $$tool"; \
	command -v newsletter >/dev/null || echo "add $${tool%/*} to PATH to run it as newsletter"

.PHONY: FORCE
bin/%/bootstrap: FORCE
	@$(SETTINGS) pack -environment '$(ENVIRONMENT)' -function $* -out bin/$*/settings.json
	@$(GO_BUILD) -o $@ ./functions/$*

# `sam build` calls build-<LogicalId> with ARTIFACTS_DIR set.
build-%Function: FUNCTION = $(shell tr '[:upper:]' '[:lower:]' <<<'$*')
build-%Function:
	@$(SETTINGS) pack -environment '$(ENVIRONMENT)' -function $(FUNCTION) -out "$(ARTIFACTS_DIR)/settings.json"
	@$(GO_BUILD) -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/$(FUNCTION)

.PHONY: size
size: ENVIRONMENT = example
size: build ## Print the size of each binary beside its budget
	@go run ./internal/policy/bundle/size $(FUNCTIONS:%=bin/%/bootstrap)

.PHONY: generate
generate: ## Write what is made from the code: settings and commands with their documents, blocks of template.yaml
	@$(SETTINGS) generate
	@go run ./internal/policy/bundle/template
	@go run ./cmd/newsletter document docs/commands.md

.PHONY: migrate
migrate: ## Bring the running stack's database to this version
	@go run ./cmd/newsletter migrate up

.PHONY: disposable
disposable: ## Update the list of disposable domains from FROM, a file or URL of the blocklist
	@go run ./cmd/newsletter disposable refresh '$(FROM)'

##@ Parts of check

.PHONY: fmt
fmt: ## Format all Go code
	@gofmt -w $$(git ls-files '*.go')

.PHONY: fmt-check
fmt-check:
	@unformatted=$$(git ls-files --cached --others --exclude-standard '*.go' | xargs gofmt -l); \
	if [[ -n "$$unformatted" ]]; then printf 'not formatted; run make fmt:\n%s\n' "$$unformatted" >&2; exit 1; fi

.PHONY: vet
vet:
	@go vet ./...

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run the linters of .golangci.yml
	@$< run --allow-parallel-runners

$(GOLANGCI_LINT): PACKAGE := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(GOVULNCHECK): PACKAGE := golang.org/x/vuln/cmd/govulncheck
$(GOLANGCI_LINT) $(GOVULNCHECK):
	@echo 'building $(@F), once; this takes up to two minutes'
	@GOFLAGS= GOBIN=$(TOOLS) go install $(PACKAGE)@$(lastword $(subst -v, v,$(@F)))
	@mv $(TOOLS)/$(notdir $(PACKAGE)) $@

.PHONY: language
language: ## Check doc comments, phrases and commit subjects against docs/glossary.md
	@go run ./internal/policy/language

.PHONY: tidy-check
tidy-check:
	@go mod tidy -diff >/dev/null || { echo 'go.mod or go.sum is not tidy; run go mod tidy' >&2; exit 1; }
	@go mod verify >/dev/null

.PHONY: generate-check
generate-check:
	@$(SETTINGS) generate -check
	@go run ./internal/policy/bundle/template -check
	@go run ./cmd/newsletter document --check docs/commands.md

.PHONY: settings-check
settings-check:
	@$(SETTINGS) check

.PHONY: vuln
vuln: $(GOVULNCHECK) ## Look for known vulnerabilities in what the code calls (VULNDB for an offline database)
	@scripts/vuln.sh $< $(VULNDB)

.PHONY: template-check
template-check:
	@# cfn-lint does not run SAM's translator; the tests of internal/policy/bundle do.
	@PATH="$$PATH:$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/newsletter/sam/bin"; \
	if command -v cfn-lint >/dev/null; then cfn-lint template.yaml; \
	else echo 'not run: cfn-lint is missing; run make setup' >&2; [[ "$${CI:-}" != true ]]; fi

.PHONY: clean
clean: ## Remove what was built and the local stack's data
	@# As root, PostgreSQL's data may have had to move out of a folder that it cannot reach.
	@moved=$$(cat $(LOCAL_DIR)/postgres/moved-to 2>/dev/null || true); case "$$moved" in /var/tmp/newsletter-postgres-*) rm -rf "$$moved" ;; esac
	@rm -rf bin/*/bootstrap bin/*/settings.json .aws-sam coverage $(LOCAL_DIR)
	@find bin -mindepth 1 -maxdepth 1 -type d -empty -delete 2>/dev/null || true
