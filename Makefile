# make help lists the targets.  All that is made lies in build/.

NGINX_SOURCE_DIR ?= /usr/share/nginx/src
BUILD_DIR        ?= build
MODULES_PATH     ?= /usr/lib/nginx/modules
PREFIX           ?= /usr/local
CFLAGS           ?= -g -O2
FUZZ_SECONDS     ?= 600
LOAD_CLIENTS     ?= 500
LOAD_SECONDS     ?= 600

MODULE = $(BUILD_DIR)/ngx_http_registry_module.so
SRC = ngx_http_registry_module
SOURCES = config Makefile $(wildcard $(SRC)/*.[ch] $(SRC)/*/*.[ch] \
          $(SRC)/*/*.inc)

CHECK = $(BUILD_DIR)/registry-check
CHECK_SRCS = $(wildcard $(SRC)/check/*.c $(SRC)/core/*.c)

.PHONY: help all deps build install deb run stop test test-big bench clean
.PHONY: analyze coverage fuzz leaks test-faults test-hup test-load
.PHONY: test-no-memory test-short test-storages test-valgrind test-versions

all: build

help:        ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 15

deps:        ## installs the packages that build, run and test need (Debian)
	t/bin/packages build run test

build: $(MODULE) $(CHECK)  ## the module, for NGINX_SOURCE_DIR (Debian's nginx-dev), and registry-check

$(MODULE): $(SOURCES)
	t/bin/build $(NGINX_SOURCE_DIR) $(BUILD_DIR)

$(CHECK): $(SOURCES)
	@mkdir -p $(BUILD_DIR)
	$(CC) $(CFLAGS) -Wall -Wextra -Werror $(CPPFLAGS) $(LDFLAGS) \
	    -I $(SRC) -o $@.new $(CHECK_SRCS) -lcurl -lyajl -lcrypto
	mv -f $@.new $@

install: build  ## to where the packaged nginx looks for modules
	install -D -m 644 $(MODULE) \
	    $(DESTDIR)$(MODULES_PATH)/ngx_http_registry_module.so
	install -D -m 755 $(CHECK) $(DESTDIR)$(PREFIX)/bin/registry-check
	install -D -m 644 share/status.html \
	    $(DESTDIR)$(PREFIX)/share/ngx_http_registry_module/status.html

deb:         ## the Debian package, in build/deb
	t/bin/packages build deb
	t/bin/deb

run:         ## a whole registry on this machine, Ceph included
	t/bin/run

stop:        ## what "make run" started
	t/bin/stop

test:        ## everything that must pass
	t/bin/test

test-faults: ## each fault at each request of each operation, some 20 minutes
	t/bin/packages build run test
	$(MAKE) build
	FAULTS=all prove -v t/40-faults.t

test-load:   ## 500 clients for ten minutes, with faults; LOAD_CLIENTS, LOAD_SECONDS
	LOAD_CLIENTS=$(LOAD_CLIENTS) LOAD_SECONDS=$(LOAD_SECONDS) \
	    t/bin/test -v t/47-load.t

test-big:    ## layers of 6 and 20 GiB: 10 GiB of disk, ten minutes
	t/bin/packages build run test
	$(MAKE) build
	prove -v t/big
	RELOADS=100 prove -v t/clients/reload.t

analyze:     ## static analysis: cppcheck, gcc -fanalyzer, clang-tidy
	t/bin/packages build test
	$(MAKE) build
	ANALYZE=all t/03-analyze.t

test-short:  ## the endpoints, with a few bytes at each read and write
	t/bin/short

test-hup:    ## the endpoints under the sanitizers, with reloads all the time
	t/bin/hup

test-valgrind: ## unit tests and endpoints under memcheck, an hour
	t/bin/valgrind

test-no-memory: ## each allocation of nginx refused in turn, for each request
	STEP=1 t/bin/test -v t/nightly/no-memory.t

coverage:    ## lines and branches that the tests run: build/coverage/html
	t/bin/coverage

leaks:       ## 10,000 requests of each kind: memory must not grow
	LEAK_REQUESTS=10000 t/bin/test -v t/45-leaks.t

fuzz:        ## the fuzzers, FUZZ_SECONDS (600) each; FUZZ="range route": these
	t/bin/packages build test
	FUZZ_SECONDS=$(FUZZ_SECONDS) t/02-fuzz.t
	BODY_FUZZ_SECONDS=$(FUZZ_SECONDS) t/bin/test -v t/23-body-fuzz.t

test-versions: ## on each nginx of NGINX: releases of Debian, or folders with sources
	t/bin/versions $(NGINX)

test-storages: ## the suites that meet the storage on Ceph 18, 20 and OpenStack Swift
	t/bin/storages

bench:       ## this beside RGW itself and docker-registry
	t/bin/packages build run test
	$(MAKE) build
	t/bench/run

clean:       ## removes build/, the data of "make run" too
	t/bin/stop --purge
	rm -rf $(BUILD_DIR)
