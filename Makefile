# `make` alone lists what there is.

.DEFAULT_GOAL := help
.PHONY: help run replay test simulate mutants check format deny reset

help: ## What there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start the whole system here, with a demo in it, and say how to sell a coffee
	cargo run --package local -- $(ARGS)

replay: ## Sell a file's lunches to a running system and audit: FILE=path.csv [DAY=2017-02-04] [RATE=n|max]
	@test -n "$(FILE)" || { echo "make replay FILE=path.csv [DAY=2017-02-04] [RATE=n|max]"; exit 2; }
	cargo run --quiet --package loadtest -- replay --file "$(FILE)" $(if $(DAY),--day $(DAY)) $(if $(RATE),--rate $(RATE))

test: check ## Everything: formatting, lints, unit and system tests, a thousand simulated lunches
	cargo test --workspace
	$(MAKE) simulate

SIMULATE = cargo run --quiet --profile sim --package tests --bin simulate
SEEDS = 1000

simulate: ## Simulated lunches in which everything goes wrong: SEEDS=1000 [FROM=0], or one in full: SEED=7
	$(SIMULATE) -- $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --from $(or $(FROM),0))

mutants: ## Plants one bug after the other and simulates until each is caught, or shows how one is: PLANT=StaleDecision
	$(SIMULATE) --features planted-bugs -- $(if $(PLANT),--plant $(PLANT),--mutants) --seeds $(SEEDS)

check: ## Formatting and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings

format: ## Format the code
	cargo fmt --all

deny: ## Licences, sources, bans and advisories of what this stands on (needs cargo-deny)
	cargo deny check

reset: ## Forget what the local system keeps in .local
	rm -rf .local
