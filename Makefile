# A few commands, each of which does all of its own set-up.
VENV ?= .venv
ENGINES = podman containerd runc netavark catatonit containernetworking-plugins iptables busybox-static

.PHONY: help demo demo-satellite test bench lint

help:
	@echo "make demo             a boiler plant behind a Modbus PLC, its twins live in the terminal"
	@echo "make demo-satellite   three satellites over two ground stations, far faster than in the sky"
	@echo "make test             style, types, import contracts and the whole test suite"
	@echo "make bench            the benchmarks; what they measured is in bench/RESULTS.md"

demo: $(VENV)/.run-ready
	@scripts/packages.sh mosquitto mosquitto-clients || true
	@$(VENV)/bin/python examples/boiler-plant/demo.py

demo-satellite: $(VENV)/.satellite-ready
	@scripts/packages.sh mosquitto mosquitto-clients || true
	@$(VENV)/bin/python examples/satellites/demo.py

test: lint
	@scripts/packages.sh mosquitto mosquitto-clients
	@scripts/packages.sh gcc libc6-dev libmodbus-dev dbus-daemon || true
	@scripts/packages.sh $(ENGINES) || true
	@# Four at a time, for most tests wait. What fails in that crowd is told, and counts if it fails by itself, too.
	$(VENV)/bin/pytest -q -n 4 --dist worksteal || $(VENV)/bin/pytest -q --last-failed --last-failed-no-failures=none

lint: $(VENV)/.test-ready
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/ruff format --check --quiet .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo

bench: $(VENV)/.test-ready
	@scripts/packages.sh mosquitto gcc libc6-dev
	$(VENV)/bin/python -m bench

$(VENV)/.run-ready: setup.cfg scripts/venv.sh
	@scripts/venv.sh $(VENV) fast,embedded-broker,cloud,podman
	@touch $@

$(VENV)/.satellite-ready: setup.cfg scripts/venv.sh
	@scripts/venv.sh $(VENV) fast,embedded-broker,cloud,satellite
	@touch $@ $(VENV)/.run-ready

$(VENV)/.test-ready: setup.cfg scripts/venv.sh
	@scripts/venv.sh $(VENV) fast,embedded-broker,cloud,test
	@touch $@ $(VENV)/.run-ready $(VENV)/.satellite-ready
