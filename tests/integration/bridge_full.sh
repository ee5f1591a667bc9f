#!/usr/bin/env bash
# tests/integration/bridge_full.sh: a peer whose requests nobody behind the bridge answers has as many of them under way as it may, on connections of its own;
# then it is told 503 and when to come again. What was answered before it still gets, and so do others.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 6

ports p_bridge
cat >"$dir/b.yaml" <<-EOT
state: state
playout: unix://$dir/run
services:
  - { id: tv1, scrambling: none, global_service_id: "urn:oma:bcast:iauth:x-test:service:tv1" }
bridge:
  back:
    roles: bsm
    plain: true
    listen: tcp://127.0.0.1:$p_bridge
    peers: { eager: { roles: bsda }, other: { roles: bsda } }
EOT
mkfifo "$dir/commands"
start b bash -c "exec '$top_builddir/tests/integration/ex_run' '$dir/b.yaml' back '$top_srcdir/bridge' <>'$dir/commands'"
await_log 15 b '^ready' || bail "the bridge listens"
while read -r verdict what; do
	case $verdict in
	ok) ok "$what" ;;
	*) not_ok "$what" ;;
	esac
done < <("$PYTHON" "$here/bridge_full.py" "$p_bridge" "$dir/log/b" "$top_srcdir/tests/data/sp4/samples/tag05-stkm-request.xml" 2>&1)
check "the bridge ends with all of them" stop b 15
