# Real processes on loopback and judges that are not ours. `need` says what happens when a judge is missing.
check_PROGRAMS += %D%/keys
%C%_keys_SOURCES = %D%/keys.c
%C%_keys_LDADD = cwg/libcwg.la lib/libgwbase.la $(CRYPTO_LIBS)
check_PROGRAMS += %D%/esp_wire
%C%_esp_wire_SOURCES = %D%/esp_wire.c
%C%_esp_wire_LDADD = $(media_libs)
check_PROGRAMS += %D%/ismacryp_run
%C%_ismacryp_run_SOURCES = %D%/ismacryp_run.c
%C%_ismacryp_run_LDADD = $(media_libs)

check_PROGRAMS += %D%/cissa
%C%_cissa_SOURCES = %D%/cissa.c
%C%_cissa_LDADD = $(media_libs)

check_PROGRAMS += %D%/digest_server
%C%_digest_server_SOURCES = %D%/digest_server.c
%C%_digest_server_LDADD = $(kms_libs)

check_PROGRAMS += %D%/httpd_run
%C%_httpd_run_SOURCES = %D%/httpd_run.c
%C%_httpd_run_LDADD = $(web_libs)

check_PROGRAMS += %D%/ex_run
%C%_ex_run_SOURCES = %D%/ex_run.c
%C%_ex_run_LDADD = $(ex_libs)

check_PROGRAMS += %D%/bsm_seed
%C%_bsm_seed_SOURCES = %D%/bsm_seed.c
%C%_bsm_seed_LDADD = $(kms_store_libs)

# Those that take longest stand first.
integration_tests = tests/test_rooms.sh
# What these say is of octets, scripts or clocks, and what they run is run by others, too: once is enough, without sanitizers.
integration_once = \
	%D%/shell_lint.sh \
	%D%/startup_order.sh \
	%D%/decode_tshark.sh \
	%D%/emmg_tshark.sh \
	%D%/esp_judges.sh \
	%D%/examples.sh \
	%D%/gstreamer_srtp.sh \
	%D%/install.sh \
	%D%/ismacryp_judges.sh \
	%D%/late_join.sh \
	%D%/lint_live.sh \
	%D%/man_lint.sh \
	%D%/neighbours.sh \
	%D%/plugin_test.sh \
	%D%/seak_example.sh \
	%D%/sp4_xmllint.sh \
	%D%/scrub_copies.sh \
	%D%/tshark_emmg.sh \
	%D%/tshark_simulcrypt.sh
if !SANITIZERS
integration_tests += $(integration_once)
endif
integration_tests += \
	%D%/misbehave.sh \
	%D%/kill9.sh \
	%D%/bridge_keys.sh \
	%D%/scs_modes.sh \
	%D%/broadcast_rights.sh \
	%D%/scs_reload.sh \
	%D%/bad_config.sh \
	%D%/bitstream_ecmg.sh \
	%D%/bitstream_scs.sh \
	%D%/bridge_demo.sh \
	%D%/bridge_full.sh \
	%D%/bridge_https.sh \
	%D%/bridge_mode_a.sh \
	%D%/bridge_program.sh \
	%D%/bridge_store.sh \
	%D%/bridge_sx.sh \
	%D%/bridge_xs.sh \
	%D%/bridge_xs_mux.sh \
	%D%/bsm_crash.sh \
	%D%/bsm_flows.sh \
	%D%/bsm_http.sh \
	%D%/bsm_https.sh \
	%D%/bsm_program.sh \
	%D%/bsm_roll.sh \
	%D%/bsm_standby.sh \
	%D%/bsm_update.sh \
	%D%/check_probe.sh \
	%D%/cissa_openssl.sh \
	%D%/decode_cli.sh \
	%D%/decode_kinds.sh \
	%D%/decode_live.sh \
	%D%/lint_cli.sh \
	%D%/bench_terminal.sh \
	%D%/diff_captures.sh \
	%D%/lint_html.sh \
	%D%/digest_judges.sh \
	%D%/ecmg_crowd.sh \
	%D%/ecmg_store.sh \
	%D%/ecmg_vectors.sh \
	%D%/emmg_mux.sh \
	%D%/emmg_together.sh \
	%D%/emmg_vectors.sh \
	%D%/esp_headend.sh \
	%D%/esp_netns.sh \
	%D%/fencing.sh \
	%D%/headend_demo.sh \
	%D%/hostile.sh \
	%D%/http_hostile.sh \
	%D%/http_judges.sh \
	%D%/ismacryp_programs.sh \
	%D%/kms_store.sh \
	%D%/load.sh \
	%D%/load_bsm.sh \
	%D%/malformed.sh \
	%D%/mux_crowd.sh \
	%D%/mux_ts.sh \
	%D%/phone.sh \
	%D%/play_es.sh \
	%D%/profiles.sh \
	%D%/protections.sh \
	%D%/replay_ecmg.sh \
	%D%/replay_emmg.sh \
	%D%/replay_peers.sh \
	%D%/scrambler_flood.sh \
	%D%/scrambler_io.sh \
	%D%/scrambler_reload.sh \
	%D%/scrub.sh \
	%D%/scs_refusals.sh \
	%D%/scs_vectors.sh \
	%D%/sdp_sap.sh \
	%D%/seak_gate.sh \
	%D%/seak_sync.sh \
	%D%/secrets.sh \
	%D%/smpp.sh \
	%D%/standby.sh \
	%D%/starvation.sh
dist_check_SCRIPTS += $(integration_tests)
TESTS += $(integration_tests)
EXTRA_DIST += %D%/.shellcheckrc
EXTRA_DIST += %D%/air.py
EXTRA_DIST += %D%/bridge_full.py
EXTRA_DIST += %D%/bridge_hostile.py
EXTRA_DIST += %D%/bsm_crash.py
EXTRA_DIST += %D%/bsm_crash_preload.c
EXTRA_DIST += %D%/bsm_judge.py
EXTRA_DIST += %D%/bsm_ua.py
EXTRA_DIST += %D%/bsmlib.sh
EXTRA_DIST += %D%/capture_copies.py
EXTRA_DIST += %D%/calib.sh %D%/brlib.sh
EXTRA_DIST += %D%/scrub_judge.py
EXTRA_DIST += %D%/card_scs.py
EXTRA_DIST += %D%/.shellcheckrc %D%/air.py %D%/emmgwire.py %D%/esp_scapy.py %D%/follower.py %D%/gst_recover.c %D%/gst_sdp.c %D%/hostile.py %D%/ismacryp_judge.py %D%/leaks.py %D%/lib.sh %D%/ltkm_judge.py %D%/mux_ts.py %D%/probe.py %D%/scrambler.py %D%/rtp_units.py %D%/sap_watch.py %D%/simecmg.py %D%/simmux.py %D%/simwire.py %D%/tshark_judge.py
EXTRA_DIST += %D%/capture_copies.py %D%/decode_judge.py %D%/decode_kinds.py %D%/decode_schema.py tests/data/decode %D%/replay_lib.sh %D%/replay_peer.py
EXTRA_DIST += %D%/card_scs.py %D%/cissa_judge.py %D%/http_hostile.py
EXTRA_DIST += %D%/.shellcheckrc %D%/air.py %D%/bsmlib.sh %D%/emmgwire.py %D%/esp_scapy.py %D%/follower.py %D%/gst_recover.c %D%/gst_sdp.c %D%/hostile.py %D%/ismacryp_judge.py %D%/leaks.py %D%/lib.sh %D%/ltkm_judge.py %D%/mux_ts.py %D%/probe.py %D%/scrambler.py %D%/rtp_units.py %D%/sap_watch.py %D%/simecmg.py %D%/simmux.py %D%/simwire.py %D%/tshark_judge.py
EXTRA_DIST += %D%/cissa_judge.py
EXTRA_DIST += %D%/decode_judge.py
EXTRA_DIST += %D%/emmgwire.py
EXTRA_DIST += %D%/esp_scapy.py
EXTRA_DIST += %D%/follower.py
EXTRA_DIST += %D%/gst_recover.c
EXTRA_DIST += %D%/gst_sdp.c
EXTRA_DIST += %D%/hostile.py
EXTRA_DIST += %D%/http_hostile.py
EXTRA_DIST += %D%/ismacryp_judge.py
EXTRA_DIST += %D%/lint_captures.py
EXTRA_DIST += %D%/leaks.py
EXTRA_DIST += %D%/lib.sh
EXTRA_DIST += %D%/lint_hostile.py %D%/lint_page.py
EXTRA_DIST += %D%/ltkm_judge.py
EXTRA_DIST += %D%/mux_ts.py
EXTRA_DIST += %D%/probe.py
EXTRA_DIST += %D%/rtp_units.py
EXTRA_DIST += %D%/sap_watch.py
EXTRA_DIST += %D%/sx_judge.py
EXTRA_DIST += %D%/scrambler.py
EXTRA_DIST += %D%/simecmg.py
EXTRA_DIST += %D%/simmux.py
EXTRA_DIST += %D%/simwire.py
EXTRA_DIST += %D%/smsc.js
EXTRA_DIST += %D%/sockets.py
EXTRA_DIST += %D%/terminal.py
EXTRA_DIST += %D%/tshark_judge.py
EXTRA_DIST += %D%/xmlpeer.py
EXTRA_DIST += %D%/xslib.sh
EXTRA_DIST += %D%/keys_bsm.py
EXTRA_DIST += %D%/bad_plugin.c
