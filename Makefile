# `make help` lists what can be done here.
CARGO ?= cargo
SERVER ?= 127.0.0.1:1234
LISTEN ?= 127.0.0.1:1234
NAME ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run-server run-client demo test check model picture doc faults soak lesson bench compare

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The descriptor limit goes up to what the system allows, because each member takes two.
run-server: ## start a room here (LISTEN=HOST:PORT, ARGS="more flags")
	@ulimit -n "$$(ulimit -Hn)"; exec $(CARGO) run --release --quiet --package chat-server -- --listen $(LISTEN) $(ARGS)

run-client: ## join a room (NAME=name, SERVER=HOST:PORT, ARGS="more flags")
	@exec $(CARGO) run --release --quiet --package chat-client -- --server $(SERVER) $(if $(NAME),--name $(NAME)) $(ARGS)

demo: ## watch a server and three clients talk, in one terminal, under 20 s
	@$(CARGO) run --quiet --package chat-tests --bin demo

test: ## run all the tests
	$(CARGO) test

check: ## format, lints, tests, model, docs: what CI runs, with warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) test
	$(MAKE) model
	$(MAKE) doc

# On its own, because the feature puts the model checker's locks in the place of std's.
model: ## try the orders in which broadcaster and recipient can meet
	$(CARGO) test --package chat-server --features model,seeded-bugs --lib model::

picture: ## draw the picture of a session in the README again
	$(CARGO) run --quiet --package chat-tests --bin picture

doc: ## build the documentation, warnings as errors
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" $(CARGO) doc --no-deps --document-private-items --package chat-common --package chat-server --package chat-client

faults: ## measure what faults cost the others; prints a table, takes about 3 minutes
	@ulimit -n "$$(ulimit -Hn)"; $(CARGO) run --release --package chat-tests --bin faults
	CHAT_ROUNDS=100 $(CARGO) test --release --package chat-tests --test it -- signal_under_load killed_again

soak: ## ten minutes of joins, leaves and random faults, checked
	$(CARGO) run --release --package chat-tests --bin soak

lesson: ## run the experiments that the README names; what needs Go is skipped without it
	$(CARGO) build --release --package chat-server
	$(CARGO) run --release --package chat-bench -- experiment all

bench: ## measure the server (Rust only)
	@ulimit -n "$$(ulimit -Hn)"; $(CARGO) build --release --package chat-server && $(CARGO) run --release --package chat-bench -- bench $(ARGS)

compare: ## measure it beside the Go twin, ngircd, Redis and NATS, where they are installed
	@ulimit -n "$$(ulimit -Hn)"; $(CARGO) build --release --package chat-server && $(CARGO) run --release --package chat-bench -- compare $(ARGS)
