# `make help` lists what can be done here.
CARGO ?= cargo
SERVER ?= 127.0.0.1:1234
LISTEN ?= 127.0.0.1:1234
NAME ?=
ARGS ?=
JOURNAL ?=
CLOSED ?=
# What a closed room needs, where CLOSED=1 asks for one.
closed-features = $(if $(CLOSED),--features chat-server/closed$(comma)chat-client/closed)
# Where cargo puts what it builds.
TARGET = $(or $(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := help
.PHONY: help run-server run-client demo test check rooms model picture doc faults soak lesson bench compare

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Builds, and says so once, only where there is something to build. Cargo's lines about single packages are left
# out, and warnings and errors are shown. $(1): what is built, and how long it takes. $(2): arguments of cargo build.
define build
@{ $(CARGO) build $(2) 2>&1 || echo "error: the build has failed"; } | { said=; failed=0; \
	while IFS= read -r line; do \
		case "$$line" in \
		*" Compiling "*) [ "$$said" ] || echo "Building $(1) ..." >&2; said=yes;; \
		*" Finished "*|*" Fresh "*) ;; \
		*) echo "$$line" >&2;; \
		esac; \
		case "$$line" in error*) failed=1;; esac; \
	done; exit $$failed; }
endef
comma := ,
build-programs = $(call build,the server and the client: about a minute the first time,\
	--release --package chat-server --package chat-client $(closed-features))

# Ctrl-C is how a person ends a program, and no error that make has to report. The shell gets the signal too, and
# must outlive the program to say so. A program that Ctrl-C ends at once has the code 130.
run = trap : INT; $(1); code=$$?; [ $$code -eq 130 ] || exit $$code

# A closed room has a passphrase of its own making, unless a file of ARGS has one.
run-server: ## start a room here (LISTEN=HOST:PORT, JOURNAL=folder, CLOSED=1, ARGS="more flags")
	$(build-programs)
	@$(call run,$(TARGET)/release/chat-server --listen $(LISTEN) $(if $(JOURNAL),--journal $(JOURNAL)) $(if $(CLOSED),$(if $(findstring --passphrase-file,$(ARGS)),,--closed)) $(ARGS))

run-client: ## join a room (NAME=name, SERVER=HOST:PORT, CLOSED=1, ARGS="more flags")
	$(build-programs)
	@$(call run,$(TARGET)/release/chat-client --server $(SERVER) $(if $(NAME),--name $(NAME)) $(ARGS))

# The demo asks for both programs again, so it names the packages as its harness does (tests/src/process.rs).
demo: ## watch a server and three clients talk, in one terminal: a few seconds
	$(call build,the server$(comma) the client and the demo: about a minute the first time,\
		--package chat-server --package chat-client --package chat-tests \
		--bin chat-server --bin chat-client --bin demo)
	@exec $(TARGET)/debug/demo

test: ## run all the tests
	$(CARGO) test

# The feature closed of the three packages. That of the tests means these.
ALL_CLOSED = chat-common/closed,chat-server/closed,chat-client/closed

check: ## format, lints, tests, model, docs: what CI runs, with warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --package chat-client --all-targets --features edit -- -D warnings
	$(CARGO) clippy --workspace --all-targets --features chat-tests/closed -- -D warnings
	$(CARGO) test
	$(CARGO) test --package chat-client --features edit --lib
	$(CARGO) test --package chat-common --package chat-server --package chat-client --features $(ALL_CLOSED) --lib --bins
	$(MAKE) rooms
	$(MAKE) model
	$(MAKE) doc

# What a run of the harness with CHAT_ROOM=closed is built with.
ROOM = $(if $(findstring closed,$(CHAT_ROOM)),--features closed)

# What has no room, or only those of the READMEs, is the same in each kind of room.
WITHOUT_ROOM = --skip arrows:: --skip dist:: --skip picture:: --skip readme:: --skip tidy::

rooms: ## run the scenarios twice more: in rooms with a journal, and in closed rooms
	CHAT_ROOM=journal $(CARGO) test --package chat-tests --test it -- $(WITHOUT_ROOM)
	CHAT_ROOM=closed $(CARGO) test --package chat-tests --features closed --test it -- $(WITHOUT_ROOM)

# On its own, because the feature puts the model checker's locks in the place of std's.
model: ## try the orders in which broadcaster and recipient can meet
	$(CARGO) test --package chat-server --features model,seeded-bugs --lib model::

picture: ## draw the picture of a session in the README again
	$(CARGO) run --quiet --package chat-tests --bin picture

doc: ## build the documentation, warnings as errors
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" $(CARGO) doc --no-deps --document-private-items --package chat-common --package chat-server --package chat-client --features chat-client/edit,$(ALL_CLOSED)

faults: ## measure what faults cost the others; prints a table, takes about 7 minutes
	@ulimit -n "$$(ulimit -Hn)"; $(CARGO) run --release --package chat-tests $(ROOM) --bin faults
	$(CARGO) run --release --package chat-tests --features closed --bin faults guesses
	CHAT_ROUNDS=100 $(CARGO) test --release --package chat-tests $(ROOM) --test it -- signal_under_load killed_again
	CHAT_ROUNDS=200 $(CARGO) test --release --package chat-tests $(ROOM) --test it -- journal::a_server_that_is_killed
	CHAT_CRASHES=100000 $(CARGO) test --release --package chat-server --lib -- journal::tests::histories::no_history

soak: ## ten minutes of joins, leaves and random faults, checked
	$(CARGO) run --release --package chat-tests $(ROOM) --bin soak

lesson: ## run all rows of the table of ideas in tests/README.md; what needs Go or Python is skipped without it
	@echo "Building the server and the experiments: about two minutes the first time ..."
	$(CARGO) build --release --package chat-server
	$(CARGO) run --release --package chat-bench -- experiment all

bench: ## measure the server (Rust only)
	@ulimit -n "$$(ulimit -Hn)"; $(CARGO) build --release --package chat-server && $(CARGO) run --release --package chat-bench -- bench $(ARGS)

compare: ## measure it beside the Go twin, ngircd, Redis and NATS, where they are installed, without and with TLS
	@ulimit -n "$$(ulimit -Hn)"; $(CARGO) build --release --package chat-server && \
	for plan in compare closed; do $(CARGO) run --release --package chat-bench -- $$plan $(ARGS) || exit 1; done

# For which machine: this one, where nothing else is said. An archive for x86_64-unknown-linux-musl runs on each
# Linux of that kind.
FOR ?= $(shell rustc -vV | sed -n 's/^host: //p')
# Panics name files of the registry and of this folder. Their names must not depend on who packs.
DIST_RUSTFLAGS = --remap-path-prefix=$${CARGO_HOME:-$$HOME/.cargo}=cargo --remap-path-prefix=$(CURDIR)=rpc-chat

.PHONY: dist
dist: ## pack both programs, the client with its editor, man pages and completions (FOR=x86_64-unknown-linux-musl)
	RUSTFLAGS="$(DIST_RUSTFLAGS)" $(CARGO) build --locked --profile dist --target $(FOR) --package chat-server --package chat-client --features chat-client/edit
	$(CARGO) run --quiet --package chat-tests --bin dist -- $(FOR) $(TARGET)/$(FOR)/dist $(TARGET)/dist
