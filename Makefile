# `make` alone lists what there is.

.DEFAULT_GOAL := help
.PHONY: help run replay test check format deny reset

help: ## What there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start the whole system here, with a demo in it, and say how to sell a coffee
	cargo run --package local -- $(ARGS)

replay: ## Sell a file's lunches to a running system and audit: FILE=path.csv [DAY=2017-02-04] [RATE=n|max]
	@test -n "$(FILE)" || { echo "make replay FILE=path.csv [DAY=2017-02-04] [RATE=n|max]"; exit 2; }
	cargo run --quiet --package loadtest -- replay --file "$(FILE)" $(if $(DAY),--day $(DAY)) $(if $(RATE),--rate $(RATE))

test: check ## Everything: formatting, lints, unit and system tests
	cargo test --workspace

check: ## Formatting and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings

format: ## Format the code
	cargo fmt --all

deny: ## Licences, sources, bans and advisories of what this stands on (needs cargo-deny)
	cargo deny check

reset: ## Forget what the local system keeps in .local
	rm -rf .local
