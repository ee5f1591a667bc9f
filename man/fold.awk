# man/fold.awk: text lines of a generated page, at most 80 octets, a sentence on a line of its own; displays stay as they are
function out(s,    i) {
	while (length(s) > 80) {
		for (i = 80; i > 1 && substr(s, i, 1) != " "; i--)
			;
		if (i == 1)
			break
		print substr(s, 1, i - 1)
		s = substr(s, i + 1)
	}
	print s
}
/^\.Bd/ { display = 1 }
/^\.Ed/ { display = 0 }
/^\./ || display { print; next }
{
	while (match($0, /[.] [A-Z]/)) {
		out(substr($0, 1, RSTART))
		$0 = substr($0, RSTART + 2)
	}
	out($0)
}
