# tools/lint_page.mk: the report of simulgate lint as a page
noinst_LTLIBRARIES += %D%/liblintpage.la
%C%_liblintpage_la_SOURCES = %D%/lint_css.c %D%/lint_html.c %D%/lint_page.h %D%/lint_pic.c %D%/lint_pic.h %D%/lint_svg.c
%C%_liblintpage_la_LIBADD = -lm
