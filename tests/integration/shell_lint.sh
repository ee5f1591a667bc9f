#!/usr/bin/env bash
# tests/integration/shell_lint.sh: shellcheck has nothing to say about any script of the tree
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need shellcheck

mapfile -t scripts < <(cd "$top_srcdir" && grep -rIlE --exclude-dir='.git' --exclude-dir='build*' --exclude-dir='_*' \
	--exclude-dir='autom4te.cache' --exclude='configure*' '^#!.*\b(ba|da)?sh\b' . | sort)
plan $((${#scripts[@]} + 1))
check "there are scripts" test ${#scripts[@]} -gt 3
for script in "${scripts[@]}"; do
	check "$script" shellcheck -x -P "$top_srcdir/tests/integration" "$top_srcdir/$script"
done
