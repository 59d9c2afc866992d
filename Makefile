# Each habit is one command; continuous integration calls the same ones.
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed

BENCH_VENV := .local/bench-venv
BENCH_STAMP := $(BENCH_VENV)/.installed
# checkov pins versions that the service does not, so it has an environment of its own
INFRA_VENV := .local/infra-venv
INFRA_STAMP := $(INFRA_VENV)/.installed
READERS_VENV := .local/readers-venv
READERS_STAMP := $(READERS_VENV)/.installed

# where it is set, as in many containers, every worker and every process of the tests compiles the project anew
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup lock demo run key picture package test test-long coverage lint check infra-check snapshots faults outages soak questions mutants proof bench readers docs clean
help:
	@echo "make demo   run the main job on sample data and compare every row (ARGS=--json for one JSON line)"
	@echo "make run    keep the local stack up until Ctrl-C"
	@echo "make key    print the function key of the stack that make run keeps up"
	@echo "make test   ruff, mypy, import-linter, then every story once: ten minutes on two cores"
	@echo "make test-long  the tests that make test leaves out: the same stories larger, and in other configurations"
	@echo "make check  the quick half: ruff, mypy, import-linter, and the templates of infra/"
	@echo "make infra-check  checkov on the templates, beside what make check does with them"
	@echo "make coverage  make test and make test-long, and which lines of the package no test reaches (ARGS='tests/unit' for some of it)"
	@echo "make snapshots  what each combination of parameters makes, by the Bicep compiler (ARGS=--check compares)"
	@echo "make faults a thousand seeded faults at every step (ARGS='--seed N --runs N --only FAULT --json')"
	@echo "make outages  each dependency away for ten minutes, before 300 jobs and 50 events (ARGS='--minutes N --jobs N --only NAME --json')"
	@echo "make soak   two hosts for ten minutes, killed and paused while people write (ARGS='--seconds N --seed N --json')"
	@echo "make questions  a thousand questions while chunks come and go (ARGS='--questions N --seed N --ledger PLACE --timescaledb')"
	@echo "make mutants  break the lines that guard the promise, one at a time: a test has to notice (ARGS='--only NAME')"
	@echo "make proof  search the model of the promise with spin (ARGS='--only WORDS --trails FOLDER'); docs/proof.md"
	@echo "make bench  the engine beside its peers (ARGS=--quick, ARGS=--json), the same work beside ever more archives (ARGS=--scale), the console beside 10,000 chunks (ARGS=--console), a commit to ever larger tables of the lake (ARGS=--commits), its memory by the shape of the rows (ARGS=--memory), two hosts beside one (ARGS=--hosts), or questions beside DuckDB and PostgreSQL (ARGS=--query, ARGS='--query --quick')"
	@echo "make readers  every engine on one table of the lake with every situation at once (ARGS='--only NAME --keep')"
	@echo "make picture  take the dashboard's picture for the README anew (needs Chromium)"
	@echo "make package  the zip that Azure runs without a build (.local/package.zip)"
	@echo "make docs   write the generated documents anew"
	@echo "make lock   write requirements.txt and requirements-dev.txt anew from their .in files (ARGS=--upgrade for newer ones)"
	@echo "make clean  remove everything local (.venv, .local)"

$(STAMP): requirements.txt requirements-dev.txt dev/find-python
	@test ! -L $(VENV) || { echo "$(VENV) is a link: setting it up would empty the environment it leads to. Remove the link first."; exit 1; }
	@python=$$(dev/find-python) && echo "Setting up $(VENV) with $$python" && "$$python" -m venv --clear $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

setup: $(STAMP)

demo: setup
	@$(PY) -m dev.demo $(ARGS)

run: setup
	@$(PY) -m dev.stack $(ARGS)

key: setup
	@$(PY) -m dev.stack.key

picture: setup
	@PAGE_PICTURES=docs $(PY) -m pytest -q -m slow tests/browser -k picture_for_the_readme

package: setup
	@$(PY) -m dev.package $(ARGS)

lint: setup
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-cache

check: lint
	@$(PY) -m pytest --quiet --no-header tests/infra

# tests wait for servers more than for the processor: five workers keep two cores busy
SIDE_BY_SIDE := -n 5 --dist loadgroup --no-loadscope-reorder

# the slowest tests are named, so that they stay few
test: lint
	@$(PY) -m pytest $(SIDE_BY_SIDE) --durations 40 $(ARGS)

# a change lands when both have passed; of what hypothesis invents, this one tries three times as much
test-long: setup
	@$(PY) -m pytest $(SIDE_BY_SIDE) --durations 40 -m "(slow or hypothesis) and not by_hand" --hypothesis-profile long $(ARGS)

# the tests of both; what the tests say counts; a report there is in any case
coverage: lint
	@rm -rf .local/coverage && mkdir -p .local/coverage
	@$(PY) -m coverage run -m pytest $(SIDE_BY_SIDE) -m "not by_hand" $(ARGS); status=$$?; \
	$(PY) -m coverage combine --quiet && $(PY) -m coverage html --quiet && \
	$(PY) -m coverage report --format markdown > .local/coverage/report.md; \
	$(PY) -m coverage report; echo ".local/coverage/html/index.html shows the lines"; exit $$status

$(INFRA_STAMP): infra/requirements.txt dev/find-python
	@python=$$(dev/find-python) && echo "Setting up $(INFRA_VENV)" && "$$python" -m venv --clear $(INFRA_VENV)
	@$(INFRA_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r infra/requirements.txt
	@touch $@

# checkov passes over what it cannot parse, and says so: that is a failure here. Its parser knows no types and no imports, so it gets the modules
# without them.
infra-check: setup $(INFRA_STAMP)
	@$(PY) -m pytest --quiet --no-header tests/infra
	@rm -rf .local/infra-untyped && $(PY) -m tests.infra.untyped .local/infra-untyped
	@out=$$($(INFRA_VENV)/bin/checkov -d .local/infra-untyped --framework bicep --compact --quiet --skip-download); status=$$?; echo "$$out"; \
	case "$$out" in *"Parsing errors"*) exit 1;; esac; exit $$status

# what each combination of parameters makes, by the compiler (az bicep install); ARGS=--check compares
snapshots: setup
	@$(PY) -m tests.infra.compiler $(ARGS)

faults: setup
	@$(PY) -m tests.faults $(ARGS)

outages: setup
	@$(PY) -m tests.outages $(ARGS)

soak: setup
	@$(PY) -m tests.soak $(ARGS)

mutants: setup
	@$(PY) -m tests.mutants $(ARGS)

questions: setup
	@$(PY) -m tests.questions $(ARGS)

proof: setup
	@$(PY) -m tests.proof $(ARGS)

$(BENCH_STAMP): bench/requirements.txt dev/find-python
	@python=$$(dev/find-python) && echo "Setting up $(BENCH_VENV)" && "$$python" -m venv --clear $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	@touch $@

bench: setup $(BENCH_STAMP)
	@$(PY) -m bench $(ARGS)

$(READERS_STAMP): tests/readers/requirements.txt dev/find-python
	@python=$$(dev/find-python) && echo "Setting up $(READERS_VENV)" && "$$python" -m venv --clear $(READERS_VENV)
	@$(READERS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/readers/requirements.txt
	@touch $@

readers: setup $(READERS_STAMP)
	@$(PY) -m tests.readers $(ARGS)

docs: setup
	@$(PY) -m dev.docs

# for every platform, and with no word of the index that they came from; what is pinned stays, unless --upgrade is asked for
LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --custom-compile-command "make lock"
lock: setup
	@$(LOCK) $(ARGS) -o requirements.txt requirements.in
	@$(LOCK) $(ARGS) -o requirements-dev.txt requirements-dev.in

clean:
	rm -rf $(VENV) .local
