# The front door to Meson. `make` alone says what there is.
.PHONY: help demo build check check-full abi install fuzz soak bench leak lint clean distclean
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

help:
	@echo 'make demo        set up what is missing, build, and open a chat with a simulated enclave'
	@echo 'make build       set up what building needs, and build into build/ (PREFIX, default /usr/local)'
	@echo 'make check       build and run all tests (up to 25 minutes)'
	@echo 'make check-full  also the long tests'
	@echo 'make lint        formatting, static analysis and house rules'
	@echo 'make fuzz        build the fuzzers and run each for FUZZ_SECONDS (default 60)'
	@echo 'make soak        half an hour of load (SOAK_SECONDS): nothing may fail or grow'
	@echo 'make bench       how long appraisal takes, beside its signatures alone and other verifiers'
	@echo 'make leak        what sizes and times of encrypted answers give away, under each traffic shape (FULL=1: all anew)'
	@echo 'make abi         record the library'\''s ABI, after a change that is meant'
	@echo 'make install     install what `make build` built (DESTDIR)'
	@echo 'make clean       remove build/'
	@echo 'make distclean   also remove the cache of things fetched and built'

demo:
	@exec scripts/demo $(DEMO_ARGS)

build:
	@PREFIX='$(PREFIX)' scripts/build

check:
	@exec scripts/check

check-full:
	@exec scripts/check --full

lint:
	@exec scripts/lint

fuzz:
	@exec scripts/fuzz

soak:
	@exec scripts/soak

bench:
	@exec scripts/bench

leak:
	@FULL='$(FULL)' scripts/leak

abi: build
	@exec scripts/abi update

install:
	@DESTDIR='$(DESTDIR)' scripts/build install

clean:
	@rm -rf build

distclean: clean
	@scripts/bootstrap clean
