#!/usr/bin/env bash
# tests/integration/kms_store.sh: the operator's commands on the store of a Smartcard KMS, through the front command, and side by side
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need "$PYTHON" sqlite3

plan 78
sg_front=$(program "")
cat >"$dir/he.yaml" <<END
head_end: lab
state: $dir/state
playout: unix://$dir/run
kms:
  card: { super_cas_id: 0x00020001, ecmg: tcp://127.0.0.1:7002, plugin: smartcard, store: $dir/kms/card.db }
services:
  - { id: news, scrambling: srtp, crypto_period: 10s, media: [ { name: av, in: udp://239.255.0.1:5004, out: udp://239.255.1.1:5004 } ],
      stkm: [ { kms: card, ecm_id: 2, out: udp://239.255.1.1:5012 }, { kms: card, ecm_id: 3, key: pek, out: udp://239.255.1.1:5014 } ] }
bsm:
  lab: { kms: card, naf: bsm.example.net, key_domain: 0x00f110, listen: tcp://127.0.0.1:7080, ltkm: udp://127.0.0.1:7081 }
END
secret=465b5ce8b199b49faa5f0a2ee238a6bc
(umask 077 && cat >"$dir/subs.yaml" && cat >"$dir/more.csv" <<END) <<END2
name,impi,msisdn,provision,gba,k,opc,sqn,amf,btid,smk,srk,rand,ks,lifetime
dora,dora@ims.example.net,4911,milenage,me,$secret,cd63cb71954a9f4e48a5994e37a02baf,000000000020,8000,,,,,,
"emil",emil@ims.example.net,4912,milenage,,$secret,cd63cb71954a9f4e48a5994e37a02baf,,,,,,,,
fritz,,4913,keys,,,,,,f@bsf,$secret$secret,$secret$secret,,,30d
END
subscribers:
  anna: { provision: milenage, impi: anna@ims.example.net, msisdn: "491700000001", k: 0x$secret, opc: 0xcd63cb71954a9f4e48a5994e37a02baf, sqn: 0xff9bb4d0b607, amf: 0xb9b9 }
  bert: { provision: ks, impi: bert@ims.example.net, rand: 0x23553cbe9637a89d218ae64dae47bf35, ks: 0x$secret$secret }
END2
kms() { "$sg_front" kms "$@" --config "$dir/he.yaml"; }
sub() { "$sg_front" subscribe "$@" --config "$dir/he.yaml"; }
# status_of STATUS COMMAND …; its words are in $dir/words
refused() {
	local want=$1 words=$2 status
	shift 2
	"$@" >"$dir/words" 2>&1
	status=$?
	same "$status" "$want" && grep -Eq -e "$words" "$dir/words" || { cat "$dir/words"; return 1; }
}
# value EXPRESSION COMMAND …: of the JSON that the command answers
value() {
	local expression=$1
	shift
	"$@" --json >"$dir/json" 2>"$dir/words" || { cat "$dir/words"; return 1; }
	"$PYTHON" -c 'import json, sys; j = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$dir/json" "$expression"
}
is() { local want=$1; shift; same "$(value "$@")" "$want"; }

# -- made, and refused
check "no store: the reason and the remedy" refused 78 'simulgate kms init' kms status
check "init" is 1 "j['services']" kms init
check "init again changes nothing" is 1 "j['services']" kms init
check "the store is ours alone" same "$(stat -c %a "$dir/kms/card.db" "$dir/kms/card.db.master" | sort -u)" 600
check "its first SEK" is "[(1, 'current', '00f110')]" "[(k['number'], k['state'], '00f110') for k in j if k['kind'] == 'sek']" kms key list
check "its service" is "('urn:simulgate:lab:news', 1, 2)" "(j[0]['uri'], j[0]['sek_group'], j[0]['pek_group'])" kms service list
sed 's/0x00f110/0x62f224/' "$dir/he.yaml" >"$dir/other.yaml"
check "another Key Domain than that of its keys" refused 78 'service news: .*0x00f110.*0x62f224' "$sg_front" kms init --config "$dir/other.yaml"
sed 's/id: news,/id: late, purchase_item: "urn:simulgate:lab:news",/' "$dir/he.yaml" >"$dir/other.yaml"
check "a service that is sold as another one is" refused 78 'service late: .*sold as urn:simulgate:lab:news' "$sg_front" kms init --config "$dir/other.yaml"
check "an unknown command" refused 64 'no such command' kms frobnicate
check "a missing word" refused 64 'word is missing' kms backup
check "--store beside --config" refused 64 'not both' kms status --store "$dir/kms/card.db"
check "without a configuration" same "$("$sg_front" kms status --store "$dir/kms/card.db" | sed -n 's/^services: //p')" 1
check "an unknown KMS" refused 64 'no KMS drm' kms status --kms drm

# -- subscribers
chmod 640 "$dir/subs.yaml"
check "a file that others can read" refused 78 'mode 0640' sub subscriber add "$dir/subs.yaml"
chmod 600 "$dir/subs.yaml"
check "subscribers from YAML" is 2 "j['subscribers']" sub subscriber add "$dir/subs.yaml"
check "twice" refused 64 'subs.yaml:2.*already' sub subscriber add "$dir/subs.yaml"
sed 's/^dora/anna/; s/fritz,,4913,keys/fritz,,4913,ks/' "$dir/more.csv" >"$dir/bad.csv" && chmod 600 "$dir/bad.csv"
check "a name that is taken, by its line" refused 64 'bad.csv:2' sub subscriber import "$dir/bad.csv"
sed 's/fritz,,4913,keys/fritz,,4913,ks/' "$dir/more.csv" >"$dir/bad.csv"
check "keys that do not go together, by their line" refused 78 'bad.csv:4' sub subscriber import "$dir/bad.csv"
check "and nothing of that file" is "['anna', 'bert']" "[s['name'] for s in j]" sub subscriber list
check "subscribers from CSV" is 3 "j['subscribers']" sub subscriber import "$dir/more.csv"
check "who has a context" is "I1U8vpY3qJ0hiuZNrke/NQ==@bsm.example.net" "j['bootstrapping']['btid']" sub subscriber show bert@ims.example.net
check "who has none" is None "j['bootstrapping']" sub subscriber show +4911

# -- bought and ended
check "bought" is "(1, 'new', '4711')" "(j['id'], j['state'], j['order'])" sub add --subscriber anna --service news --until +30d --order 4711
check "the same order again" is 1 "j['id']" sub add --subscriber anna --service news --until +30d --order 4711
check "with another end it is another one" refused 69 'idempotency key' sub add --subscriber anna --service news --until +31d --order 4711
check "and without an end" refused 69 'idempotency key' sub add --subscriber anna --service news --order 4711
check "another one under it" refused 69 'idempotency key' sub add --subscriber bert --service news --order 4711
check "for nobody" refused 64 'no such subscriber' sub add --subscriber otto --service news
check "a time that is none" refused 64 'is no time' sub add --subscriber anna --service news --until 2027-02-30
check "a programme that is not there" refused 64 'programme' sub add --subscriber anna --service news --programme urn:final
kms programme add --service news --item urn:final --until +2h >/dev/null
check "a programme at the same time" refused 64 'urn:final' kms programme add --service news --item urn:other --until +1h
check "a programme is bought" is "urn:final" "j['programme']" sub add --subscriber bert --service urn:simulgate:lab:news --programme urn:final
printf 'subscriber,service,from,until,order\ndora,news,2026-01-01,,o1\nemil,news,,+1h,o2\notto,news,,,o3\n' >"$dir/sales.csv"
check "a file with a fault, by its line" refused 64 'sales.csv:4: subscriber' sub import "$dir/sales.csv"
check "and nothing of it" is 2 "len(j)" sub list
sed -i '$d' "$dir/sales.csv"
check "imported" is "(2, 0)" "(j['subscriptions'], j['known_orders'])" sub import "$dir/sales.csv"
check "and once" is "(0, 2)" "(j['subscriptions'], j['known_orders'])" sub import "$dir/sales.csv"
check "ended" is "['ended']" "[s['state'] for s in j]" sub end --subscriber anna --service news
check "ended at once" is "['cut']" "[s['state'] for s in j]" sub end 1 --now
check "the order is what it was, though it was ended" is "(1, 'cut')" "(j['id'], j['state'])" sub add --subscriber anna --service news --until +30d --order 4711
sub add --subscriber anna --service news --until +1s --order short >/dev/null
over() { is ended "[s['state'] for s in j if s['order'] == 'short'][0]" sub list; }
check "what is past its end is over" await 15 "the end of a second" over
check "what nobody has" refused 64 'no such subscription' sub end --subscriber fritz --service news

# -- subscribers change
check "another number" is "('4917', 'anna@ims.example.net')" "(j['msisdn'], j['impi'])" sub subscriber change anna --msisdn 4917
check "none" is None "j['msisdn']" sub subscriber change anna --msisdn none
check "one that another has" refused 64 'another subscriber has' sub subscriber change anna --msisdn 4911
check "a change of nothing" refused 64 'what is to change' sub subscriber change anna
sed 's/0x23553cbe/0x33553cbe/' "$dir/subs.yaml" >"$dir/new.yaml" && chmod 600 "$dir/new.yaml"
check "new keys make a new context" is "M1U8vpY3qJ0hiuZNrke/NQ==@bsm.example.net" "j['bootstrapping']['btid']" sub subscriber change bert "$dir/new.yaml"
sed -i 's/bert: { /bert: { lifetime: 2d, /' "$dir/new.yaml"
check "the same keys have another life" is "('M1U8vpY3qJ0hiuZNrke/NQ==@bsm.example.net', '4918', True)" "(j['bootstrapping']['btid'], j['msisdn'], j['bootstrapping']['expires'][:10] < '$(date -u -d +3days +%F)')" sub subscriber change bert "$dir/new.yaml" --msisdn 4918
sub subscriber change bert --msisdn none >/dev/null
check "who is not in the file" refused 64 'no subscriber dora' sub subscriber change dora "$dir/new.yaml"
sed 's/naf: bsm.example.net/naf: other.example.net/' "$dir/he.yaml" >"$dir/other.yaml"
check "another NAF, while keys are made of the old one" refused 78 'subscriber bert, who has provision ks' "$sg_front" kms init --config "$dir/other.yaml"
check "and none are made of it" refused 64 'not other.example.net' "$sg_front" subscribe subscriber change bert "$dir/subs.yaml" --config "$dir/other.yaml"

# -- services come and go
{ sed '/^bsm:/,$d' "$dir/he.yaml"; cat <<END; sed -n '/^bsm:/,$p' "$dir/he.yaml"; } >"$dir/two.yaml"
  - { id: late, scrambling: srtp, crypto_period: 10s, media: [ { name: av, in: udp://239.255.0.2:5004, out: udp://239.255.1.2:5004 } ],
      stkm: [ { kms: card, ecm_id: 4, out: udp://239.255.1.2:5012 } ] }
END
two() { "$sg_front" "$@" --config "$dir/two.yaml"; }
check "one more service" is 2 "j['services']" two kms init
check "it has no programmes" is "[('news', True), ('late', False)]" "[(s['service'], s['programmes']) for s in j]" kms service list
check "and gets none" refused 64 'no stream of STKMs for programmes' kms programme add --service late --item urn:late --until +1h
sub add --subscriber anna --service late >/dev/null
check "it does not end while the file has it" refused 64 'take it out' two kms service end late
check "it ends" is True "j['ended']" kms service end late
check "with what was sold, and its keys" same "$(value "[s['state'] for s in j if s['service'] == 'late']" sub list) $(value "[k['number'] for k in j if k['service'] == 'late']" kms key list)" "['ended'] []"
check "nobody can buy it" refused 64 'no such service' sub add --subscriber anna --service late
check "it is off air" is "[('news', True), ('late', False)]" "[(s['service'], s['on_air']) for s in j]" kms service list
check "it comes back, with the next key" is "[(3, 2)]" "[(k['group'], k['number']) for k in j if k['service'] == 'late']" eval 'two kms init >/dev/null && kms key list'
check "another name" is "later" "j['service']" kms service rename late later
check "not one that is there" refused 64 'there is a service news' kms service rename later news
kms service end later >/dev/null

# -- side by side
crowd() {
	local i bad=0
	local -a all=()
	for i in {1..8}; do
		sub add --subscriber fritz --service news --order "crowd" >/dev/null 2>>"$dir/said" &
		all+=($!)
		sub add --subscriber fritz --service news --order "each$i" >/dev/null 2>>"$dir/said" &
		all+=($!)
	done
	kms rotate-master >/dev/null 2>>"$dir/said" &
	all+=($!)
	for i in "${all[@]}"; do wait "$i" || bad=$((bad + 1)); done
	same "$bad" 0 && is 9 "len(j)" sub list --subscriber fritz
}
check "seventeen commands at once, one of them another master key" crowd
{ echo name,provision,btid,smk,srk; for i in {1..3000}; do echo "s$i,keys,s$i@bsf,$secret$secret,$secret$secret"; done; } >"$dir/crowd.csv"
chmod 600 "$dir/crowd.csv"
killed() {
	sub subscriber import "$dir/crowd.csv" >/dev/null 2>&1 &
	local victim=$!
	sleep 0.3
	kill -KILL "$victim" 2>/dev/null
	wait "$victim" 2>/dev/null
	case $(value "len(j)" sub subscriber list) in 5 | 3005) ;; *) echo "a part of the file"; return 1 ;; esac
	kms status >/dev/null
}
check "an import that is killed is there whole or not at all" killed

# Wherever a rotation is cut off, the keys are there, under the old master key or the new one.
rotations() {
	local was delay victim
	was=$(kms key list)
	for delay in 0.02 0.04 0.06 0.08 0.12 0.2; do
		"$sg_front" kms rotate-master --config "$dir/he.yaml" >/dev/null 2>&1 &
		victim=$!
		sleep "$delay"
		kill -KILL "$victim" 2>/dev/null
		wait "$victim" 2>/dev/null
		same "$(kms key list 2>&1)" "$was" || return
	done
	kms rotate-master >/dev/null && same "$(kms key list)" "$was"
}
check "rotations that are killed" rotations

# -- rolls, copies, what is in the files
check "nobody is registered" is "(0, 0)" "(j['registered'], j['unreachable'])" kms status
check "a roll" is "[('news', 1, 2, 'pushing')]" "[(r['service'], r['from_key'], r['to_key'], r['state']) for r in j]" kms roll --service news --in 10min
check "how far it is" is "(0, 0)" "(j[0]['due'], j[0]['verified'])" kms roll --status
check "a trigger message to a phone" is "('fritz', '4913')" "(j['subscriber'], j['msisdn'])" kms trigger fritz
check "it waits for the BSM" is 1 "j['pulls']['due']" kms status
check "it is in the audit" is True "any('trigger message to subscriber fritz' in a['what'] for a in j)" kms audit
check "no trigger without bootstrapping" refused 69 'cannot be reached by SMS' kms trigger anna
check "no trigger without MSISDN" refused 69 'cannot be reached by SMS' kms trigger bert
check "no trigger to nobody" refused 64 'no subscriber' kms trigger nobody
kms backup "$dir/copy" >/dev/null
check "a backup is sound, by its judge" same "$(sqlite3 "$dir/copy" 'PRAGMA integrity_check')" ok
check "in place of something" refused 78 'there already' kms restore "$dir/copy"
before=$(kms key list)
mv "$dir/kms" "$dir/lost"	# a disk that is gone takes its directories along
kms restore "$dir/copy" >/dev/null
check "restored: the same keys" same "$(kms key list)" "$before"
keyless() {
	"$PYTHON" - "$secret" "$dir"/lost/* "$dir/copy" "$dir"/kms/card.db* <<'END'
import sys
secret = bytes.fromhex(sys.argv[1])
bad = [f for f in sys.argv[2:] if secret in open(f, "rb").read() or sys.argv[1].encode() in open(f, "rb").read()]
sys.exit(f"a key in clear: {bad}" if bad else 0)
END
}
check "no key in clear in any file" keyless
mv "$dir/kms/card.db.master" "$dir/master"
check "without its master key" refused 78 'put it back from the backup' kms status
