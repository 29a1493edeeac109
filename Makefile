# SPDX-License-Identifier: MIT
# libclipc. `make help` lists the targets.

# ---- from another folder --------------------------------------------------
# `make -f SOURCE/Makefile` builds in ./build/ of the folder it is called in:
# a make in SOURCE does the work and writes nothing there.
SOURCE := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
ifneq ($(SOURCE),.)
ifeq ($(wildcard $(SOURCE)/lib/clipc.map),)
$(error a space in the path of the Makefile: use make -C 'FOLDER' instead of -f)
endif
GOALS := $(or $(MAKECMDGOALS),all)
.PHONY: $(GOALS) elsewhere
$(GOALS): elsewhere ; @:
elsewhere:
	@$(MAKE) --no-print-directory -C $(SOURCE) BUILDS='$(CURDIR)/build' \
	    $(if $(filter command,$(origin BUILD)),BUILD='$(abspath $(BUILD))') \
	    $(if $(filter-out /%,$(firstword $(DESTDIR))),DESTDIR='$(CURDIR)/$(DESTDIR)') \
	    $(MAKECMDGOALS)
else

# ---- what to build --------------------------------------------------------
VARIANT  ?= release#   release, asan, ubsan, tsan, cov
OPENBLAS ?= 1#         0: clipc's own C kernels only
CURL     ?= 1#         0: no http(s) URLs
WEBP     ?= 1#         0: no WebP pictures
AVIF     ?= 1#         0: no AVIF pictures
GIF      ?= 1#         0: no GIF pictures
SERVE    ?= 1#         0: no clipc-serve, which needs libmicrohttpd
POSIX_ONLY ?= 0#       1: nothing that Linux alone has (lib/base/os.h)
WERROR   ?= 0#         1: warnings are errors (CI)

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR    ?= $(PREFIX)/share
PKGDATADIR ?= $(DATADIR)/clipc
MANDIR     ?= $(DATADIR)/man
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
CMAKEDIR   ?= $(LIBDIR)/cmake/clipc
BASHCOMPDIR ?= $(DATADIR)/bash-completion/completions
ZSHCOMPDIR  ?= $(DATADIR)/zsh/site-functions
FISHCOMPDIR ?= $(DATADIR)/fish/vendor_completions.d
UNITDIR    ?= $(PREFIX)/lib/systemd/system

ifeq ($(origin CC),default)
CC := gcc
else
CHOSEN_CC := $(CC)
endif
AR         ?= ar
INSTALL    ?= install
STRIP      ?= strip
PKG_CONFIG ?= pkg-config
PYTHON     ?= python3
RUNNER     ?=#         runs the tests' programs: valgrind, qemu-aarch64-static

Q := $(if $(filter 1,$(V)),,@)

# ---- version, from the header ---------------------------------------------
version_part = $(shell sed -n 's/^.define CLIPC_VERSION_$(1) //p' include/clipc.h)
MAJOR   := $(call version_part,MAJOR)
VERSION := $(MAJOR).$(call version_part,MINOR).$(call version_part,PATCH)

# ---- system ---------------------------------------------------------------
# Which machine and system the compiler makes code for: "x86_64-linux-gnu",
# "arm64-apple-darwin23". Empty where `make deps` has yet to install a compiler.
MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null)
MACOS   := $(if $(findstring darwin,$(MACHINE))$(findstring macos,$(MACHINE)),1)
ANDROID := $(if $(findstring android,$(MACHINE)),1)
# For Windows: the part of POSIX that it has not, before every file.
WINDOWS := $(if $(findstring windows,$(MACHINE))$(findstring mingw,$(MACHINE)), \
    -D_FILE_OFFSET_BITS=64 -U_WIN32_WINNT -D_WIN32_WINNT=0x0A00 \
    -Ilib/base/windows -include lib/base/windows/posix.h)
# The shared library's file; the name by which programs ask for it; the name by
# which the linker does.
ifdef MACOS
SHARED  := libclipc.$(MAJOR).dylib
SONAME  := $(SHARED)
LINKED  := libclipc.dylib
else ifdef ANDROID
# An application takes no versions along.
SHARED  := libclipc.so
SONAME  := libclipc.so
LINKED  := libclipc.so
else
SHARED  := libclipc.so.$(VERSION)
SONAME  := libclipc.so.$(MAJOR)
LINKED  := libclipc.so
endif

# Links to it, each FILE:NAME.
SHARED_LINKS := $(if $(filter $(SHARED),$(SONAME)),,$(SHARED):$(SONAME)) \
                $(if $(filter $(SONAME),$(LINKED)),,$(SONAME):$(LINKED))

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
ifeq ($(AVIF),1)
PACKAGES += libavif
endif
# Of a program, not of the library.
ifeq ($(SERVE),1)
SERVE_PACKAGES := libmicrohttpd
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

# ---- names that cannot be carried -----------------------------------------
# Folders are written into programs, clipc.pc and shell commands. Spaces work
# there; the characters below are refused before anything is written.
FOLDERS := PREFIX BINDIR LIBDIR INCLUDEDIR DATADIR PKGDATADIR MANDIR \
           PKGCONFIGDIR CMAKEDIR BASHCOMPDIR ZSHCOMPDIR FISHCOMPDIR UNITDIR
hash := \#
define newline


endef
refuse = $(error $(1)=$($(1)): a folder's name must not have $(2))
# A $ that make has taken for a variable of one letter is seen in the value
# as given; `$(PREFIX)/sbin` is none.
round := (
curly := {
references_cut = $(subst $$$(curly),,$(subst $$$(round),,$(value $(1))))
given_dollar = $(findstring $$,$(references_cut))
$(foreach name,DESTDIR $(FOLDERS),\
    $(if $(call given_dollar,$(name)),$(error $(name)=$(value $(name)): a folder's name must not have $$)) \
    $(if $(findstring $(newline),$($(name))),$(error $(name): a folder's name must not have a line break)))
$(foreach name,$(FOLDERS),\
    $(if $(filter /%,$(firstword $($(name)))),,$(error $(name)=$($(name)): must be an absolute path)) \
    $(foreach bad,' " ` \ $$ ^ & | ; $(hash),$(if $(findstring $(bad),$($(name))),$(call refuse,$(name),$(bad)))))

CFLAGS ?= -O2 -g
# -ffp-contract=off: an FMA where the source has none would move the pixels'
# and the embeddings' bits.
# _DARWIN_C_SOURCE: macOS hides flock() and madvise() from POSIX programs.
ALL_CFLAGS = -std=c11 -D_POSIX_C_SOURCE=200809L -D_DARWIN_C_SOURCE $(WARNINGS) $(CFLAGS) \
             -ffp-contract=off -fvisibility=hidden -fPIC -pthread \
             $(variant_flags_$(VARIANT)) -MMD -MP -Iinclude $(WINDOWS)
LIB_CPPFLAGS = -Ilib -DCLIPC_BUILD=1 -DCLIPC_OPENBLAS=$(OPENBLAS) -DCLIPC_BLAS=$(BLAS) \
               -DCLIPC_CURL=$(CURL) -DCLIPC_WEBP=$(WEBP) -DCLIPC_AVIF=$(AVIF) \
               -DCLIPC_GIF=$(GIF) -DCLIPC_POSIX_ONLY=$(POSIX_ONLY) $(PACKAGE_CFLAGS)
TOOL_CPPFLAGS = -Itools -DCLIPC_CURL=$(CURL) -DCLIPC_DATA_DIR='"$(PKGDATADIR)"' $(PACKAGE_CFLAGS)
# Inner loops of the C kernels want the vectoriser; -O2 has it off or timid.
KERNEL_CFLAGS = -O3
# What runs once a model and has no loop over numbers is made small.
SMALL_CFLAGS = -Os
# Instrumented, the unrolled loops of an instruction set take minutes to
# compile at that level; their bounds are tested against guard pages too.
ifneq ($(filter asan ubsan tsan,$(VARIANT)),)
KERNEL_CFLAGS = -O1
# clang takes many more of them than gcc for these, unless it optimises nothing.
SLOW_KERNEL_CFLAGS = $(if $(filter clang%,$(notdir $(CC))),-O0)
# Then a kernel's frame takes half a megabyte.
LIB_CPPFLAGS += -DCLIPC_STACK_BYTES=4194304
endif
ALL_LDFLAGS = $(LDFLAGS) -pthread $(variant_flags_$(VARIANT))
ifdef ANDROID
# Its newer machines may have pages of 16 KiB.
ALL_LDFLAGS += -Wl,-z,max-page-size=16384
endif
LIBS = $(PACKAGE_LIBS) -lm $(if $(WINDOWS),,-ldl)
# Compiler and pkg-config are asked when something is compiled: `make deps` may
# have installed them a moment before.
# x86, arm or nothing: which folder of lib/kernels/ the compiler makes code for. Where
# MACHINE is empty the compiler has come since.
ISA = $(eval ISA := $$(patsubst x86_64-%,x86,$$(patsubst aarch64-%,arm,$$(patsubst \
      arm64-%,arm,$$(or $$(MACHINE),$$(shell $(CC) -dumpmachine))))))$(ISA)
PACKAGE_CFLAGS = $(eval PACKAGE_CFLAGS := $$(shell $(PKG_CONFIG) --cflags $(PACKAGES)))$(PACKAGE_CFLAGS)
# OpenBLAS is loaded when it is used, and so is macOS's Accelerate:
# lib/kernels/blas.c.
BLAS = $(if $(MACOS)$(filter 1,$(OPENBLAS)),1,0)
PACKAGE_LIBS = $(eval PACKAGE_LIBS := $$(shell $(PKG_CONFIG) --libs $(filter-out openblas,$(PACKAGES))))$(PACKAGE_LIBS)

$(foreach v,OPENBLAS CURL WEBP AVIF GIF SERVE POSIX_ONLY,$(if $(filter 0 1,$($(v))),,$(error \
    $(v)=$($(v)): the value must be 0 or 1)))

# One folder for each way to build, so that nothing ever needs a clean.
BUILDS := build
BUILD := $(BUILDS)/$(VARIANT)$(if $(filter gcc cc,$(notdir $(CC))),,-$(notdir $(CC)))$(if \
         $(filter 0,$(OPENBLAS)),-noblas)$(if $(filter 0,$(CURL)),-nocurl)$(if \
         $(filter 0,$(WEBP)),-nowebp)$(if $(filter 0,$(AVIF)),-noavif)$(if \
         $(filter 0,$(GIF)),-nogif)$(if $(filter 0,$(SERVE)),-noserve)$(if \
         $(filter 1,$(POSIX_ONLY)),-posix)
ifneq ($(words $(BUILD))$(findstring :,$(BUILD)),1)
$(error BUILD=$(BUILD): the build folder must not have a space or a colon)
endif

# ---- files ----------------------------------------------------------------
LIB_SOURCES  := $(sort $(wildcard lib/*/*.c lib/kernels/*/*.c))
BENCH_SOURCES := $(sort $(wildcard bench/*.c bench/x86/*.c bench/arm/*.c))
LOAD_SOURCES := $(sort $(wildcard bench/load/*.c))
LIB_OBJECTS  := $(LIB_SOURCES:%.c=$(BUILD)/%.o)
BENCH_OBJECTS := $(BENCH_SOURCES:%.c=$(BUILD)/%.o)
TOOLS        := clipc-classify clipc-inspect clipc-embed clipc-pack
ifeq ($(SERVE),1)
TOOLS        += clipc-serve
endif
TOOL_COMMON  := $(patsubst %.c,$(BUILD)/%.o,$(sort \
                $(wildcard tools/common/*.c tools/pictures/*.c)))
UNIT_TESTS   := $(patsubst %.c,$(BUILD)/%,$(sort \
                $(wildcard tests/unit/*/test_*.c tests/stress/test_*.c)))
ifeq ($(SERVE),0)
UNIT_TESTS   := $(filter-out $(BUILD)/tests/unit/serve/%,$(UNIT_TESTS))
endif
TEST_HELPERS := $(patsubst %,$(BUILD)/tests/support/%.o,tiny_model containers sockets hub_server)
TEST_COMMON  := $(patsubst %,$(BUILD)/tests/support/%.o,test_main files fixture networks serve_client wire json_shape) $(TEST_HELPERS)
TEST_TOOLS   := $(patsubst %,$(BUILD)/tests/%,support/httpd support/hubd \
                support/pty stress/soak stress/torture parity/trace)
ifeq ($(SERVE),1)
TEST_TOOLS   += $(BUILD)/tests/stress/torture_serve
endif
SHIM         := $(BUILD)/tests/support/shim.so
FAKE_BLAS    := $(BUILD)/tests/support/blas.so
# The extension of SQLite needs its headers: make check-clients builds it.
EXAMPLES     := $(patsubst docs/examples/%.c,$(BUILD)/examples/%,$(filter-out \
                %/sqlite_clipc.c,$(wildcard docs/examples/*.c)))
MAN1         := $(TOOLS:%=docs/man/%.1)
MAN3         := $(wildcard docs/man/*.3)
ifeq ($(SERVE),1)
UNITS        := $(BUILD)/clipc-serve.service tools/packaging/systemd/clipc-serve.socket
endif
CMAKE_FILES  := $(BUILD)/clipc-config.cmake $(BUILD)/clipc-config-version.cmake
STATIC_LIB   := $(BUILD)/libclipc.a
SHARED_LIB   := $(BUILD)/$(SHARED)
PROGRAMS     := $(TOOLS:%=$(BUILD)/%)
BASHCOMP     := $(TOOLS:%=$(BUILD)/completions/bash/%)
ZSHCOMP      := $(TOOLS:%=$(BUILD)/completions/zsh/_%)
FISHCOMP     := $(TOOLS:%=$(BUILD)/completions/fish/%.fish)
COMPLETIONS  := $(BASHCOMP) $(ZSHCOMP) $(FISHCOMP)

.PHONY: all lib objects static check-static check-systems check-musl tests demo deps deps-aarch64 deps-cpus deps-avx512 check \
        check-asan check-ubsan check-tsan check-valgrind check-aarch64 check-cpus check-avx512 \
        check-codegen wasm check-wasm check-browser check-clients check-python check-spark \
        check-all wheel lint format torture soak \
        coverage fuzz parity bench bench-peers bench-photos \
        model-page \
        install install-strip uninstall deb check-deb clean help
.DELETE_ON_ERROR:
.SUFFIXES:

all: lib $(PROGRAMS) $(COMPLETIONS) $(BUILD)/clipc.pc $(CMAKE_FILES) $(UNITS)
lib: $(STATIC_LIB) $(SHARED_LIB)
# Compiled, not linked: for systems whose libraries are not here.
objects: $(LIB_OBJECTS) $(TOOL_COMMON) $(patsubst %.c,$(BUILD)/%.o,$(sort \
    $(foreach tool,$(TOOLS),$(wildcard tools/$(tool:clipc-%=%)/*.c))))
tests: all $(BUILD)/clipc-bench $(BUILD)/serve-load $(UNIT_TESTS) $(TEST_TOOLS) $(SHIM) $(FAKE_BLAS) $(EXAMPLES)

help:
	@echo "make            the library and the programs, in $(BUILD)/"
	@echo "make deps       install the Debian packages it needs"
	@echo "make demo       name the car in a drawing, with the demo model"
	@echo "make check      all tests: no network, no Python"
	@echo "make check-asan | check-ubsan | check-tsan | check-valgrind"
	@echo "make check-cpus     unit tests under qemu as x86-64 with SSE2, with AVX2,"
	@echo "                    and as aarch64 (make deps-cpus first)"
	@echo "make check-aarch64  the tests as five processors of 64-bit Arm, and the"
	@echo "                    bits of NEON against AVX2"
	@echo "make check-avx512   tests of the kernels under Bochs as three processors, with"
	@echo "                    AVX-512, VNNI, BF16 and AMX (make deps-avx512 first)"
	@echo "make check-codegen  no spills in the matrix kernels, by the disassembly"
	@echo "make check-systems  links for macOS, compiles for Windows and for Linux with musl"
	@echo "make check-musl     unit tests on Linux with musl, static (pip's ziglang)"
	@echo "make static     clipc-classify as one program without dependencies, x86-64 and"
	@echo "                aarch64; check-static tries both in an empty root"
	@echo "make wasm       the library as a WebAssembly module, and a page with the demo model;"
	@echo "                check-wasm tries both in node and browsers (docs/WASM.md)"
	@echo "make lint       style and static checks; make format applies the style"
	@echo "make torture    every allocation and read fails in turn"
	@echo "make soak       mixed work for SOAK_SECONDS=1800: nothing may grow"
	@echo "make check-all  check, sanitizers, valgrind, torture, cpus, fuzz, soak"
	@echo "make coverage   line coverage of lib/ by make check"
	@echo "make fuzz       libFuzzer targets (clang); FUZZ_SECONDS=60 each"
	@echo "make check-browser  the page of clipc-serve in Chromium and Firefox (npm)"
	@echo "make check-clients  other programs' clients, and databases (Python, node)"
	@echo "make check-python   the Python package: ruff, mypy, pytest (PyPI)"
	@echo "make wheel      the Python package as wheel and sdist, in build/wheel/"
	@echo "make check-spark    the Spark job, with executors and drivers killed (Java, PyPI)"
	@echo "make parity     compare with transformers + torch (Python)"
	@echo "make bench      time the stages on this machine"
	@echo "make bench-peers   and torch, ONNX Runtime, OpenVINO in turns (Python)"
	@echo "make bench-photos  folders of photographs, with Pillow and OpenVINO (Python)"
	@echo "make model-page    the table of docs/MODELS.md, from clipc-inspect models"
	@echo "make install    to PREFIX=$(PREFIX); DESTDIR= is honoured"
	@echo "make install-strip   the same without symbols for debuggers"
	@echo "make uninstall  remove the files that install puts there, no other"
	@echo "make deb        Debian packages for SUITE=$(SUITE), in build/deb/"
	@echo "make check-deb  install and try them in a fresh root"
	@echo "make clean      remove build/"
	@echo "make -f SOURCE/Makefile   builds in ./build/; SOURCE may be read-only"
	@echo
	@echo "Options: VARIANT=release|asan|ubsan|tsan|cov  OPENBLAS=0  CURL=0"
	@echo "         WEBP=0  AVIF=0  GIF=0  SERVE=0  POSIX_ONLY=1  CC=clang  CFLAGS=...  WERROR=1  V=1 (show commands)"

# ---- compiling ------------------------------------------------------------
# Rewritten only when the flags change; every object depends on it.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(FLAGS) | cmp -s - $@ || { \
	    CC='$(CC)' CFLAGS=$(call quoted,$(CPPFLAGS) $(CFLAGS)) PKG_CONFIG='$(PKG_CONFIG)' \
	    POSIX_ONLY=$(POSIX_ONLY) sh tools/toolchain.sh $(PACKAGES) $(SERVE_PACKAGES) && \
	    printf '%s\n' $(FLAGS) > $@; }
quoted = '$(subst ','\'',$(1))'
FLAGS = $(call quoted,$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(OPENBLAS) $(CURL) $(WEBP) $(AVIF) $(GIF) $(POSIX_ONLY))
# What knows the prefix: `make install PREFIX=...` compiles nothing else again.
$(BUILD)/folders: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(foreach name,$(FOLDERS),$($(name)))' | cmp -s - $@ || \
	    printf '%s\n' '$(foreach name,$(FOLDERS),$($(name)))' > $@
$(BUILD)/tools/common/places.o $(BUILD)/clipc.pc $(CMAKE_FILES) \
$(BUILD)/clipc-serve.service: $(BUILD)/folders
.PHONY: FORCE

$(BUILD)/lib/kernels/kernels.o $(BUILD)/lib/kernels/resize_kernels.o \
$(BUILD)/lib/kernels/tiles.o $(BUILD)/lib/kernels/vectors.o: \
    EXTRA_CFLAGS = $(KERNEL_CFLAGS)
$(BUILD)/lib/config/%.o $(BUILD)/lib/http/%.o $(BUILD)/lib/hub/%.o \
$(patsubst %,$(BUILD)/lib/checkpoint/%.o,adapter_config adapter_names component pickle \
    pickle_machine state_dict zip) \
$(BUILD)/lib/text/tokenizer_config.o $(BUILD)/lib/text/tokenizer_keys.o: \
    EXTRA_CFLAGS = $(SMALL_CFLAGS)
UNIT = $(EXTRA_CFLAGS) $(LIB_CPPFLAGS) -c $<
# The files of x86/ and arm/ are in the lists of every machine, because the
# lists are made before the compiler may be asked. Where it makes code for
# another processor, a unit of declarations takes their place.
UNIT_OF = $(if $(filter $(1),$(ISA)),$(EXTRA_CFLAGS) $(LIB_CPPFLAGS) -c $<,-c -x c include/clipc.h)
$(BUILD)/lib/kernels/x86/%.o $(BUILD)/bench/x86/%.o: UNIT = $(call UNIT_OF,x86)
$(BUILD)/lib/kernels/arm/%.o $(BUILD)/bench/arm/%.o: UNIT = $(call UNIT_OF,arm)
# One file for each instruction set, called only where the processor has it.
AVX2_CFLAGS   := $(KERNEL_CFLAGS) -mavx2 -mfma -mf16c
AVX512_CFLAGS := $(KERNEL_CFLAGS) -mavx512f -mavx512bw -mavx512dq -mavx512vl
$(BUILD)/lib/kernels/x86/%_avx2.o: EXTRA_CFLAGS = $(AVX2_CFLAGS)
$(BUILD)/lib/kernels/x86/%_avxvnni.o: EXTRA_CFLAGS = $(AVX2_CFLAGS) -mavxvnni
$(BUILD)/lib/kernels/x86/%_avx512.o: EXTRA_CFLAGS = $(AVX512_CFLAGS)
$(BUILD)/lib/kernels/x86/rows_avx512.o $(BUILD)/lib/kernels/x86/strips_avx512.o: \
    EXTRA_CFLAGS = $(AVX512_CFLAGS) $(SLOW_KERNEL_CFLAGS)
$(BUILD)/lib/kernels/x86/%_vnni.o: EXTRA_CFLAGS = $(AVX512_CFLAGS) -mavx512vnni
$(BUILD)/lib/kernels/x86/%_avx512bf16.o: EXTRA_CFLAGS = $(AVX512_CFLAGS) -mavx512bf16
$(BUILD)/lib/kernels/x86/%_amx.o: \
    EXTRA_CFLAGS = $(AVX512_CFLAGS) -mamx-tile -mamx-int8 -mamx-bf16
$(BUILD)/lib/kernels/arm/%_neon.o $(BUILD)/lib/kernels/arm/%_sme.o: EXTRA_CFLAGS = $(KERNEL_CFLAGS)
$(BUILD)/lib/kernels/arm/%_dotprod.o: EXTRA_CFLAGS = $(KERNEL_CFLAGS) -march=armv8.2-a+dotprod
$(BUILD)/lib/kernels/arm/%_i8mm.o: EXTRA_CFLAGS = $(KERNEL_CFLAGS) -march=armv8.2-a+i8mm
$(BUILD)/lib/kernels/arm/%_bf16.o: EXTRA_CFLAGS = $(KERNEL_CFLAGS) -march=armv8.2-a+bf16
$(BUILD)/lib/%.o: lib/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $@")
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(UNIT) -o $@

$(BUILD)/tools/%.o: tools/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $@")
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(TOOL_CPPFLAGS) -c $< -o $@

$(BUILD)/bench/x86/peak_avx2.o: EXTRA_CFLAGS = -mavx2 -mfma
$(BUILD)/bench/x86/peak_avx512.o: \
    EXTRA_CFLAGS = -mavx512f -mavx512vnni -mavx512bf16
$(BUILD)/bench/arm/peak_dotprod.o: EXTRA_CFLAGS = -march=armv8.2-a+dotprod
$(BUILD)/bench/arm/peak_i8mm.o: EXTRA_CFLAGS = -march=armv8.2-a+i8mm
$(BUILD)/bench/arm/peak_bf16.o: EXTRA_CFLAGS = -march=armv8.2-a+bf16
$(BUILD)/bench/%.o: bench/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $@")
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(UNIT) -o $@

$(BUILD)/tests/%.o: tests/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $@")
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LIB_CPPFLAGS) -Itests -c $< -o $@

$(STATIC_LIB): $(LIB_OBJECTS)
	$(if $(Q),@echo "  AR      $@")
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(SHARED_LIB): $(LIB_OBJECTS) lib/clipc.map
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(SHARED_LDFLAGS) $(ALL_LDFLAGS) $(LIB_OBJECTS) $(LIBS) -o $@
	$(Q)$(foreach link,$(SHARED_LINKS),\
	    ln -sf $(firstword $(subst :, ,$(link))) $(BUILD)/$(lastword $(subst :, ,$(link)));)
ifdef MACOS
# A program remembers the library by its whole path. What clipc.h does not export
# is hidden by -fvisibility=hidden.
SHARED_LDFLAGS = -dynamiclib -install_name '$(LIBDIR)/$(SONAME)' \
                 -Wl,-current_version,$(VERSION) -Wl,-compatibility_version,$(MAJOR).0.0
$(SHARED_LIB): $(BUILD)/folders
else
SHARED_LDFLAGS = -shared -Wl,-soname,$(SONAME) \
                 -Wl,--version-script=lib/clipc.map -Wl,--no-undefined
endif
# Sanitizers resolve their runtime in the program; macOS has theirs in a library.
ifneq ($(if $(MACOS),,$(filter asan ubsan tsan,$(VARIANT))),)
$(SHARED_LIB): ALL_LDFLAGS += -Wl,--undefined-version -Wl,-z,undefs
endif

# Programs carry the library: they run from anywhere. Uninstalled, they find
# labels and the demo model through a link in their folder.
$(PROGRAMS): | $(BUILD)/weights
$(BUILD)/weights:
	@mkdir -p $(@D)
	@ln -sfn $(if $(filter /%,$(BUILD)),'$(CURDIR)',$(subst $(space),/,$(patsubst \
	    %,..,$(subst /, ,$(BUILD)))))/weights $@
space := $() $()
# clipc-NAME is made of tools/NAME/ and of what the programs share.
$(foreach tool,$(TOOLS),$(eval $(BUILD)/$(tool): $(patsubst %.c,$(BUILD)/%.o,\
    $(sort $(wildcard tools/$(tool:clipc-%=%)/*.c)))))
$(PROGRAMS): $(TOOL_COMMON) $(STATIC_LIB)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(ALL_LDFLAGS) $(filter %.o,$^) $(STATIC_LIB) $(LIBS) -o $@

# Of the programs only the server needs an HTTP server.
SERVE_LIBS = $(eval SERVE_LIBS := $$(shell $(PKG_CONFIG) --libs $(SERVE_PACKAGES)))$(SERVE_LIBS)
$(BUILD)/clipc-serve: LIBS += $(SERVE_LIBS)
# The page of clipc-serve and its description for programs, as arrays of C.
SERVE_FILES := $(BUILD)/tools/serve/page_html $(BUILD)/tools/serve/openapi_json
$(BUILD)/clipc-serve: $(SERVE_FILES:%=%.o)
# Writes FILTER of the first prerequisite as serve_NAME and serve_NAME_bytes,
# which the header HEADER declares.
define embed # FILTER, HEADER
	@mkdir -p $(@D)
	$(if $(Q),@echo "  GEN     $@")
	$(Q){ echo '#include "serve/$(2)"' && \
	    echo 'const unsigned char serve_$(basename $(@F))[] = {' && \
	    $(1) $< | od -An -v -tx1 | \
	    sed 's/ *\([0-9a-f][0-9a-f]\)/0x\1,/g' && echo '};' && \
	    echo 'const size_t serve_$(basename $(@F))_bytes =' \
	        'sizeof serve_$(basename $(@F));'; } > $@
endef
$(BUILD)/tools/serve/page_html.c: tools/serve/page/index.html
	$(call embed,cat,page_html.h)
$(BUILD)/tools/serve/openapi_json.c: tools/serve/openapi.json include/clipc.h
	$(call embed,sed 's/@VERSION@/$(VERSION)/',openapi.h)
$(SERVE_FILES:%=%.o): %.o: %.c $(BUILD)/flags
	$(if $(Q),@echo "  CC      $@")
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(TOOL_CPPFLAGS) -c $< -o $@

# A program writes the completions of its own options. One that was compiled
# for another machine may not run here: then the file says so, and is empty.
define complete
	@mkdir -p $(@D)
	$(if $(Q),@echo "  GEN     $@")
	$(Q)$(RUNNER) $< --completion $(1) >$@ 2>$@.log || { \
	    echo '# left empty: $(<F) did not run where it was built' >$@; \
	    echo '$@: left empty, for $(<F) does not run here;' \
	        'RUNNER=... names an emulator' >&2; }
	@rm -f $@.log
endef
$(BASHCOMP): $(BUILD)/completions/bash/%: $(BUILD)/%
	$(call complete,bash)
$(ZSHCOMP): $(BUILD)/completions/zsh/_%: $(BUILD)/%
	$(call complete,zsh)
$(FISHCOMP): $(BUILD)/completions/fish/%.fish: $(BUILD)/%
	$(call complete,fish)

# Tests of a program's parts link to all of them but the file of main().
SERVE_PARTS := $(filter-out %/clipc-serve.o,$(patsubst %.c,$(BUILD)/%.o,$(sort \
               $(wildcard tools/serve/*.c)))) $(SERVE_FILES:%=%.o)
$(filter $(BUILD)/tests/unit/serve/%,$(UNIT_TESTS)): $(SERVE_PARTS) $(TOOL_COMMON)
$(filter $(BUILD)/tests/unit/serve/%,$(UNIT_TESTS)): LIBS += $(SERVE_LIBS)
$(BUILD)/tests/unit/serve/%.o: LIB_CPPFLAGS += -Itools
$(filter $(BUILD)/tests/unit/embed/%,$(UNIT_TESTS)): $(BUILD)/tools/embed/shards.o $(TOOL_COMMON)
$(BUILD)/tests/unit/embed/%.o: LIB_CPPFLAGS += -Itools
$(BUILD)/tests/stress/torture_serve: $(SERVE_PARTS) $(TOOL_COMMON)
$(BUILD)/tests/stress/torture_serve: LIBS += $(SERVE_LIBS)
$(BUILD)/tests/stress/torture_serve.o: LIB_CPPFLAGS += -Itools
$(filter $(BUILD)/tests/unit/pictures/%,$(UNIT_TESTS)): $(TOOL_COMMON)
$(BUILD)/tests/unit/pictures/%.o: LIB_CPPFLAGS += -Itools
$(UNIT_TESTS): %: %.o $(TEST_COMMON) $(STATIC_LIB)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(ALL_LDFLAGS) $(filter %.o,$^) $(STATIC_LIB) $(LIBS) -o $@

$(filter %/torture %/torture_serve,$(TEST_TOOLS)): $(BUILD)/tests/support/faults.o
$(TEST_TOOLS): %: %.o $(TEST_HELPERS) $(STATIC_LIB)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(ALL_LDFLAGS) $(filter %.o,$^) $(STATIC_LIB) $(LIBS) -o $@

# Not sanitized: it stands between the program and the allocator.
$(SHIM) $(FAKE_BLAS): $(BUILD)/tests/support/%.so: tests/support/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 $(WARNINGS) $(CFLAGS) -Itests -fPIC -shared $< -o $@ -ldl -pthread

$(BUILD)/examples/%: docs/examples/%.c $(STATIC_LIB) $(BUILD)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $@")
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MF $@.d $(ALL_LDFLAGS) $< $(STATIC_LIB) $(LIBS) -o $@

# What lies below the prefix is written so, that the prefix can be moved.
below = $(subst ^,,$(subst ^$(PREFIX)/,$${prefix}/,^$(1)))
$(BUILD)/clipc.pc: lib/clipc.pc.in $(BUILD)/flags include/clipc.h
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(call below,$(LIBDIR))|' \
	    -e 's|@INCLUDEDIR@|$(call below,$(INCLUDEDIR))|' \
	    -e 's|@DATADIR@|$(call below,$(DATADIR))|' \
	    -e 's|@PKGDATADIR@|$(call below,$(PKGDATADIR))|' -e 's|@VERSION@|$(VERSION)|' \
	    -e 's|@PACKAGES@|$(filter-out openblas,$(PACKAGES))|' $< > $@
# The CMake files find the library from where they lie themselves.
from_cmake = $(shell sh tools/relative.sh '$(CMAKEDIR)' '$(1)')
$(CMAKE_FILES): $(BUILD)/%: lib/%.in $(BUILD)/flags include/clipc.h
	$(Q)sed -e 's|@LIBDIR@|$(call from_cmake,$(LIBDIR))|' \
	    -e 's|@INCLUDEDIR@|$(call from_cmake,$(INCLUDEDIR))|' \
	    -e 's|@PKGDATADIR@|$(call from_cmake,$(PKGDATADIR))|' \
	    -e 's|@VERSION@|$(VERSION)|' -e 's|@SHARED@|$(SHARED)|' \
	    -e 's|@SONAME@|$(SONAME)|' \
	    -e 's|@PACKAGES@|$(filter-out openblas,$(PACKAGES))|' $< > $@
# In a unit of systemd a % begins a name of its own.
$(BUILD)/clipc-serve.service: tools/packaging/systemd/clipc-serve.service.in
	$(Q)sed -e 's|@BINDIR@|$(subst %,%%,$(BINDIR))|' $< > $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- dependencies ---------------------------------------------------------
deps:
	@CC='$(CC)' OPENBLAS=$(OPENBLAS) CURL=$(CURL) WEBP=$(WEBP) \
	    AVIF=$(AVIF) SERVE=$(SERVE) sh tools/deps.sh
deps-aarch64 deps-cpus:
	@sh tools/deps.sh --aarch64
deps-avx512:
	@sh tools/deps.sh --avx512
# `make -j4 deps demo`: nothing begins before deps is done.
DEPS_FIRST := $(filter deps deps-%,$(MAKECMDGOALS))
ifneq ($(DEPS_FIRST),)
$(filter-out $(DEPS_FIRST),$(MAKECMDGOALS)) $(BUILD)/flags: | $(DEPS_FIRST)
endif

# ---- running --------------------------------------------------------------
demo: $(BUILD)/clipc-classify
	$(BUILD)/clipc-classify --model demo weights/demo/examples/$(DEMO_PICTURE)
DEMO_PICTURE := red-convertible.png

check: tests
	@BUILD=$(BUILD) CC='$(CC)' RUNNER='$(RUNNER)' MAKE='$(MAKE)' OPENBLAS=$(OPENBLAS) \
	    CURL=$(CURL) WEBP=$(WEBP) AVIF=$(AVIF) GIF=$(GIF) SERVE=$(SERVE) VARIANT=$(VARIANT) V=$(V) sh tests/run.sh

check-asan:
	$(MAKE) VARIANT=asan check
check-ubsan:
	$(MAKE) VARIANT=ubsan check
# OpenBLAS is not built for TSan: its own locks would look like races.
check-tsan:
	$(MAKE) VARIANT=tsan OPENBLAS=0 check
# libjpeg's SIMD code computes on bytes past a row's end and drops the result; of
# dav1d's valgrind 3.19 does not understand enough.
check-valgrind:
	$(MAKE) OPENBLAS=0 AVIF=0 tests
	JSIMD_FORCENONE=1 SUITE_SECONDS=3600 $(MAKE) OPENBLAS=0 AVIF=0 CLIPC_SKIP_SCRIPTS=1 \
	    RUNNER='valgrind -q --leak-check=full --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect --error-exitcode=99' check
# SHORT=1: on most processors the tests of the kernels alone.
check-aarch64:
	@MAKE='$(MAKE)' sh tests/release/aarch64.sh $(if $(SHORT),--short)
export CLIPC_SKIP_SCRIPTS CLIPC_UNITS
check-cpus:
	@MAKE='$(MAKE)' sh tests/release/cpus.sh
# Not in check: it fetches an emulator's source and a Linux, and takes minutes.
# BOCHS_CPUS, BOCHS_TESTS: some of them; tests/bochs/run.sh says which there are.
check-avx512: tests
	@BUILD=$(BUILD) BUILDS='$(BUILDS)' CC='$(CC)' MAKE='$(MAKE)' V=$(V) bash tests/bochs/run.sh
# Not in check: they fetch a compiler and the sources of the codecs.
check-musl:
	@MAKE='$(MAKE)' BUILDS='$(BUILDS)' bash tests/release/musl.sh
check-systems:
	@MAKE='$(MAKE)' BUILDS='$(BUILDS)' bash tests/release/systems.sh
static:
	@MAKE='$(MAKE)' BUILDS='$(BUILDS)' bash tools/packaging/static.sh
check-static: static all
	@BUILD=$(BUILD) BUILDS='$(BUILDS)' sh tests/release/static.sh
# Not in check: they fetch a compiler and sources, and need node and a browser.
wasm:
	@MAKE='$(MAKE)' BUILDS='$(BUILDS)' bash tools/wasm/build.sh
check-wasm: wasm all
	@BUILD=$(BUILD) BUILDS='$(BUILDS)' SHOTS='$(SHOTS)' sh tests/wasm/run.sh
# Not in check: what a compiler makes of the loops is its version's affair.
check-codegen:
	@MAKE='$(MAKE)' CC='$(CHOSEN_CC)' sh tests/release/codegen.sh

lint:
	@sh tests/release/lint.sh
format:
	clang-format -i $$(git ls-files '*.c' '*.h')

torture: tests
	@BUILD=$(BUILD) sh tests/stress/torture.sh

SOAK_SECONDS ?= 1800
soak: tests
	$(BUILD)/tests/stress/soak --seconds $(SOAK_SECONDS)

check-all:
	@MAKE='$(MAKE)' BUILDS='$(BUILDS)' CC='$(CC)' sh tests/check_all.sh

coverage:
	mkdir -p $(BUILDS)/cov && find $(BUILDS)/cov -name '*.gcda' -delete
	$(MAKE) VARIANT=cov check
	@sh tests/release/coverage.sh $(BUILDS)/cov

FUZZ_SECONDS ?= 60
fuzz:
	@FUZZ_SECONDS=$(FUZZ_SECONDS) BUILDS=$(BUILDS) sh tests/fuzz/run.sh

# Not in check: needs browsers, and two packages of npm.
check-browser: all
	@BUILD=$(BUILD) SHOTS='$(SHOTS)' sh tests/browser/run.sh

# Not in check: needs packages of PyPI. CLIENTS: some of them, by name.
check-clients: all
	@BUILD=$(BUILD) PYTHON=$(PYTHON) VENV=$(VENV) sh tests/clients/run.sh $(CLIENTS)

# Not in check: needs packages of PyPI. WHEEL=1: the wheel of `make wheel`, else
# the package in tools/python with the library of this build.
check-python: all
	@BUILD=$(BUILD) PYTHON=$(PYTHON) VENV=$(VENV) WHEEL=$(WHEEL) sh tools/python/check.sh

wheel:
	@CC='$(CC)' MAKE='$(MAKE)' PYTHON=$(PYTHON) sh tools/python/wheel.sh

# Not in check: needs Java and packages of PyPI, and takes minutes.
check-spark: all
	@BUILD=$(BUILD) PYTHON=$(PYTHON) VENV=$(VENV) sh tests/spark/run.sh

parity: all $(BUILD)/tests/parity/trace $(BUILD)/tests/support/hubd
	@BUILD=$(BUILD) PYTHON=$(PYTHON) PARTS='$(PARTS)' sh tests/parity/run.sh

$(BUILD)/clipc-bench: $(BENCH_OBJECTS) $(STATIC_LIB)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(LIBS) -o $@
# The load generator stands alone: no part of the library is in it.
$(BUILD)/serve-load: $(LOAD_SOURCES:%.c=$(BUILD)/%.o)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(ALL_LDFLAGS) $^ -lm -o $@
bench: all $(BUILD)/clipc-bench $(BUILD)/serve-load
	@BUILD=$(BUILD) sh bench/run.sh
# PEERS: options of bench/peers.py; VENV: an environment that is there.
bench-peers: all $(BUILD)/clipc-bench
	@BUILD=$(BUILD) PYTHON=$(PYTHON) VENV=$(VENV) sh bench/peers.sh $(PEERS)
# PHOTOS: options of bench/photos.py.
bench-photos: all
	@BUILD=$(BUILD) PYTHON=$(PYTHON) VENV=$(VENV) sh bench/photos.sh $(PHOTOS)

# The table of docs/MODELS.md, from the program's own.
model-page: $(BUILD)/clipc-inspect
	$(Q){ sed '/^<!-- table/q' docs/MODELS.md; $< models --format markdown; \
	    sed -n '/^<!-- end/,$$p' docs/MODELS.md; } > $(BUILD)/MODELS.md
	$(Q)cp $(BUILD)/MODELS.md docs/MODELS.md

# ---- installing -----------------------------------------------------------
# What install puts and uninstall takes away, KIND:FILE:FOLDER/NAME; FOLDER is
# one of the variables above. Kinds: program, library and archive are stripped
# by install-strip; file; link, where FILE is what the link says.
INSTALLED = \
    $(foreach tool,$(TOOLS),program:$(BUILD)/$(tool):BINDIR/$(tool)) \
    file:include/clipc.h:INCLUDEDIR/clipc.h \
    archive:$(STATIC_LIB):LIBDIR/libclipc.a \
    library:$(SHARED_LIB):LIBDIR/$(SHARED) \
    $(foreach link,$(SHARED_LINKS),link:$(subst :,:LIBDIR/,$(link))) \
    file:$(BUILD)/clipc.pc:PKGCONFIGDIR/clipc.pc \
    $(foreach file,$(CMAKE_FILES),file:$(file):CMAKEDIR/$(notdir $(file))) \
    $(foreach file,$(wildcard weights/demo/*.json weights/demo/*.safetensors),\
        file:$(file):PKGDATADIR/demo/$(notdir $(file))) \
    $(foreach file,$(wildcard weights/labels/*.txt),\
        file:$(file):PKGDATADIR/labels/$(notdir $(file))) \
    $(foreach page,$(MAN1),file:$(page):MANDIR/man1/$(notdir $(page))) \
    $(foreach page,$(MAN3),file:$(page):MANDIR/man3/$(notdir $(page))) \
    $(foreach file,$(BASHCOMP),file:$(file):BASHCOMPDIR/$(notdir $(file))) \
    $(foreach file,$(ZSHCOMP),file:$(file):ZSHCOMPDIR/$(notdir $(file))) \
    $(foreach file,$(FISHCOMP),file:$(file):FISHCOMPDIR/$(notdir $(file))) \
    $(foreach file,$(UNITS),file:$(file):UNITDIR/$(notdir $(file)))

install install-strip: all
install install-strip uninstall:
	@$(foreach name,DESTDIR INSTALL STRIP SONAME MACOS $(FOLDERS),$(name)=$(call \
	    quoted,$($(name)))) sh tools/install.sh $@ $(INSTALLED)

# ---- Debian packages: tools/packaging/README.md ---------------------------
SUITE ?= bookworm
deb:
	@sh tools/packaging/deb.sh --suite $(SUITE)
check-deb:
	@sh tools/packaging/check-deb.sh --suite $(SUITE)

# Elsewhere a folder "build" may hold what is not ours.
clean:
ifeq ($(origin BUILD),file)
	rm -rf $(if $(filter build,$(BUILDS)),build,$(patsubst \
	    %/flags,%,$(wildcard $(BUILDS)/*/flags)))
else
	@echo 'clean: remove BUILD=$(BUILD) yourself' >&2; exit 1
endif

endif
