# man/: mdoc; lists that the programs know come from the programs' own tables
dist_man_MANS =
dist_man_MANS += %D%/simulgate-play.1
dist_man_MANS += %D%/simulgate-decode.1
dist_man_MANS += %D%/simulgate-replay.1
dist_man_MANS += %D%/simulgate-diff.1
dist_man_MANS += %D%/simulgate-load.1
dist_man_MANS += %D%/simulgate-kms.1
dist_man_MANS += %D%/simulgate-kms-plugin.3
dist_man_MANS += %D%/simulgate-plugin-test.1
dist_man_MANS += %D%/simulgate-subscribe.1
dist_man_MANS += %D%/simulgate-sp4.1
dist_man_MANS += %D%/simulgate-seak.1
dist_man_MANS += %D%/simulgate-bridge.8
dist_man_MANS += %D%/simulgate-bsm.8
dist_man_MANS += %D%/simulgate-bsm-api.7
dist_man_MANS += %D%/simulgate-ecmg.8
dist_man_MANS += %D%/simulgate-emmg.8
dist_man_MANS += %D%/simulgate-mux.8
dist_man_MANS += %D%/simulgate-scrambler.8
dist_man_MANS += %D%/simulgate-scrub.1
dist_man_MANS += %D%/simulgate-scs.8
dist_man_MANS += %D%/simulgate-terminal.8
made_pages = %D%/simulgate.1 %D%/simulgate.yaml.5 %D%/simulgate-keys.5 %D%/simulgate-protocol.7 %D%/simulgate-lint.1
man_MANS += $(made_pages)
CLEANFILES += $(made_pages)
EXTRA_DIST += %D%/simulgate.1.in %D%/simulgate.yaml.5.in %D%/simulgate-keys.5.in %D%/simulgate-protocol.7.in %D%/simulgate-lint.1.in %D%/fold.awk

noinst_PROGRAMS += %D%/pages
%C%_pages_SOURCES = %D%/pages.c
%C%_pages_LDADD = tools/liblint.la tools/libdecode.la $(kms_libs)
make_page = $(AM_V_GEN)$(SED) 's,[@]docdir@,$(docdir),' $(srcdir)/$@.in >$@-i && \
	%D%/pages$(EXEEXT) $(srcdir)/examples/headend.yaml <$@-i >$@-t && \
	$(AWK) -f $(srcdir)/%D%/fold.awk $@-t >$@ && rm -f $@-i $@-t
page_deps = %D%/pages$(EXEEXT) %D%/fold.awk examples/headend.yaml
%D%/simulgate.1: %D%/simulgate.1.in $(page_deps)
	$(make_page)
%D%/simulgate.yaml.5: %D%/simulgate.yaml.5.in $(page_deps)
	$(make_page)
%D%/simulgate-keys.5: %D%/simulgate-keys.5.in $(page_deps)
	$(make_page)
%D%/simulgate-protocol.7: %D%/simulgate-protocol.7.in $(page_deps)
	$(make_page)
%D%/simulgate-lint.1: %D%/simulgate-lint.1.in $(page_deps)
	$(make_page)
picturesdir = $(docdir)/pictures
dist_pictures_DATA = %D%/pictures/decode-fields.png %D%/pictures/decode-ladder.png %D%/pictures/decode-summary.png %D%/pictures/lint-page-dark.png \
	%D%/pictures/lint-page.png %D%/pictures/lint.png %D%/pictures/load.png
