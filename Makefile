# `make help` lists what can be done here.
CARGO ?= cargo
SERVER ?= 127.0.0.1:1234
LISTEN ?= 127.0.0.1:1234
NAME ?=
ARGS ?=
N ?=
GO ?=
TRACE ?=
JOURNAL ?=
CLOSED ?=
# The client has its editor, and both have what a closed room needs where CLOSED=1 asks for one.
features = --features chat-client/edit$(if $(CLOSED),$(comma)chat-server/closed$(comma)chat-client/closed)
# Where cargo puts what it builds.
TARGET = $(or $(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := help
.PHONY: help run-server run-client run-web demo test check release-test nightly model picture doc faults soak lesson bench compare \
	step start judge course course-fetch course-pictures

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Builds, and says so once, only where there is something to build. Cargo's lines about single packages are left
# out, and warnings and errors are shown. $(1): what is built, and how long it takes. $(2): arguments of cargo build.
define build
@{ $(CARGO) build $(2) 2>&1 || echo "error: the build has failed"; } | { said=; failed=0; \
	while IFS= read -r line; do \
		case "$$line" in \
		*" Compiling "*) [ "$$said" ] || echo "Building $(1) ..." >&2; said=yes;; \
		*" Finished "*|*" Fresh "*|*" Blocking waiting for file lock on package cache"*) ;; \
		*) echo "$$line" >&2;; \
		esac; \
		case "$$line" in error*) failed=1;; esac; \
	done; exit $$failed; }
endef
comma := ,
build-programs = $(call build,the server and the client: about a minute the first time,\
	--release --package chat-server --package chat-client $(features))

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

# Without LISTEN the page is for this machine alone, and not at the port of the server.
run-web: ## let browsers into a room (LISTEN=0.0.0.0:8080, SERVER=HOST:PORT, CLOSED=1, ARGS="more flags")
	$(call build,the gateway: about a minute the first time,--release --package chat-web \
		$(if $(CLOSED),--features chat-web/closed))
	@$(call run,$(TARGET)/release/chat-web --server $(SERVER) $(if $(filter-out file,$(origin LISTEN)),--listen $(LISTEN)) $(ARGS))

demo: ## watch a server and three clients talk, in one terminal: a few seconds
	$(call build,the server$(comma) the client and the demo: about a minute the first time,\
		--package chat-tests --bins)
	@exec $(TARGET)/debug/demo

test: ## run the tests of the default build
	$(CARGO) test

# One build for the three kinds of room: a closed room costs nobody anything who does not ask for it.
CLOSED_BUILD = --features chat-tests/closed
# With the editor, too. The feature closed of the tests means that of the three packages.
FULL_BUILD = --features chat-tests/closed,chat-tests/edit
SCENARIOS = $(CARGO) test $(CLOSED_BUILD) --test it --
# What has no room, or only those of its own, is the same in each kind of room.
WITHOUT_ROOM = --skip arrows:: --skip closed_ --skip picture:: --skip readme:: --skip tidy::
# What does not know of features, and what does not know of the editor.
WITHOUT_FEATURES = --skip log:: --skip order:: --skip delivery::
WITHOUT_EDITOR = $(WITHOUT_FEATURES) --skip handshake:: --skip wire::

# The packages of the usual build. What is tested beside them is chosen by target and not by package: cargo gives
# packages that are built alone other features of what they share, and builds ring and all above it again.
USUAL = chat-common chat-server chat-client chat-tests
COURSE = $(CLOSED_BUILD) $(patsubst %,--package %,$(USUAL) course-kit course-judge)
COURSE_TESTS = $(patsubst tests/course/judge/tests/%.rs,--test %,$(wildcard tests/course/judge/tests/*.rs))

GATEWAY_TEST = $(CARGO) test $(CLOSED_BUILD) --features chat-web/closed $(patsubst %,--package %,$(USUAL) chat-web)

# What is packed, installed and started by make, and what the pages of the course let a person type. The pages wait for
# seconds, as a person does, so the gate leaves them to the nightly run.
RELEASE_TEST = $(CARGO) test $(FULL_BUILD) --test release --

# How many steps the gate has, or the nightly run with the gate.
STEPS = $(shell awk '/^[a-z-]+:/ { on = /^check:/ || /^nightly:/ && "$(filter nightly,$(MAKECMDGOALS))" } \
	on && /call step,/ { n++ } END { print n }' $(firstword $(MAKEFILE_LIST)))
# A step of the gate. $(1): what it does. $(2): the command. A terminal sees which one it is.
define step
@number=; [ ! -t 1 ] || number=" ($$(($$(cat $(TARGET)/steps 2>/dev/null | wc -l) + 1)) of $(STEPS))"; \
	echo "==> $(1)$$number"; began=$$(date +%s); { $(2); } || exit 1; \
	echo "$$(($$(date +%s) - began)) s  $(1)" >>$(TARGET)/steps
endef

# The benchmarks and the course know nothing of the features, so the first lints are enough for them.
check: ## format, lints, tests, model, docs: what CI runs, with warnings as errors; says what took how long
	@mkdir -p $(TARGET); rm -f $(TARGET)/steps
	$(call step,format,$(CARGO) fmt --all --check)
	$(call step,lints of the default build,$(CARGO) clippy --workspace --all-targets -- -D warnings)
	$(call step,lints with all features,$(CARGO) clippy --all-targets $(FULL_BUILD) -- -D warnings && \
		$(CARGO) clippy $(FULL_BUILD) --test release -- -D warnings)
	$(call step,build,$(CARGO) test $(CLOSED_BUILD) --no-run)
	$(call step,tests,$(CARGO) test $(CLOSED_BUILD))
	$(call step,scenarios in rooms with a journal,CHAT_ROOM=journal $(SCENARIOS) $(WITHOUT_ROOM))
	$(call step,scenarios in closed rooms,CHAT_ROOM=closed $(SCENARIOS) $(WITHOUT_ROOM))
	$(call step,tests of the editor,$(CARGO) test $(FULL_BUILD) --lib --test editor -- $(WITHOUT_EDITOR))
	$(call step,the gateway and its guests,$(GATEWAY_TEST) --bin chat-web --test http)
	$(call step,tests of the default build,$(CARGO) test --package chat-common --package chat-server \
		--package chat-client --lib --bins -- $(WITHOUT_FEATURES))
	$(call step,model,$(MAKE) model)
	$(call step,the servers of the course,$(CARGO) build $(COURSE) --example real-server && \
		$(CARGO) test $(COURSE) --lib $(COURSE_TESTS) -- $(WITHOUT_EDITOR))
	$(call step,docs,$(MAKE) doc)
	$(call step,packing and installing,$(RELEASE_TEST) --skip course::)
	$(times)

times = @echo; cat $(TARGET)/steps; awk '{ all += $$1 } END { print all " s  in all" }' $(TARGET)/steps

release-test: ## test what is packed, installed and started by make: builds the programs as a user gets them
	$(RELEASE_TEST)

nightly: check ## the gate, and all that takes too long for each change: about an hour
	$(call step,tests as somebody types them,$(CARGO) test)
	$(call step,guests in real browsers,$(GATEWAY_TEST) --test browser -- --test-threads 3)
	$(call step,packing$(comma) installing and the course,$(MAKE) release-test)
	$(call step,the experiments,$(MAKE) lesson)
	$(call step,what faults cost,$(MAKE) faults)
	$(call step,a million changed requests to the gateway,CHAT_REQUESTS=1000000 $(GATEWAY_TEST) --test http -- \
		requests_that_are_changed)
	$(call step,soak,$(MAKE) soak)
	$(call step,soak of a closed room with a journal,CHAT_ROOM=closed$(comma)journal $(MAKE) soak)
	$(times)

# The programs of the harness and those that it runs. $(1): further arguments of cargo build.
harness = $(CARGO) build --package chat-tests --bins $(1)

# What a run of the harness with CHAT_ROOM=closed is built with.
ROOM = $(if $(findstring closed,$(CHAT_ROOM)),$(CLOSED_BUILD))

# On its own, because the feature puts the model checker's locks in the place of std's.
model: ## try the orders in which broadcaster and recipient can meet
	$(CARGO) test --package chat-server --features model,seeded-bugs --lib model::

picture: ## draw the moving picture of a session in the README again
	$(call harness,--quiet) && $(TARGET)/debug/picture

doc: ## build the documentation, warnings as errors
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" $(CARGO) doc --no-deps --document-private-items --package chat-common --package chat-server --package chat-client --features chat-client/edit,chat-server/closed,chat-client/closed

faults: ## measure what faults cost the others; prints a table, takes about 7 minutes
	$(call harness,--release $(ROOM))
	@ulimit -n "$$(ulimit -Hn)"; $(TARGET)/release/faults
	$(call harness,--release $(CLOSED_BUILD))
	$(TARGET)/release/faults guesses
	CHAT_ROUNDS=100 $(CARGO) test --release --package chat-tests $(ROOM) --test it -- signal_under_load killed_again
	CHAT_ROUNDS=200 $(CARGO) test --release --package chat-tests $(ROOM) --test it -- journal::a_server_that_is_killed
	CHAT_CRASHES=100000 $(CARGO) test --release --package chat-server --lib -- journal::tests::histories::no_history

soak: ## ten minutes of joins, leaves and random faults, checked
	$(call harness,--release $(ROOM))
	$(TARGET)/release/soak

# One build for the judge, which runs the experiments, and for the scenarios, which some of them are.
build-lesson = $(call build,the judge and the scenarios: about two minutes the first time,\
	--package course-judge --package chat-tests --bin course-judge --test it)

lesson: ## run the experiments of the table of ideas in tests/README.md, or one (N=threads); skips what is not installed
	$(build-lesson)
	@$(TARGET)/debug/course-judge lesson $(N)

# A step of the course has a number, and an exercise a letter behind it: 2, 2B. Its folder, and its program.
course = $(or $(wildcard tests/course/$(or $(N),none)-*),$(wildcard tests/course/mine/$(or $(N),none)),\
	$(error there is no step "$(N)"; try N=1, and after "make start N=2B" also N=2B))
course-program = $(if $(findstring /mine/,$(course)),mine-$(shell echo $(N) | tr A-Z a-z),course-step-$(N))
course-build = $(if $(findstring /mine/,$(course)),--target-dir $(TARGET) --manifest-path $(course)/Cargo.toml,\
	--package $(course-program))

step: ## run a step of the course (N=1, GO=1, TRACE=1, LISTEN=HOST:PORT)
ifeq ($(GO),)
	$(call build,$(notdir $(course)): about a minute the first time,$(course-build))
	@mkdir -p $(TARGET)/course; $(call run,$(TARGET)/debug/$(course-program) --listen $(LISTEN) $(if $(TRACE),--trace $(TARGET)/course/$(N).json))
else
	@command -v go >/dev/null || { echo "There is no Go here: see https://go.dev/dl" >&2; exit 1; }
	@mkdir -p $(TARGET)/course; cd $(course)/go && go build -o $(abspath $(TARGET))/course/go-$(N) .
	@$(call run,$(TARGET)/course/go-$(N) -listen $(LISTEN) $(if $(TRACE),-trace $(TARGET)/course/go-$(N).trace))
endif

start: ## copy the start of an exercise of the course to tests/course/mine (N=2B)
	@tests/course/start.sh "$(N)" "$(abspath $(TARGET))"

# What judges the servers of the course. It builds those itself.
build-judge = $(call build,the judge: about a minute the first time,--package course-judge --bin course-judge)

judge: ## say what is wrong with a server of the course (N=2, N=2B, N=mine, GO=1, PROGRAM="any server --listen {}")
	$(build-judge)
	@$(TARGET)/debug/course-judge judge $(if $(PROGRAM),--program "$(PROGRAM)","$(if $(GO),go-)$(N)")

course: ## judge all servers of the course, and compare them with their pages (ROUNDS=100)
	$(build-judge)
	@$(TARGET)/debug/course-judge course $(if $(ROUNDS),--rounds $(ROUNDS))

course-fetch: ## load and build all that the course needs: minutes; afterwards nothing needs a network
	$(CARGO) fetch --locked --target $(FOR)
	$(build-programs)
	$(build-lesson)
	$(CARGO) test --quiet --no-run --package chat-server --features model,seeded-bugs --lib
	$(build-judge)
	@$(TARGET)/debug/course-judge build

course-pictures: ## draw a message's way through each step of the course again
	$(build-judge)
	@$(TARGET)/debug/course-judge pictures

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
# What a closed room needs has parts in C. For a static program they need another compiler than the usual one.
DIST_COMPILERS = $(CC_$(subst -,_,$(FOR))) $(subst unknown-,,$(FOR))-gcc $(if $(filter $(shell uname -m)-%,$(FOR)),musl-gcc)

.PHONY: dist
dist: ## pack both programs for machines without Rust, with install.sh (FOR=x86_64-unknown-linux-musl)
ifneq ($(filter %-musl,$(FOR)),)
	@for compiler in $(DIST_COMPILERS); do command -v $$compiler >/dev/null && exit; done; \
	echo "There is no C compiler for $(FOR): install the package musl-tools (Debian, Ubuntu), musl-gcc (Fedora)" \
		"or musl (Arch), or name one in CC_$(subst -,_,$(FOR))." >&2; exit 1
endif
	RUSTFLAGS="$(DIST_RUSTFLAGS)" $(CARGO) build --locked --release --target $(FOR) --package chat-server --package chat-client --features chat-server/closed,chat-client/closed,chat-client/edit
	$(CARGO) run --quiet --package chat-tests --bin dist -- $(FOR) $(TARGET)/$(FOR)/release $(TARGET)/dist
