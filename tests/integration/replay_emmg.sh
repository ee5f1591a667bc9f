#!/usr/bin/env bash
# tests/integration/replay_emmg.sh: simulgate replay of other people's EMMG<=>MUX sessions, data by TCP and by UDP: as EMMG against
# simulgate-mux, as MUX against simulgate-emmg. What it keeps is judged by tshark and capinfos.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=replay_lib.sh
. "$here/replay_lib.sh"
need tshark capinfos
plan 12
ports control data air
sg mux mux --listen "tcp://127.0.0.1:$control" --udp "udp://127.0.0.1:$data" --map "0x4adc0001/5=udp://127.0.0.1:$air" --total 100Mbit/s --status "unix://$dir/mux.sock"
await_port 15 "$control" || bail "simulgate-mux listens"

check "as EMMG by TCP: all versions, TS packets and sections" replayed 0 "$tcp_capture" --as emmg --to "tcp://127.0.0.1:$control" --fast --record "$dir/tcp.pcapng"
check "the recording is sound" sound "$dir/tcp.pcapng" "$control"
check "and says what the capture says" within 30 "$diff" "$tcp_capture" "$dir/tcp.pcapng"
check "as EMMG by UDP" replayed 0 "$udp_capture" --as emmg --to "tcp://127.0.0.1:$control" --udp "udp://127.0.0.1:$data" --speed 4 --record "$dir/udp.pcapng"
check "the recording is sound" sound "$dir/udp.pcapng" "$control" "$data"
check "and says what the capture says" within 30 "$diff" "$udp_capture" "$dir/udp.pcapng"
check "datagrams want an address" replayed 64 "$udp_capture" --as emmg --to "tcp://127.0.0.1:$control"

# ours carries sections, in its own time
printf '\x82\x70\x05\x01\x02\x03\x04\x05\x83\x70\x02\x0a\x0b' >"$dir/emm"
ports control data
for kind in tcp udp; do
	by=()
	[ "$kind" = tcp ] || by=(--udp "udp://127.0.0.1:$data")
	capture=${kind}_capture
	start "as_mux_$kind" "$replay" "${!capture}" --as mux --listen "tcp://127.0.0.1:$control" "${by[@]}" --session 1,2 --until channel_close --wait 60 \
		--ignore section_TSpkt_flag --ignore data_provision --map section_TSpkt_flag=0 --record "$dir/as_mux_$kind.pcapng"
	await_log 15 "as_mux_$kind" 'as MUX at' || bail "the replay listens"
	ran=0
	# the TCP capture has two sessions in its first two, the UDP capture one
	for session in $([ "$kind" = tcp ] && echo 1 2 || echo 1); do
		sg "emmg_$kind$session" emmg --to "tcp://127.0.0.1:$control" "${by[@]}" --client-id 0x4adc0001 --data-id 5 --source "$dir/emm" --loop \
			--protocol-version 2 --status "unix://$dir/emmg.sock"
		await_status 30 "$dir/emmg.sock" 's["channels"][0]["streams"][0]["messages"] >= 15' >/dev/null && stop "emmg_$kind$session" 15 && ran=$((ran + 1))
	done
	check "as MUX by $kind: simulgate-emmg sends and ends in order" test "$ran" -gt 0
	await 15 "the replay to end" gone "as_mux_$kind"
	check "as captured" wait "${pid[as_mux_$kind]}"
	unset "pid[as_mux_$kind]"
done
check "the recording by TCP is sound" sound "$dir/as_mux_tcp.pcapng" "$control"
