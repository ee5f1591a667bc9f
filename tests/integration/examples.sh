#!/usr/bin/env bash
# tests/integration/examples.sh: every shipped head-end is valid; its key files are refused while others can read them
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

{ examples_at "$dir/x" && cd "$dir/x"; } || bail "the examples can be copied"
files=(*.yaml)
checks() { "$(program "")" check-config "$1"; }
refuses() { local status=0; checks "$1" || status=$?; same "$status" 78; }

plan $((2 * ${#files[@]} + 1))
for file in "${files[@]}"; do
	check "$file is valid" checks "$file"
	cp "$file" broken.yaml
	echo "parsecs: 10" >>broken.yaml
	check "$file with an unknown key is not" refuses broken.yaml
	rm broken.yaml
done
chmod 644 keys/drm-broadcast.yaml
check "a key file that others can read is refused" refuses headend.yaml
