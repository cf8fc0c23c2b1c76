package dataplane

// wildcard matches text with a pattern in which * stands for any run of bytes and ? for exactly one. Everything else
// stands for itself; fold makes ASCII letters of either case equal, for which pattern must be in lower case.
func wildcard(pattern string, text []byte, fold bool) bool {
	p, t := 0, 0
	star, mark := -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || sameByte(pattern[p], text[t], fold)):
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

func sameByte(pattern, text byte, fold bool) bool {
	return pattern == text || fold && pattern == lower(text)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// equalFold compares text with a name in lower case, without regard to ASCII case.
func equalFold(text []byte, name string) bool {
	if len(text) != len(name) {
		return false
	}
	for i := range len(name) {
		if lower(text[i]) != name[i] {
			return false
		}
	}
	return true
}
