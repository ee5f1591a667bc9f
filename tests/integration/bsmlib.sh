# shellcheck shell=bash
# tests/integration/bsmlib.sh: sourced behind lib.sh by tests of the subscribers' side: a head-end whose receivers have cards. Service news over
# SRTP, KMS card, BSM main at 127.0.0.1; the phones alice, bob and carol at
# 127.0.0.2 to .4, and dora, whose SMK and SRK are given, at .5.
# bsm_headend [PERIOD [MORE]] writes $conf; MORE: further keys of the BSM, as "sek_life: 20s, ". Ports: p_http p_ltkm p_phone p_api p_ecmg.
subscribers=(alice bob carol dora)
bsm_headend() {
	local g i name
	g=$(group)
	conf=$dir/headend.yaml
	mkdir -p "$dir/keys" "$dir/sms"
	ports p_http p_ltkm p_phone p_api p_ecmg p_in p_out p_stkm
	in=$g:$p_in out=$g:$p_out stkm=$g:$p_stkm
	token=test-token-of-a-web-shop
	(umask 077 && echo $token >"$dir/keys/token")
	(
		umask 077
		echo "subscribers:" >"$dir/keys/subscribers.yaml"
		i=0
		for name in "${subscribers[@]}"; do
			i=$((i + 1))
			[ "$name" != dora ] || break
			printf '%s\n' "impi: 00101012345678$i@ims.mnc001.mcc001.3gppnetwork.org" "msisdn: \"49170000000$i\"" "amf: 0xb9b9" \
				"k: 0x465b5ce8b199b4${i}faa5f0a2ee238a6b$i" "opc: 0xcd63cb71954a9f${i}e48a5994e37a02ba$i" "provision: milenage" >"$dir/keys/$name.yaml"
			{
				echo "  $name:"
				sed 's/^/    /' "$dir/keys/$name.yaml"
			} >>"$dir/keys/subscribers.yaml"
			printf '%s\n' "naf: bsm.example.net" "bsf: bsf.example.net" "request_delay: 500ms" >>"$dir/keys/$name.yaml"
		done
		printf '%s\n' "provision: keys" "btid: dora@bsf.example.net" "msisdn: \"491700000004\"" \
			"smk: 0x22ee3203873c8d6232a8f10c3276a4f6ad7c4e541b9d7d8065a941bd21f329c4" \
			"srk: 0x51f0a4df5dbb2a1a0ab1ba2f6f3d1f5e8c7a6b5d4e3f20110f1e2d3c4b5a6974" >"$dir/keys/dora.yaml"
		{
			echo "  dora:"
			sed 's/^/    /' "$dir/keys/dora.yaml"
		} >>"$dir/keys/subscribers.yaml"
		echo "naf: bsm.example.net" >>"$dir/keys/dora.yaml"
	)
	cat >"$conf" <<-EOF
	head_end: judge
	state: state
	playout: unix://$dir/run
	kms:
	  card: { super_cas_id: 0x00020001, ecmg: tcp://127.0.0.1:$p_ecmg, plugin: smartcard, delay_start: -300, delay_stop: -300, max_comp_time: 300 }
	services:
	  - id: news
	    scrambling: srtp
	    crypto_period: ${1:-2s}
	    media: [{ name: av, in: "udp://$in?interface=lo", out: "udp://$out?interface=lo" }]
	    stkm: [{ kms: card, ecm_id: 1, out: "udp://$stkm?interface=lo" }]
	bsm:
	  main: { kms: card, naf: bsm.example.net, bsf: bsf.example.net, key_domain: 0x00f110, listen: tcp://127.0.0.1:$p_http,
	    ltkm: udp://127.0.0.1:$p_ltkm, ltkm_port: $p_phone, sms: sms, ${2:-}api: tcp://127.0.0.1:$p_api, api_token: keys/token }
	terminals:
	EOF
	i=1
	for name in "${subscribers[@]}"; do
		i=$((i + 1))
		echo "  - { name: $name, profile: smartcard, service: news, card: keys/$name.yaml, address: udp://127.0.0.$i:$p_phone, sms: sms }" >>"$conf"
	done
}
# rise NAME ...: programs of that head-end, each with its /status at $dir/NAME.sock
rise() {
	local name
	for name; do
		case $name in
		bsm) sg bsm bsm --config "$conf" --status "unix://$dir/bsm.sock" --log-level debug ;;
		ecmg) sg ecmg ecmg --config "$conf" --kms card --status "unix://$dir/ecmg.sock" --log-level debug ;;
		alice | bob | carol | dora) sg "$name" terminal --config "$conf" --terminal "$name" --status "unix://$dir/$name.sock" --log-level debug ;;
		*) sg "$name" "$name" --config "$conf" --status "unix://$dir/$name.sock" ;;
		esac
	done
}
subscribe() { "$(program "")" subscribe "$@" --config "$conf"; }
kms() { "$(program "")" kms "$@" --config "$conf"; }
# know: the BSM is told of all of them
know() { subscribe subscriber add "$dir/keys/subscribers.yaml"; }
buy() { subscribe add --subscriber "$1" --service "${2:-news}"; }
# has_keys NAME: its card got a SEK from the air of the interaction channel
registered() { await_status "${2:-15}" "$dir/$1.sock" "s['phone']['registered']"; }
# watches NAME LEAST-PACKETS [SECONDS]: from now on
watches() {
	local from
	await_status 15 "$dir/$1.sock" 'u["service"]' >/dev/null || return 1
	from=$(value "$dir/$1.sock" 'u["packets"]') || return 1
	await_status "${3:-20}" "$dir/$1.sock" "u['packets'] >= $from + $2 and u['lost'] == 0 and u['undecryptable'] == 0"
}
delivered() { await_status "${2:-15}" "$dir/bsm.sock" "s['ltkm']['verified'] >= $1"; }
