# SPDX-License-Identifier: MIT
# libclipc. `make help` lists the targets.

# ---- what to build --------------------------------------------------------
VARIANT  ?= release#   release, asan, ubsan, tsan, cov
OPENBLAS ?= 1#         0: clipc's own C kernels only
CURL     ?= 1#         0: no http(s) URLs
WEBP     ?= 1#         0: no WebP pictures
WERROR   ?= 0#         1: warnings are errors (CI)

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR    ?= $(PREFIX)/share/clipc
MANDIR     ?= $(PREFIX)/share/man
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig

ifeq ($(origin CC),default)
CC := gcc
endif
AR         ?= ar
INSTALL    ?= install
PKG_CONFIG ?= pkg-config
PYTHON     ?= python3
RUNNER     ?=#         runs the tests' programs: valgrind, qemu-aarch64-static

Q := $(if $(filter 1,$(V)),,@)

# ---- version, from the header ---------------------------------------------
version_part = $(shell sed -n 's/^.define CLIPC_VERSION_$(1) //p' include/clipc.h)
MAJOR   := $(call version_part,MAJOR)
VERSION := $(MAJOR).$(call version_part,MINOR).$(call version_part,PATCH)
SONAME  := libclipc.so.$(MAJOR)

# ---- flags ----------------------------------------------------------------
PACKAGES := libjpeg libpng zlib jansson nettle
ifeq ($(OPENBLAS),1)
PACKAGES += openblas
endif
ifeq ($(CURL),1)
PACKAGES += libcurl
endif
ifeq ($(WEBP),1)
PACKAGES += libwebpdemux libwebp
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wundef -Wcast-qual -Wpointer-arith -Wvla
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif

variant_flags_release :=
variant_flags_asan    := -fsanitize=address,undefined -fno-sanitize-recover=all \
                         -fno-omit-frame-pointer
variant_flags_ubsan   := -fsanitize=undefined -fno-sanitize-recover=all
variant_flags_tsan    := -fsanitize=thread
variant_flags_cov     := --coverage -fprofile-update=atomic
ifeq ($(origin variant_flags_$(VARIANT)),undefined)
$(error VARIANT=$(VARIANT): must be release, asan, ubsan, tsan or cov)
endif

CFLAGS ?= -O2 -g
# -ffp-contract=off: an FMA where the source has none would move the pixels'
# and the embeddings' bits.
ALL_CFLAGS = -std=c11 -D_POSIX_C_SOURCE=200809L $(WARNINGS) $(CFLAGS) \
             -ffp-contract=off -fvisibility=hidden -fPIC -pthread \
             $(variant_flags_$(VARIANT)) -MMD -MP -Iinclude
LIB_CPPFLAGS = -Ilib -DCLIPC_BUILD=1 -DCLIPC_OPENBLAS=$(OPENBLAS) \
               -DCLIPC_CURL=$(CURL) -DCLIPC_WEBP=$(WEBP) $(PACKAGE_CFLAGS)
TOOL_CPPFLAGS = -DCLIPC_DATA_DIR='"$(DATADIR)"' $(PACKAGE_CFLAGS)
# Inner loops of the C kernels want the vectoriser; -O2 has it off or timid.
KERNEL_CFLAGS = -O3
# Instrumented, the unrolled loops of an instruction set take minutes to
# compile at that level; their bounds are tested against guard pages too.
ifneq ($(filter asan ubsan tsan,$(VARIANT)),)
KERNEL_CFLAGS = -O1
endif
ALL_LDFLAGS = $(LDFLAGS) -pthread $(variant_flags_$(VARIANT))
LIBS = $(PACKAGE_LIBS) -lm -ldl
# Asked for only when something is compiled, so that `make deps` runs first.
PACKAGE_CFLAGS = $(eval PACKAGE_CFLAGS := $$(shell $(PKG_CONFIG) --cflags $(PACKAGES)))$(PACKAGE_CFLAGS)
# OpenBLAS is loaded when it is used: lib/gemm.c.
PACKAGE_LIBS = $(eval PACKAGE_LIBS := $$(shell $(PKG_CONFIG) --libs $(filter-out openblas,$(PACKAGES))))$(PACKAGE_LIBS)

# One folder for each way to build, so that nothing ever needs a clean.
BUILD := build/$(VARIANT)$(if $(filter gcc cc,$(notdir $(CC))),,-$(notdir $(CC)))$(if \
         $(filter 0,$(OPENBLAS)),-noblas)$(if $(filter 0,$(CURL)),-nocurl)$(if \
         $(filter 0,$(WEBP)),-nowebp)

# ---- files ----------------------------------------------------------------
LIB_SOURCES  := $(sort $(wildcard lib/*.c))
BENCH_SOURCES := $(sort $(wildcard bench/*.c))
ifneq ($(filter x86_64-%,$(shell $(CC) -dumpmachine)),)
LIB_SOURCES  += $(sort $(wildcard lib/x86/*.c))
BENCH_SOURCES += $(sort $(wildcard bench/x86/*.c))
endif
LIB_OBJECTS  := $(LIB_SOURCES:%.c=$(BUILD)/%.o)
BENCH_OBJECTS := $(BENCH_SOURCES:%.c=$(BUILD)/%.o)
TOOLS        := clipc-classify clipc-inspect clipc-embed clipc-pack
TOOL_COMMON  := $(patsubst %.c,$(BUILD)/%.o,$(sort $(filter-out \
                $(TOOLS:%=tools/%.c),$(wildcard tools/*.c))))
UNIT_TESTS   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort \
                $(filter-out tests/test_main.c,$(wildcard tests/test_*.c))))
TEST_HELPERS := $(BUILD)/tests/tiny_model.o $(BUILD)/tests/containers.o \
                $(BUILD)/tests/hub_server.o
TEST_COMMON  := $(BUILD)/tests/test_main.o $(TEST_HELPERS)
TEST_TOOLS   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard \
                tests/httpd.c tests/hubd.c tests/torture.c tests/parity/trace.c))
SHIM         := $(patsubst tests/%.c,$(BUILD)/tests/%.so,$(wildcard tests/shim.c))
EXAMPLES     := $(patsubst docs/examples/%.c,$(BUILD)/examples/%,$(wildcard docs/examples/*.c))
MAN1         := $(wildcard docs/man/*.1)
MAN3         := $(wildcard docs/man/*.3)
STATIC_LIB   := $(BUILD)/libclipc.a
SHARED_LIB   := $(BUILD)/libclipc.so.$(VERSION)
PROGRAMS     := $(TOOLS:%=$(BUILD)/%)

.PHONY: all lib tests demo deps deps-aarch64 check check-asan check-ubsan \
        check-tsan check-valgrind check-aarch64 torture coverage fuzz parity \
        bench bench-peers install uninstall deb check-deb clean help
.DELETE_ON_ERROR:
.SUFFIXES:

all: lib $(PROGRAMS) $(BUILD)/clipc.pc
lib: $(STATIC_LIB) $(SHARED_LIB)
tests: all $(BUILD)/clipc-bench $(UNIT_TESTS) $(TEST_TOOLS) $(SHIM) $(EXAMPLES)

help:
	@echo "make            the library and the programs, in $(BUILD)/"
	@echo "make deps       install the Debian packages it needs"
	@echo "make demo       name the car in a drawing, with the demo model"
	@echo "make check      all tests: no network, no Python"
	@echo "make check-asan | check-ubsan | check-tsan | check-valgrind"
	@echo "make check-aarch64   the same under qemu (make deps-aarch64 first)"
	@echo "make torture    every allocation and read fails in turn"
	@echo "make coverage   line coverage of lib/ by make check"
	@echo "make fuzz       libFuzzer targets (clang); FUZZ_SECONDS=60 each"
	@echo "make parity     compare with transformers + torch (Python)"
	@echo "make bench      time the stages on this machine"
	@echo "make bench-peers   and torch, ONNX Runtime, OpenVINO in turns (Python)"
	@echo "make install    to PREFIX=$(PREFIX); DESTDIR= is honoured; uninstall"
	@echo "make deb        Debian packages for SUITE=$(SUITE), in build/deb/"
	@echo "make check-deb  install and try them in a fresh root"
	@echo "make clean      remove build/"
	@echo
	@echo "Options: VARIANT=release|asan|ubsan|tsan|cov  OPENBLAS=0  CURL=0"
	@echo "         WEBP=0  CC=clang  CFLAGS=...  WERROR=1  V=1 (show commands)"

# ---- compiling ------------------------------------------------------------
# Rewritten only when the flags change; every object depends on it.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(OPENBLAS) $(CURL) $(WEBP))' | \
	    cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(OPENBLAS) $(CURL) $(WEBP))' > $@
# What knows the prefix: `make install PREFIX=...` compiles nothing else again.
FOLDERS := $(PREFIX) $(LIBDIR) $(INCLUDEDIR) $(DATADIR)
$(BUILD)/folders: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(FOLDERS)' | cmp -s - $@ || printf '%s\n' '$(FOLDERS)' > $@
$(BUILD)/tools/places.o $(BUILD)/clipc.pc: $(BUILD)/folders
.PHONY: FORCE

$(BUILD)/lib/kernels.o $(BUILD)/lib/resize_kernels.o $(BUILD)/lib/tiles.o: \
    EXTRA_CFLAGS = $(KERNEL_CFLAGS)
# One file for each instruction set, called only where the processor has it.
AVX2_CFLAGS   := $(KERNEL_CFLAGS) -mavx2 -mfma -mf16c
AVX512_CFLAGS := $(KERNEL_CFLAGS) -mavx512f -mavx512bw -mavx512dq -mavx512vl
$(BUILD)/lib/x86/%_avx2.o: EXTRA_CFLAGS = $(AVX2_CFLAGS)
$(BUILD)/lib/x86/%_avxvnni.o: EXTRA_CFLAGS = $(AVX2_CFLAGS) -mavxvnni
$(BUILD)/lib/x86/%_avx512.o: EXTRA_CFLAGS = $(AVX512_CFLAGS)
$(BUILD)/lib/x86/%_vnni.o: EXTRA_CFLAGS = $(AVX512_CFLAGS) -mavx512vnni
$(BUILD)/lib/x86/%_avx512bf16.o: EXTRA_CFLAGS = $(AVX512_CFLAGS) -mavx512bf16
$(BUILD)/lib/x86/%_amx.o: \
    EXTRA_CFLAGS = $(AVX512_CFLAGS) -mamx-tile -mamx-int8 -mamx-bf16
$(BUILD)/lib/%.o: lib/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $@")
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(EXTRA_CFLAGS) $(LIB_CPPFLAGS) -c $< -o $@

$(BUILD)/tools/%.o: tools/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $@")
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(TOOL_CPPFLAGS) -c $< -o $@

$(BUILD)/bench/x86/peak_avx2.o: EXTRA_CFLAGS = -mavx2 -mfma
$(BUILD)/bench/x86/peak_avx512.o: \
    EXTRA_CFLAGS = -mavx512f -mavx512vnni -mavx512bf16
$(BUILD)/bench/%.o: bench/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $@")
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(EXTRA_CFLAGS) $(LIB_CPPFLAGS) -c $< -o $@

$(BUILD)/tests/%.o: tests/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $@")
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LIB_CPPFLAGS) -Itests -c $< -o $@

$(STATIC_LIB): $(LIB_OBJECTS)
	$(if $(Q),@echo "  AR      $@")
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(SHARED_LIB): $(LIB_OBJECTS) lib/clipc.map
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=lib/clipc.map \
	    -Wl,--no-undefined $(ALL_LDFLAGS) $(LIB_OBJECTS) $(LIBS) -o $@
	$(Q)ln -sf $(@F) $(BUILD)/$(SONAME)
	$(Q)ln -sf $(SONAME) $(BUILD)/libclipc.so
# Sanitizers resolve their runtime in the program.
ifneq ($(filter asan ubsan tsan,$(VARIANT)),)
$(SHARED_LIB): ALL_LDFLAGS += -Wl,--undefined-version -Wl,-z,undefs
endif

# Programs carry the library: they run from anywhere.
$(PROGRAMS): $(BUILD)/%: $(BUILD)/tools/%.o $(TOOL_COMMON) $(STATIC_LIB)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(LIBS) -o $@

$(UNIT_TESTS): %: %.o $(TEST_COMMON) $(STATIC_LIB)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(LIBS) -o $@

$(TEST_TOOLS): %: %.o $(TEST_HELPERS) $(STATIC_LIB)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(LIBS) -o $@

# Not sanitized: it stands between the program and the allocator.
$(BUILD)/tests/shim.so: tests/shim.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 $(WARNINGS) $(CFLAGS) -fPIC -shared $< -o $@ -ldl -pthread

$(BUILD)/examples/%: docs/examples/%.c $(STATIC_LIB) $(BUILD)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $@")
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MF $@.d $(ALL_LDFLAGS) $< $(STATIC_LIB) $(LIBS) -o $@

$(BUILD)/clipc.pc: lib/clipc.pc.in $(BUILD)/flags include/clipc.h
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
	    -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|' \
	    -e 's|@LIBS@|$(LIBS)|' $< > $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- dependencies ---------------------------------------------------------
deps:
	@sh tools/deps.sh
deps-aarch64:
	@sh tools/deps.sh --aarch64

# ---- running --------------------------------------------------------------
demo: $(BUILD)/clipc-classify
	$(BUILD)/clipc-classify --model demo weights/demo/examples/$(DEMO_PICTURE)
DEMO_PICTURE := red-convertible.png

check: tests
	@BUILD=$(BUILD) CC='$(CC)' RUNNER='$(RUNNER)' MAKE='$(MAKE)' OPENBLAS=$(OPENBLAS) \
	    CURL=$(CURL) WEBP=$(WEBP) VARIANT=$(VARIANT) V=$(V) sh tests/run.sh

check-asan:
	$(MAKE) VARIANT=asan check
check-ubsan:
	$(MAKE) VARIANT=ubsan check
# OpenBLAS is not built for TSan: its own locks would look like races.
check-tsan:
	$(MAKE) VARIANT=tsan OPENBLAS=0 check
# libjpeg's SIMD code computes on bytes past a row's end and drops the result.
check-valgrind:
	$(MAKE) OPENBLAS=0 tests
	JSIMD_FORCENONE=1 $(MAKE) OPENBLAS=0 CLIPC_SKIP_SCRIPTS=1 \
	    RUNNER='valgrind -q --leak-check=full --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect --error-exitcode=99' check
# -L /: the loader of libc6:arm64, of the same build as the libraries that it
# finds; with the cross compiler's, threads and fork() hang.
check-aarch64:
	PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig \
	$(MAKE) CC=aarch64-linux-gnu-gcc AR=aarch64-linux-gnu-ar OPENBLAS=0 CURL=0 \
	    CLIPC_SKIP_SCRIPTS=1 RUNNER='qemu-aarch64-static -L /' check
export CLIPC_SKIP_SCRIPTS

torture: tests
	@BUILD=$(BUILD) sh tests/torture.sh

coverage:
	mkdir -p build/cov && find build/cov -name '*.gcda' -delete
	$(MAKE) VARIANT=cov check
	@sh tests/coverage.sh build/cov

FUZZ_SECONDS ?= 60
fuzz:
	@FUZZ_SECONDS=$(FUZZ_SECONDS) sh tests/fuzz/run.sh

parity: all $(BUILD)/tests/parity/trace $(BUILD)/tests/hubd
	@BUILD=$(BUILD) PYTHON=$(PYTHON) sh tests/parity/run.sh

$(BUILD)/clipc-bench: $(BENCH_OBJECTS) $(STATIC_LIB)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(LIBS) -o $@
bench: all $(BUILD)/clipc-bench
	@BUILD=$(BUILD) sh bench/run.sh
# PEERS: options of bench/peers.py; VENV: an environment that is there.
bench-peers: all $(BUILD)/clipc-bench
	@BUILD=$(BUILD) PYTHON=$(PYTHON) VENV=$(VENV) sh bench/peers.sh $(PEERS)

# ---- installing -----------------------------------------------------------
install: all
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR) $(DESTDIR)$(INCLUDEDIR) \
	    $(DESTDIR)$(PKGCONFIGDIR) $(DESTDIR)$(DATADIR)/demo $(DESTDIR)$(DATADIR)/labels \
	    $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man3
	$(INSTALL) -m 755 $(PROGRAMS) $(DESTDIR)$(BINDIR)
	$(INSTALL) -m 644 include/clipc.h $(DESTDIR)$(INCLUDEDIR)
	$(INSTALL) -m 644 $(STATIC_LIB) $(DESTDIR)$(LIBDIR)
	$(INSTALL) -m 755 $(SHARED_LIB) $(DESTDIR)$(LIBDIR)
	ln -sf $(notdir $(SHARED_LIB)) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libclipc.so
	$(INSTALL) -m 644 $(BUILD)/clipc.pc $(DESTDIR)$(PKGCONFIGDIR)
	$(INSTALL) -m 644 $(DEMO_FILES) $(DESTDIR)$(DATADIR)/demo
	$(INSTALL) -m 644 $(wildcard weights/labels/*.txt) $(DESTDIR)$(DATADIR)/labels
	$(INSTALL) -m 644 $(MAN1) $(DESTDIR)$(MANDIR)/man1
	$(if $(MAN3),$(INSTALL) -m 644 $(MAN3) $(DESTDIR)$(MANDIR)/man3)
DEMO_FILES = $(wildcard weights/demo/*.json weights/demo/*.safetensors)

uninstall:
	rm -f $(TOOLS:%=$(DESTDIR)$(BINDIR)/%) $(DESTDIR)$(INCLUDEDIR)/clipc.h \
	    $(DESTDIR)$(LIBDIR)/libclipc.a $(DESTDIR)$(LIBDIR)/libclipc.so \
	    $(DESTDIR)$(LIBDIR)/$(SONAME) $(DESTDIR)$(LIBDIR)/$(notdir $(SHARED_LIB)) \
	    $(DESTDIR)$(PKGCONFIGDIR)/clipc.pc \
	    $(MAN1:docs/man/%=$(DESTDIR)$(MANDIR)/man1/%) \
	    $(MAN3:docs/man/%=$(DESTDIR)$(MANDIR)/man3/%)
	rm -rf $(DESTDIR)$(DATADIR)

# ---- Debian packages: tools/packaging/README.md ---------------------------
SUITE ?= bookworm
deb:
	@sh tools/packaging/deb.sh --suite $(SUITE)
check-deb:
	@sh tools/packaging/check-deb.sh --suite $(SUITE)

clean:
	rm -rf build
