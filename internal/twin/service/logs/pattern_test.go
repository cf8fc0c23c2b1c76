package logs

import "testing"

func TestPatterns(t *testing.T) {
	t.Parallel()
	const (
		json = `{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another"], "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "ThisFlag": true, "latency": 1.5e1, "user": {"id": "x y"}, "k.d": "dot"}`
		line = `127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534`
	)
	for _, c := range []struct {
		pattern, message string
		want             bool
	}{
		{"", "anything", true},
		{"ERROR", "[ERROR 400] BAD REQUEST", true},
		{"error", "[ERROR 400] BAD REQUEST", false},
		{"ERROR REQUEST", "[ERROR 400] BAD REQUEST", true},
		{"ERROR ARGUMENTS", "[ERROR 400] BAD REQUEST", false},
		{"?ERROR ?WARN", "[WARN] slow", true},
		{"?ERROR ?WARN", "[INFO] slow", false},
		{"ERROR -EXITING", "[ERROR] EXITING", false},
		{"ERROR -EXITING", "[ERROR] going on", true},
		{`"INTERNAL SERVER ERROR"`, "[ERROR 500] INTERNAL SERVER ERROR", true},
		{`"a \"b\""`, `say a "b"`, true},
		{`%AUTHORI[SZ]ED%`, "[ERROR 401] UNAUTHORIZED REQUEST", true},
		{`{ $.eventType = "UpdateTrail" }`, json, true},
		{`{ $.eventType = UpdateTrail }`, json, true},
		{`{ $.eventType = "Update*" }`, json, true},
		{`{ $.eventType = "Trail" }`, json, false},
		{`{ $.eventType = %^Up% }`, json, true},
		{`{ $.sourceIPAddress != 123.123.* }`, json, true},
		{`{ $.sourceIPAddress = 111.111.* }`, json, true},
		{`{ $.arrayKey[0] = "value" }`, json, true},
		{`{ $.arrayKey[1] = "value" }`, json, false},
		{`{ $.arrayKey[*] = "another" }`, json, true},
		{`{ $.objectList[1].id = 2 }`, json, true},
		{`{ $.objectList[*].id > 1 }`, json, true},
		{`{ $.SomeObject IS NULL }`, json, true},
		{`{ $.SomeOtherObject NOT EXISTS }`, json, true},
		{`{ $.eventType NOT EXISTS }`, json, false},
		{`{ $.ThisFlag IS TRUE }`, json, true},
		{`{ $.ThisFlag is false }`, json, false},
		{`{ $.latency = 15 }`, json, true},
		{`{ $.latency >= 1.5e1 && $.latency < 16 }`, json, true},
		{`{ ($.user.id = "x y" && $.nope = 1) || $.ThisFlag IS TRUE }`, json, true},
		{`{ $.user.id = "x y" && ($.nope = 1 || $.ThisFlag IS FALSE) }`, json, false},
		{`{ $.missing != "x" }`, json, false},
		{`{ $.['k.d'] = "dot" }`, json, true},
		{`{$.eventType="UpdateTrail"}`, json, true},
		{`{ $.a = 1 }`, "not json", false},
		{`[ip, user, username, timestamp, request, status_code, bytes]`, line, true},
		{`[ip, user, username, timestamp, request = "*.html*", status_code = 4*, bytes > 1000]`, line, true},
		{`[ip, user, username, timestamp, request, status_code = 404 || status_code = 410, bytes]`, line, true},
		{`[ip, user, username, timestamp, request, status_code > 400 && status_code < 404, bytes]`, line, false},
		{`[..., status_code = 4*, bytes]`, line, true},
		{`[ip, ...]`, line, true},
		{`[ip = 127.*, ..., bytes]`, line, true},
		{`[ip, user]`, line, false},
		{`[w1 = ERROR, w2]`, "ERROR here", true},
		{`[w1 != ERROR, w2]`, "ERROR here", false},
		{`[a, b, ...]`, "one", false},
	} {
		p, err := ParsePattern(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if p.Match(c.message) != c.want {
			t.Errorf("%s selects %s: %v, want %v", c.pattern, c.message, !c.want, c.want)
		}
	}
}

func TestPatternsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"{", "{ }", "{ $ = 1 }", "{ $.a }", "{ $.a = }", "{ $.a > x }", "{ $.a = 1 } x", "{ $.a[ = 1 }", "{ $.a[x] = 1 }", "{ ($.a = 1 }", "{ $.a IS 1 }",
		"{ $.a NOT HERE }", "[a", "[a b]", "[a = ]", "[..., a, ...]", "[a] b", `"open`, "%open", "%(%", "?", "-", "a!b", "&&"} {
		if _, err := ParsePattern(text); err == nil {
			t.Errorf("%s is taken for a pattern", text)
		}
	}
}

func TestAPatternExtractsItsFields(t *testing.T) {
	t.Parallel()
	for text, c := range map[string][3]string{
		`[ip, ..., bytes]`:        {"1.2.3.4 a b 99", "$bytes", "99"},
		`{ $.user.id = "*" }`:     {`{"user": {"id": "u1"}}`, "$.user.id", "u1"},
		`{ $.n > 1 || $.m = "" }`: {`{"n": 5}`, "$.n", "5"},
	} {
		p, err := ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Extract(c[0])[c[1]]; got != c[2] {
			t.Errorf("%s: %s = %q, want %q", text, c[1], got, c[2])
		}
	}
}

func FuzzPattern(f *testing.F) {
	for _, s := range []string{"?a -b \"c\" %d%", `{ ($.a[0].b = "x*" && $.c IS NULL) || $.d >= 1e3 }`, `[a, b=4*, ..., c!="x"]`} {
		f.Add(s, `{"a": [{"b": "xy"}], "c": null}`)
		f.Add(s, `1 [2 3] "4 5" 6`)
	}
	f.Fuzz(func(t *testing.T, text, message string) {
		if p, err := ParsePattern(text); err == nil {
			p.Match(message)
			p.Extract(message)
		}
	})
}
