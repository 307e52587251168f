# make demo | test | check | bench | soak: each prepares .venv with what it needs.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check install -q -c constraints.txt

.PHONY: demo test kernels-full soak check bench

demo: .venv/.demo
	@$(BIN)/wplus doctor
	@$(BIN)/wplus sample --network=demo:portraits --seeds=0-35 --trunc=0.7 --grid=6x6 --outdir=out/demo/samples
	@$(BIN)/wplus sample --network=demo:portraits --rows=0-3 --cols=4-9 --styles=0-5 --outdir=out/demo/mixes
	@$(BIN)/wplus walk --network=demo:portraits --seeds=0-15 --grid=4x2 --w-frames=60 --loop --output=out/demo/walk.mp4
	@$(BIN)/wplus invert --network=demo:portraits --target=docs/held_out.png --num-steps=300 --outdir=out/demo/inversion
	@rm -rf out/demo/bundle
	@$(BIN)/wplus export demo:portraits out/demo/bundle
	@$(BIN)/wplus verify out/demo/bundle
	@$(BIN)/wplus bench --quick --out=out/demo/bench.csv
	@printf '%s\n' '' 'Samples:      out/demo/samples/grid.png' 'Style mixing: out/demo/mixes/grid.png' \
	  'Latent walk:  out/demo/walk.mp4' \
	  'Inversion:    out/demo/inversion: target.png, proj.png, projected_w.npz' \
	  'Bundle:       out/demo/bundle, its parity report parity.json' \
	  'Benchmark:    out/demo/bench.csv'

# A file of tests to a process, and a CPU to each process: see tests/conftest.py.
WORKERS ?= 2
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadfile

# Triton decides at its import whether kernels are interpreted or compiled: a process for each.
test: .venv/.test .cache/wheels
	$(PYTEST)
	TRITON_INTERPRET=1 $(PYTEST) -m interp tests/kernels
	$(PYTEST) -m "aot and not aot_full" tests/kernels

kernels-full: .venv/.test
	$(PYTEST) -m "aot or aot_full" tests/kernels

# Three hours: make soak SOAK_MINUTES=180
SOAK_MINUTES ?= 20
soak: .venv/.test
	$(BIN)/pytest -m soak -o log_cli=true --soak-minutes=$(SOAK_MINUTES) tests/live/test_soak.py

check: .venv/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	rm -rf build/lib .cache/typed
	$(PIP) --no-deps --target .cache/typed .
	MYPYPATH=.cache/typed $(BIN)/mypy -p wplus

bench: .venv/.demo
	$(BIN)/wplus bench --compile --sampling-memory --out=benchmarks/results/cpu.csv
	$(BIN)/python -m wplus.benchmarks.readme README.md benchmarks/results/cpu.csv

.venv/.demo: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "wplus needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) -e '.[openvino,torch,video]'
	@touch $@

.venv/.test: .venv/.demo
	$(PIP) -e '.[test]'
	@touch $@

# Real weights of somebody else's DCGAN (MIT); tests that need them are skipped where this failed.
.cache/wheels:
	@mkdir -p $@
	-$(BIN)/pip --disable-pip-version-check download -q --no-deps -d $@ gan-face-generate==1.1.1
