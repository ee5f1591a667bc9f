# tests/unit/lint_page.mk
check_PROGRAMS += tests/unit/test_lint_page
TESTS += tests/unit/test_lint_page
tests_unit_test_lint_page_SOURCES = tests/unit/test_lint_page.c tests/unit/lint_report.h
tests_unit_test_lint_page_LDADD = $(test_libs) tools/liblintpage.la tools/liblint.la $(XML_LIBS)
