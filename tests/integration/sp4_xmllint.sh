#!/usr/bin/env bash
# tests/integration/sp4_xmllint.sh: simulgate sp4 validate beside xmllint, over the samples and a corpus of faulty documents
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need xmllint "$PYTHON"

plan 17
xsd=$top_srcdir/bridge data=$top_srcdir/tests/data/sp4
sg_front=$(program "")
sp4() { "$sg_front" sp4 "$@" --schemas "$xsd"; }
lint() { xmllint --nonet --noout --schema "$xsd/sp4-backend.xsd" "$@" 2>&1; }
# says STATUS WORDS COMMAND …: the exit status, and what is said
says() {
	local want=$1 words=$2 status
	shift 2
	"$@" >"$dir/words" 2>&1
	status=$?
	same "$status" "$want" && grep -Eq -e "$words" "$dir/words" || { cat "$dir/words"; return 1; }
}
passed() { sed -n 's/^\(.*\)\.xml: valid: .*/\1/p;s/^\(.*\)\.xml validates$/\1/p' | sed 's,.*/,,' | sort; }

# -- the samples
check "all 32 samples are valid" says 0 'tag20-seak-confirmation.xml: valid: SEAKDeliveryConfirmation, tag 20' sp4 validate "$data"/samples/*.xml
check "xmllint says so, too" same "$(lint "$data"/samples/*.xml | passed)" "$(sp4 validate "$data"/samples/*.xml | passed)"
check "which are 32" same "$(passed <"$dir/words" | wc -l)" 32

# -- the faulty ones: none passes; of the line xmllint says the same wherever it is the schema that is broken
table=$dir/table
grep -v '^#' "$data/faulty.txt" >"$table"
check "every file is in the list" same "$(cut -f1 "$table" | sort)" "$(cd "$data/faulty" && printf '%s\n' *.xml | sed 's/\.xml$//' | sort)"
check "none of them is valid" says 65 'line' sp4 validate "$data"/faulty/*.xml
check "each said in one line" same "$(wc -l <"$dir/words")" "$(wc -l <"$table")"
check "by line, element and rule" "$PYTHON" - "$dir/words" "$table" <<'END'
import re, sys
said = {}
for l in open(sys.argv[1], encoding="utf-8"):
    m = re.fullmatch(r".*/([^/]+)\.xml: line (\d+): (.*) \(bcast-backend-xml [\d.]+\)\n", l)
    assert m, l
    said[m[1]] = m[2], m[3]
for l in open(sys.argv[2], encoding="utf-8"):
    name, xsd, verdict, line, element, rule = l.rstrip("\n").split("\t")
    at, text = said[name]
    assert at == line and (element == "-" or text.startswith(element + ": ")) and (rule == "-" or rule in text), (l, said[name])
END
lint "$data"/faulty/*.xml >"$dir/lint"
check "xmllint passes those alone whose fault is beyond the schema" same "$(passed <"$dir/lint" | grep -vxFf <(awk -F'\t' '$2 == "none" {print $1}' "$table"))" \
	"$(awk -F'\t' '$2 == "yes" {print $1}' "$table" | sort)"
# The schema's first complaint is about the line that we name, or about its parent's for what is missing or in the way.
check "and finds the others where we do" "$PYTHON" - "$dir/lint" "$table" <<'END'
import re, sys
lint = {}
for l in open(sys.argv[1], encoding="utf-8", errors="replace"):
    m = re.match(r".*/([^/]+)\.xml:(\d+): element .*Schemas validity error", l)
    if m:
        lint.setdefault(m[1], set()).add(int(m[2]))
bad = []
for l in open(sys.argv[2], encoding="utf-8"):
    name, xsd, verdict, line, element, rule = l.rstrip("\n").split("\t")
    if xsd == "no" and int(line) not in lint.get(name, ()):
        bad.append((name, line, sorted(lint.get(name, ()))))
print(bad)
sys.exit(bool(bad))
END

# -- what is shown
key=1111111122222222333333334444444455555555666666667777777788888888
tek=$data/samples/tag03-tek-delivery.xml
no_key() { says "$@" && ! grep -qi "${key:0:16}" "$dir/words"; }
check "fields, without the key" says 0 'Data +\(secret, 32 octets, fingerprint [0-9a-f]{16}\)' sp4 validate --print "$tek"
check "not in JSON either" no_key 0 '"Data": \[' sp4 validate --print --json "$tek"
check "with it when asked" says 0 "Data +$key" sp4 validate --print --secrets "$tek"
sed "s/<Data>/<Data>X/" "$tek" >"$dir/odd.xml"
check "nor in a complaint" no_key 65 'line 5: Data: a character' sp4 validate --print "$dir/odd.xml"
check "from the standard input, in JSON" same "$(sp4 validate --print --json - <"$tek" | "$PYTHON" -c '
import json, sys
j, = json.load(sys.stdin)
print(j["file"], j["valid"], j["message"]["tag"], j["message"]["KeyContext"][0]["KeyId"])')" "- True 3 80010005"

{ printf '<'; printf 'é%.0s' {1..200}; printf ' xmlns="urn:x"/>'; } >"$dir/long.xml"
check "a long name of a stranger is cut between characters" same "$(sp4 validate --json "$dir/long.xml" | "$PYTHON" -c '
import json, sys
j, = json.load(sys.stdin)
print(j["valid"], j["line"], set(j["element"]), j["rule"])')" "False 1 {'é'} no message of urn:oma:xml:bcast:spcp:backend:1.0"

# -- misuse
check "a file that is not there" says 66 'nowhere.xml: No such file' sp4 validate "$dir/nowhere.xml" "$tek"
usage() { says 64 'sp4 validate' "$sg_front" sp4 frobnicate x && says 69 'sp4-backend.xsd' "$sg_front" sp4 validate --schemas "$dir" "$tek"; }
check "no such command; no schemas" usage
