# The front door: make help. The build itself is CMake's (CMakeLists.txt, CMakePresets.json).

PREFIX ?= /usr/local
SECONDS ?= 60
JOBS := $(shell sh scripts/jobs.sh)
PORT ?= 7379
HTTP_PORT ?= 7380

.DEFAULT_GOAL := help
.PHONY: help packages demo-packages configure build demo-build demo demo-check test test-quick \
	bench bench-peers bench-peers-short soak torture lint format install \
	fuzz-short coverage clean

help: ## this list
	@echo "Spawned, an actor platform for C. Targets:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16
	@echo "Variables: PREFIX, DESTDIR (install), SECONDS (soak), PORT, HTTP_PORT (demo), SPAWNED_JOBS,"
	@echo "SHORT, PAGE and BENCH_PEERS (bench-peers: see bench/peers/run.py --help)."

packages: ## install the Debian packages that are missing (scripts/packages.txt)
	@sh scripts/install-packages.sh build demo test

demo-packages:
	@sh scripts/install-packages.sh build demo

configure:
	@sh scripts/install-packages.sh --dry-run build || { echo "run: make packages"; exit 1; }
	@mkdir -p build && cmake --preset release >build/configure.log || { cat build/configure.log; exit 1; }

build: configure ## build everything into build/release
	@cmake --build --preset release -j $(JOBS)

# What a demo runs, and not the tests: a fifth of the whole.
demo-build: demo-packages configure
	@cmake --build --preset release -j $(JOBS) --target demo

demo: demo-build ## start spawned-kv on 127.0.0.1:7379 (PORT=n), dashboard (HTTP_PORT=n)
	@exec build/release/bin/spawned-kv --port $(PORT) --http 127.0.0.1:$(HTTP_PORT)

demo-check: demo-build ## drive spawned-kv with redis-cli, crash a shard, see it recover
	@sh examples/kv/demo-check.sh build/release/bin/spawned-kv

test: packages ## everything: all presets, sanitizers, aarch64, lint, fuzzing (15 minutes)
	@exec scripts/test.sh all

test-quick: ## the tests of the release build only
	@exec scripts/test.sh release

bench: build ## the benchmarks, one JSON object a line
	@exec build/release/bin/spawned-bench all --json

bench-peers: build ## beside Erlang, Go, tokio, CAF: 20 minutes (SHORT=1: 3; PAGE=file)
	@exec python3 bench/peers/run.py --bench build/release/bin/spawned-bench \
		$(if $(SHORT),--short) $(if $(PAGE),--page $(PAGE)) $(BENCH_PEERS)

bench-peers-short:
	@$(MAKE) --no-print-directory bench-peers SHORT=1

soak: build ## load and crashes for SECONDS=60 seconds, the stress tests, about as long; simulation
	@build/release/bin/spawned-bench soak --seconds $(SECONDS)
	@scripts/sim-determinism.sh --builds
	@SPAWNED_STRESS=$(SECONDS) SP_TEST_TIMEOUT=$$((20 * $(SECONDS) + 120)) \
		ctest --test-dir build/release -L stress --output-on-failure
	@scripts/soak-sim.sh $(SECONDS)

torture: build ## each allocation and each system call fails once: all of them, 10 minutes
	@python3 tests/torture/covered.py build/release/libspawned.a
	@build/release/bin/torture --jobs $(JOBS)
	@mkdir -p build && cmake --preset asan >build/configure.log || { cat build/configure.log; exit 1; }
	@cmake --build --preset asan -j $(JOBS) --target torture
	@build/asan/bin/torture --jobs $(JOBS)

lint: build ## the checks of scripts/checks
	@python3 scripts/checks/run.py --build build/release

format: ## apply .clang-format to every C file
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

install: build ## into PREFIX=/usr/local, below DESTDIR if set
	@cmake --install build/release --prefix $(PREFIX)

fuzz-short: ## all fuzz targets, one minute together
	@exec scripts/fuzz.sh 60

coverage: ## test coverage, into build/coverage/html
	@exec scripts/coverage.sh

clean: ## remove build/
	@rm -rf build
