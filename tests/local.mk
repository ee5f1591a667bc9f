# tests/: unit (one binary per module), integration (real processes and third-party judges), fuzz, bench
TEST_LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_DRIVER = $(TEST_LOG_DRIVER)
SH_LOG_DRIVER = $(TEST_LOG_DRIVER)
TEST_EXTENSIONS = .sh
# One that hangs is ended, with all that it started: the others go on.
LOG_COMPILER = timeout -k 30 600
SH_LOG_COMPILER = $(LOG_COMPILER)
AM_TESTS_ENVIRONMENT = top_srcdir='$(top_srcdir)'; top_builddir='$(top_builddir)'; \
	SIMULGATE_LIBEXEC='$(abs_top_builddir)'; export top_srcdir top_builddir SIMULGATE_LIBEXEC;
test_libs = tests/libsuite.la $(CHECK_LIBS) $(JANSSON_LIBS)
bench_programs =
EXTRA_DIST += tests/suite.h

check_LTLIBRARIES += %D%/libsuite.la
%C%_libsuite_la_SOURCES = %D%/suite.c %D%/suite.h

include %D%/unit/proto.mk
include %D%/unit/bcast.mk
include %D%/unit/sdp.mk
include %D%/unit/lib.mk
include %D%/unit/io.mk
include %D%/unit/store.mk
include %D%/unit/media.mk
include %D%/unit/term.mk
include %D%/unit/kms.mk
include %D%/unit/scs.mk
include %D%/unit/ecmg.mk
include %D%/unit/emmg.mk
include %D%/unit/mux.mk
include %D%/unit/tools.mk
include %D%/unit/delivery.mk
include %D%/unit/doors.mk
include %D%/unit/sms.mk
include %D%/unit/decode.mk
include %D%/unit/lint.mk
include %D%/unit/scrub.mk
include %D%/unit/load.mk
include %D%/unit/plugin.mk
include %D%/unit/lint_page.mk
include %D%/unit/bridge.mk
include %D%/unit/xs.mk
include %D%/unit/sx.mk
include %D%/unit/seak.mk
include %D%/fuzz/local.mk
include %D%/integration/local.mk
include %D%/bench/local.mk

# The two halves of check: what is all computing, and real processes, whose time counts. Together they would starve each other.
check-units:
	units=; for t in $(TESTS); do case " $(integration_tests) " in *" $$t "*) ;; *) units="$$units $$t" ;; esac; done; \
	$(MAKE) $(AM_MAKEFLAGS) check TESTS="$$units"
check-programs:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(integration_tests)'
.PHONY: check-units check-programs

bench: $(bench_programs) all
	$(SHELL) $(srcdir)/tests/bench/run.sh $(bench_programs)
.PHONY: bench
