# gort: `make` lists what there is. Everything that is built goes to target/.

SHELL := /bin/sh
CC ?= cc
CFLAGS ?= -O2 -g
# The directory that the demo counts.
DIR ?= $(firstword $(wildcard /usr/include) .)

lib_dir := $(CURDIR)/target/release
treewc := target/examples/treewc
servers := $(addprefix target/examples/,echo httpd proxy)

# Wherever the user has cargo put things otherwise: here they are looked for in target/.
export CARGO_TARGET_DIR := $(CURDIR)/target

.PHONY: help lib header demo test test-demo test-examples examples bench bench-quick fmt clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/make \1\t\2/p' Makefile | expand -t 20

lib: ## the library, in target/release
	cargo build --release
	@# Cargo leaves out the name that programs look for at run time.
	@soname=$$(readelf -d $(lib_dir)/libgort.so | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p'); \
	test -z "$$soname" || ln -sf libgort.so "$(lib_dir)/$$soname"

header: lib ## include/gort.h, as src/capi has it
	cp "$$(ls -t target/release/build/gort-*/out/gort.h | head -n 1)" include/gort.h

target/examples/httpd: examples/httpd_request.c examples/httpd_request.h
target/examples/httpd: extra := examples/httpd_request.c -lhttp_parser
target/examples/%: examples/%.c lib
	@mkdir -p $(@D)
	$(CC) -std=c11 -Wall -Wextra -Wpedantic $(CFLAGS) -Iinclude $< $(extra) -o $@ -L$(lib_dir) -lgort -Wl,-rpath,$(lib_dir)

demo: $(treewc) ## counts the words below DIR (/usr/include) with a goroutine per file, and compares with find and wc
	@echo "== $(treewc) $(DIR)"
	@# What a word is has changed in wc: see the head of treewc.c.
	@flag=; test "$$(printf '\001' | LC_ALL=C wc -w)" -eq 0 || flag=-b; \
	ours=$$($(treewc) $$flag "$(DIR)") || status=$$?; \
	echo "$$ours"; \
	echo "== find $(DIR) -type f -print0 | xargs -0 cat | wc"; \
	theirs=$$(find "$(DIR)" -type f -print0 | LC_ALL=C xargs -0 cat | LC_ALL=C wc); \
	echo "$$theirs"; \
	test "$$ours" = "$$theirs" || { echo "These differ."; exit 1; }; \
	exit $${status:-0}

test: ## every test; installs what it needs, and says what
	@scripts/test.sh

test-demo: $(treewc)
	examples/test_treewc.sh $(treewc)

examples: $(servers) ## echo, httpd and proxy, in target/examples (httpd wants libhttp-parser-dev)

test-examples: $(servers)
	set -e; for name in $(notdir $(servers)); do python3 examples/test_$$name.py target/examples/$$name; done

bench: lib ## the benches beside Go, Boost.Fiber, may and tokio: tables and plots in target/bench; half an hour and more
	@scripts/deps.sh bench
	python3 benches/run.py
	python3 benches/python.py

bench-quick: lib ## the same, small, in under three minutes: shows that they work
	@scripts/deps.sh bench
	python3 benches/run.py --quick
	python3 benches/python.py --quick

fmt: ## formats Rust and Python
	cargo fmt
	cargo fmt --all --manifest-path benches/rust/Cargo.toml
	@scripts/deps.sh test
	target/venv/bin/ruff format --config scripts/ruff.toml --exclude target .

clean: ## removes target/, with everything built and fetched
	rm -rf target
