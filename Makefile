# What one does with this tree. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help setup setup-test setup-bench test-sentence-transformers test-voices demo up doctor test check check-api check-deploy check-security licences sbom fix unit integration plans e2e cluster chaos crash-points chaos-seeds bench bench-api bench-phone bench-recordings bench-knowledge migrate pictures web lock clean

PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
CODE := agents bench control_plane guard knowledge parley pocket sip tests tools alembic
UP := $(if $(DATA),--data $(DATA)) $(if $(PORT),--port $(PORT)) $(if $(READY),--ready $(READY))
SIP := $(if $(SIP_HOST),--sip-host $(SIP_HOST))

help: ## List the targets
	@grep -hE '^[a-z][a-z0-9-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):[^#]*## (.*)/  \1\t\2/' | expand -t 16

setup: ## Install what is missing: packages, .venv, livekit-server, pages
	@$(PYTHON) tools/setup.py

setup-test:
	@$(PYTHON) tools/setup.py --test

setup-bench:
	@$(PYTHON) tools/setup.py --bench

demo: setup ## Start everything and listen to a scripted call (ONCE=1 leaves after it; DATA=, PORT=)
	@$(BIN)/parley demo $(UP) $(if $(filter-out 0,$(ONCE)),--once)

up: setup ## Start everything and stay up (DATA=, PORT=, READY=, SIP_HOST=)
	@$(BIN)/parley up $(UP) $(SIP)

doctor: ## Tell what is missing or wrong on this machine
	@$(BIN)/parley doctor $(if $(DATA),--data $(DATA))

test: setup-test ## Set up and run every check and test that needs no account; of those of the whole platform one of each kind
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory unit
	$(PYTEST) tests/integration -m "not slow" -n 2 --dist loadfile --durations 40
	$(PYTEST) tests/e2e -m smoke

check: ## Lint, formatting, types, import contracts, rules of security, licences
	$(BIN)/ruff check $(wildcard $(CODE))
	$(BIN)/ruff format --check $(wildcard $(CODE))
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r agents control_plane guard knowledge parley pocket sip
	$(BIN)/python tools/rules.py
	$(BIN)/python tools/licences.py --check

check-api: setup-test ## Search for answers that the API does not describe (READY=, ARGS=)
	$(BIN)/python -m tools.check_api $(if $(READY),--ready $(READY)) $(ARGS)

check-security: setup-test ## Try everything that is promised of security, in full, which takes an hour: a line each, what was tried and what was found (ARGS="--only secrets", QUICK=1)
	$(BIN)/python tools/check_security.py $(if $(QUICK),--samples) $(ARGS)

licences: setup-test ## Check the licences of what is installed and write docs/licences.md
	$(BIN)/python tools/licences.py

sbom: setup-test ## Write what Parley is made of: sbom.json, CycloneDX (FILE=)
	$(BIN)/python tools/sbom.py $(FILE)

fix: ## Mend what the linter and the formatter can
	$(BIN)/ruff check --fix $(wildcard $(CODE))
	$(BIN)/ruff format $(wildcard $(CODE))

unit: ## Tests without a process, seconds
	$(PYTEST) tests/unit $(ARGS)
	cd web && npm test --silent

integration: ## Tests with real PostgreSQL, Redis, livekit-server
	$(PYTEST) tests/integration $(ARGS)

plans: setup-test ## Explain every statement that the integration tests have the control plane send; none may read a whole table
	rm -f .cache/plans.txt && mkdir -p .cache
	PARLEY_PLANS=$(CURDIR)/.cache/plans.txt $(PYTEST) tests/integration -n 2 --dist loadfile $(ARGS)
	cat .cache/plans.txt

e2e: ## Tests with the whole platform: spoken calls, a browser
	$(PYTEST) tests/e2e $(ARGS)

cluster: setup-test ## Calls on two livekit-servers, two control planes and three workers, of which one after the other is lost
	$(PYTEST) tests/e2e/test_cluster.py $(ARGS)

chaos: setup-test ## Calls on real servers of which everything is killed, frozen and cut by a seed (SEED=1, MINUTES=30, ARGS="--calls 18 --voices 2")
	$(BIN)/python -m tests.chaos --seed $(or $(SEED),1) --minutes $(or $(MINUTES),30) $(ARGS)

crash-points: setup-test ## Kill the platform at each of its crash points and look at what is left (ARGS="--only dial --list")
	$(BIN)/python -m tests.crash $(ARGS)

check-deploy: setup-test ## Build helm and read what is in deploy/ as it and Docker do: chart, compose file, LiveKit's configuration
	@$(PYTHON) tools/setup.py --deploy
	$(PYTEST) tests/unit/test_deploy.py tests/unit/test_compose.py tests/integration/stack/test_commands.py -rs $(ARGS)

test-sentence-transformers: setup-test ## Install the optional embedder (5 GB, apart) and compare its vectors
	@$(PYTHON) tools/setup.py --sentence-transformers
	.venv-sentence-transformers/bin/python -m pytest tests/extras/test_sentence_transformers.py $(ARGS)

test-voices: setup-test ## Install the optional providers of voices (apart) and check what they say to them
	@$(PYTHON) tools/setup.py --voices
	.venv-voices/bin/python -m pytest tests/extras/test_voices.py tests/extras/test_voice_meeting.py $(ARGS)

bench: setup-bench ## One table: bare limits, peers and ours, in an hour (QUICK=1: eight minutes; ONLY="token search"; docs/bench.md)
	$(BIN)/python -m bench table $(if $(filter-out 0,$(QUICK)),--quick) $(if $(ONLY),--only $(ONLY)) $(ARGS)

bench-api: ## Measure API, monitor and webhooks beside peers: each figure and what it should be, ten minutes (ARGS="--rounds 3")
	$(BIN)/python -m bench api fanout monitors webhooks $(ARGS)

bench-phone: ## Measure the SIP service: delay, calls at once, calls in a row
	$(BIN)/python -m bench phone $(ARGS)

bench-recordings: ## Measure the egress service and downloads: delay, recordings at once, alignment, kills, bytes a second
	$(BIN)/python -m bench recordings $(ARGS)
	$(BIN)/python -m bench downloads

bench-knowledge: ## Measure the knowledge bases: quality (DATA=folder of SQuAD 2), search at scale, ingest
	$(BIN)/python -m bench knowledge $(if $(DATA),--data $(DATA)) $(ARGS)

chaos-seeds: setup-test ## Play games of faults in stepped time (SEEDS=50; ARGS="--seed 7 --until 900" plays one again)
	$(BIN)/python -m tests.chaos.simulation --seeds $(or $(SEEDS),50) $(ARGS)

migrate: ## Write a migration from the models: make migrate m="rooms: remember who closed them"
	@$(BIN)/python tools/migration.py "$(m)"

pictures: setup-test ## Take the pictures of the console in docs/pictures anew (READY=)
	$(BIN)/python -m tools.pictures $(if $(READY),--ready $(READY))

web: ## Build the pages anew
	cd web && npm ci --silent && npm run build

lock: ## Resolve the dependencies of pyproject.toml anew into requirements.lock
	@$(PYTHON) tools/setup.py --lock

clean: ## Remove what was built in this tree (the cache folder stays)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache web/node_modules web/dist tools/newman/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
