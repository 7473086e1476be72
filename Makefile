# `make` says what there is. Tools and test servers are built into .cache/,
# from the versions that tools/*.mod pin.
BIN      := .cache/bin
TOOLS    := $(patsubst tools/%.mod,$(BIN)/%,$(wildcard tools/*.mod))
AZURITE  := 3.37.0
FUZZTIME ?= 30s

.PHONY: help
help: ## this text
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## serve a throwaway, sealed folder on http://127.0.0.1:8080/
	./sealdav serve --demo

.PHONY: build
build: ## build ./sealdav
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o sealdav ./cmd/sealdav

.PHONY: test
test: tools lint ## everything: tools, lint, unit and end-to-end tests (about 20 minutes the first time)
	go test -race -timeout 20m ./...

.PHONY: test-cloud
test-cloud: ## the conformance suite on real buckets, which tests/README.md says how to name
	go test -count=1 -v -timeout 60m -run '^TestCloud$$' ./providers/...

.PHONY: lint
lint: $(BIN)/staticcheck $(BIN)/govulncheck ## gofmt, go vet, staticcheck, govulncheck
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	$(BIN)/staticcheck ./...
	@if curl -sfI --max-time 15 -o /dev/null https://vuln.go.dev/index/db.json; \
	then set -x; $(BIN)/govulncheck ./...; \
	else echo "govulncheck: not run, as https://vuln.go.dev cannot be reached from here"; fi

.PHONY: bench
bench: tools ## beside rclone and the limit of the wire, into docs/performance.md (about 15 minutes); the packages' benchmarks
	SEALDAV_BENCH_DOC=docs/performance.md go test -run '^$$' -bench . -benchtime 1x -timeout 40m ./tests/bench
	go test -run '^$$' -bench . -benchmem $$(go list ./... | grep -v /tests)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (30s)
	@for pkg in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

.PHONY: tools
tools: $(TOOLS) .cache/ceph .cache/azurite/$(AZURITE) ## test servers, clients and linters into .cache; as root, Debian's packages too
	tools/packages.sh
	tools/npm.sh .cache/npm-webdav

$(BIN)/%: tools/%.mod tools/%.sum
	@mkdir -p $(BIN)
	CGO_ENABLED=0 go build -modfile=$< -trimpath -ldflags='-s -w' -o $@ $$(go list -modfile=$< tool)

.cache/ceph: tools/ceph.sh
	tools/ceph.sh $@

# Azurite needs node and npm, which packages.sh installs.
.cache/azurite/$(AZURITE):
	tools/packages.sh
	npm install --silent --no-save --no-audit --no-fund --prefix .cache/azurite azurite@$(AZURITE)
	touch $@

.PHONY: clean
clean: ## remove what was built, .cache included
	rm -rf sealdav .cache
