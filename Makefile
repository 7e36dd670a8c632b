# The rack: what a newcomer types. `make` alone lists it.

STACK ?= dev
# The dev stack's secrets open nothing but the embedded lab.
export PULUMI_CONFIG_PASSPHRASE ?= $(if $(filter dev,$(STACK)),lab,)
export UV_NATIVE_TLS := 1
# Compiled tests are kept between runs: pytest takes seconds to compile them.
unexport PYTHONDONTWRITEBYTECODE

PYTHON := .venv/bin/python
ENV = eval "$$(python3 engine/build.py env)"
# Names the command that settles what a killed `up` has left, if there is anything.
RECOVER = $(PYTHON) -m rack recover --stack $(STACK) --hint
PULUMI = $(ENV) && pulumi --stack $(STACK)

# Says what comes and how long it took: $(call step,what,command)
step = @printf '\033[1m==> %s\033[0m\n' "$(1)"; begin=$$(date +%s); { $(2); } && echo "==> $@: $$(( $$(date +%s) - begin )) s"

.DEFAULT_GOAL := help
.PHONY: fast-tests help up preview diff refresh destroy engine lab lab-status lab-stop check test lint coverage mutants chaos lock env bench

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: engine lab stack ## Deploy the rack on the embedded lab: engine, lab, pulumi up (STACK=dev)
	$(call step,pulumi up: the guide's rack on stack $(STACK),$(ENV) && { $(PYTHON) -m engine.progress up $(PYTHON) -m engine.shown pulumi up --stack $(STACK) --yes --skip-preview || { $(RECOVER); false; }; })

preview: engine stack ## Show what `up` would change
	$(call step,pulumi preview on stack $(STACK),$(ENV) && pulumi preview --stack $(STACK) --diff)

diff: engine stack ## Show what `up` would change as a review: interruptions first
	$(call step,rack diff on stack $(STACK),$(ENV) && $(PYTHON) -m rack diff --stack $(STACK))

refresh: engine stack ## Look for drift
	$(call step,pulumi refresh on stack $(STACK),$(ENV) && pulumi refresh --stack $(STACK) --yes)

# After an interrupt, pulumi exits with 0 although resources remain (docs/failures.md).
destroy: engine stack ## Take everything down again
	$(call step,pulumi destroy on stack $(STACK),$(ENV) && { trap : INT; \
	  pulumi destroy --stack $(STACK) --yes; done=$$?; $(PYTHON) -m engine.remaining $(STACK) && (exit $$done); })

engine: .venv/ready ## The Pulumi engine: a released one where there is one; built from Go modules otherwise
	$(call step,engine: Pulumi and its plugins,$(PYTHON) engine/build.py)

lab: .venv/ready ## Start the embedded lab: fabric, UFM, cloud, hosts
	$(call step,lab: fabric$(comma) UFM$(comma) cloud and hosts on loopback,$(PYTHON) -m lab start)

lab-status: .venv/ready ## What runs, and the tail of the log of what should but does not
	@$(PYTHON) -m lab status

lab-stop: .venv/ready ## Stop the lab; its state stays in .lab/
	$(call step,lab-stop: ending the lab's processes,$(PYTHON) -m lab stop)

# Two processes, to which tests/conftest.py deals the tests out. The lab ends after an interrupt, too.
test: engine lab-stop ## All tests; they take the lab for themselves, whole and part by part
	$(call step,test: what the lab needs$(comma) then pytest,\
	  $(PYTHON) -m lab install && $(ENV) && { trap : INT; $(PYTHON) -m engine.progress test $(PYTHON) -m pytest -n 2; tests=$$?; $(PYTHON) -m lab stop; [ $$tests = 0 ]; })

# The checks are those of .pre-commit-config.yaml; all of them are tools of .venv.
lint: .venv/ready ## Style, spelling, Markdown and types: all hooks of .pre-commit-config.yaml
	$(call step,lint: the hooks of pre-commit,.venv/bin/pre-commit run --all-files --show-diff-on-failure)

# Three processes and lint beside them, because the tests wait a third of the time. Each output is shown as a whole.
check: .venv/ready ## What to run before each commit: lint and the fast tests (no lab, engine or Wallaby tools); under two minutes
	$(call step,check: lint and the fast tests,$(MAKE) --no-print-directory -j2 -Otarget lint fast-tests)

fast-tests: .venv/ready
	@$(PYTHON) -m pytest -n 3 -q -m fast

coverage: .venv/ready ## Coverage of the product by the fast tests; TESTS= selects others, e.g. TESTS="tests/providers"
	$(call step,coverage: the tests$(comma) measured,\
	  $(PYTHON) -m pytest -n 2 -q --cov --cov-report=term:skip-covered $(or $(TESTS),-m fast))

mutants: .venv/ready ## Change the product in small ways and look whether the fast tests notice; at most 20 minutes
	$(call step,mutants: 2 at a time,$(PYTHON) -m tests.mutation)

chaos: engine ## Disturb deployments in every way: hours, resumable; ONLY=REGEX selects cases, FRESH=1 repeats passed ones
	$(call step,chaos: disturbances of the guide's rack,$(PYTHON) -m lab install && $(ENV) && \
	  $(PYTHON) -m tests.chaos $(if $(ONLY),--only '$(ONLY)') $(if $(FRESH),--fresh))

bench: engine ## Measure; results go to benchmarks/results.md. BENCH=rebuild: 20 times destroy and rebuild, half an hour
	$(call step,bench,$(ENV) && $(PYTHON) -m benchmarks $(BENCH))

env: ## Shell exports for calling pulumi yourself: eval "$(make -s env)"
	@python3 engine/build.py env; echo "export PULUMI_CONFIG_PASSPHRASE=$$PULUMI_CONFIG_PASSPHRASE"

resolve = .venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-strip-extras --python-version 3.11 --no-annotate \
  --custom-compile-command 'make lock'

lock: .venv/ready ## Resolve pyproject.toml into requirements.lock, with hashes; the Wallaby tools' too
	$(call step,lock: resolving,$(resolve) --all-extras pyproject.toml -o requirements.lock && cd rack/wallaby && \
	  ../../$(resolve) --overrides overrides.in requirements.in -o requirements.lock && \
	  ../../$(resolve) templates.in -o templates.lock)

.PHONY: stack
stack:
	@$(ENV) && { pulumi stack select $(STACK) 2>/dev/null || pulumi stack init $(STACK) --secrets-provider passphrase; }

.venv/ready: requirements.lock
	$(call step,.venv: locked packages,\
	  { python3 -c 'import ensurepip' 2>/dev/null || { apt-get update -qq && apt-get install -y -qq python3-venv; }; } \
	  && python3 -m venv .venv && .venv/bin/pip install -q --require-hashes -r requirements.lock && touch $@)

comma := ,
