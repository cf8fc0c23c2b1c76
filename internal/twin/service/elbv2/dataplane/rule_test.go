package dataplane

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestWildcard(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pattern, text string
		fold, want    bool
	}{
		{"/img/*", "/img/a/b.png", false, true},
		{"/img/*", "/img", false, false},
		{"/img/*", "/IMG/a", false, false},
		{"/a?c", "/abc", false, true},
		{"/a?c", "/ac", false, false},
		{"*", "", false, true},
		{"*.png", "/a.png.png", false, true},
		{"/*/b/*/d", "/a/b/b/c/d", false, true},
		{"*.example.com", "A.Example.COM", true, true},
		{"*.example.com", "example.com", true, false},
		{"", "", false, true},
		{"", "a", false, false},
		{"a*a*a*a*b", strings.Repeat("a", 5000), false, false},
	} {
		if got := wildcard(test.pattern, []byte(test.text), test.fold); got != test.want {
			t.Errorf("%q with %.20q: %v", test.pattern, test.text, got)
		}
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	request := facts{
		method: []byte("GET"), host: []byte("Shop.example.test"), path: []byte("/cart/Items"), query: []byte("Version=V1&q=red%20hat&flag"),
		source:  netip.MustParseAddr("::ffff:192.0.2.5"),
		headers: httpHeader(http.Header{"User-Agent": {"Mozilla Chrome/1"}, "Accept": {"text/plain", "text/html"}}),
	}
	for name, test := range map[string]struct {
		condition Condition
		want      bool
	}{
		"path":                    {Condition{Field: FieldPath, Values: []string{"/x", "/cart/*"}}, true},
		"path heeds case":         {Condition{Field: FieldPath, Values: []string{"/Cart/*"}}, false},
		"path is not the query":   {Condition{Field: FieldPath, Values: []string{"*V1*"}}, false},
		"path by expression":      {Condition{Field: FieldPath, Regex: []string{"^/cart/[A-Z]"}}, true},
		"host":                    {Condition{Field: FieldHost, Values: []string{"*.EXAMPLE.test"}}, true},
		"other host":              {Condition{Field: FieldHost, Values: []string{"example.test"}}, false},
		"method":                  {Condition{Field: FieldMethod, Values: []string{"POST", "GET"}}, true},
		"method heeds case":       {Condition{Field: FieldMethod, Values: []string{"get"}}, false},
		"header":                  {Condition{Field: FieldHeader, Header: "user-agent", Values: []string{"*chrome*"}}, true},
		"second value of header":  {Condition{Field: FieldHeader, Header: "Accept", Values: []string{"text/html"}}, true},
		"missing header":          {Condition{Field: FieldHeader, Header: "X-None", Values: []string{"*"}}, false},
		"query pair":              {Condition{Field: FieldQueryString, Query: []QueryPair{{"version", "v1"}}}, true},
		"query value of any key":  {Condition{Field: FieldQueryString, Query: []QueryPair{{"", "*hat*"}}}, true},
		"query key, other value":  {Condition{Field: FieldQueryString, Query: []QueryPair{{"version", "v2"}}}, false},
		"query key without value": {Condition{Field: FieldQueryString, Query: []QueryPair{{"flag", ""}}}, true},
		"source":                  {Condition{Field: FieldSourceIP, CIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, true},
		"other source":            {Condition{Field: FieldSourceIP, CIDRs: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			holds, err := compileCondition(test.condition)
			if err != nil {
				t.Fatal(err)
			}
			if got := holds(&request); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestRedirectLocation(t *testing.T) {
	t.Parallel()
	request := facts{host: []byte("a.test"), path: []byte("/x/y"), query: []byte("q=1")}
	for name, test := range map[string]struct {
		redirect Redirect
		port     int
		want     string
	}{
		"to HTTPS":       {Redirect{Protocol: "HTTPS", Port: "443"}, 80, "https://a.test/x/y?q=1"},
		"keeps the port": {Redirect{Path: "/new/#{path}"}, 8080, "http://a.test:8080/new/x/y?q=1"},
		"asked port":     {Redirect{Path: "/b", Host: "asked"}, 80, "http://asked:4566/b?q=1"},
		"other port":     {Redirect{Protocol: "HTTPS", Host: "asked", Port: "443"}, 80, "https://asked/x/y?q=1"},
		"all parts":      {Redirect{"#{protocol}", "www.#{host}", "#{port}", "/#{host}/#{path}", "#{query}&r=#{port}", 301}, 80, "http://www.a.test/a.test/x/y?q=1&r=80"},
		"drops nothing":  {Redirect{Host: "b.test"}, 80, "http://b.test/x/y?q=1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := request
			if test.redirect.Host == "asked" {
				request.port = []byte("4566")
			}
			if got := test.redirect.location(&request, "http", test.port); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestRulesAreTriedInOrder(t *testing.T) {
	t.Parallel()
	p := start(t)
	redirect := Rule{Conditions: []Condition{{Field: FieldPath, Values: []string{"/old"}}},
		Actions: []Action{{Type: ActionRedirect, Redirect: Redirect{Path: "/new", StatusCode: 302}}}}
	apply(t, p, single([]Rule{
		fixed("both", Condition{Field: FieldPath, Values: []string{"/a*"}}, Condition{Field: FieldHost, Values: []string{"one.test"}}),
		fixed("path", Condition{Field: FieldPath, Values: []string{"/a*"}}),
		redirect,
		fixed("default"),
	}))
	for _, test := range []struct{ host, path, want string }{
		{"ONE.test:123", "/ab", "both"}, {"two.test", "/ab", "path"}, {"one.test", "/b", "default"},
	} {
		if _, body := get(t, p, test.path, func(r *http.Request) { r.Host = test.host }); body != test.want {
			t.Errorf("%s%s answered by %q, want %q", test.host, test.path, body, test.want)
		}
	}
	response, _ := get(t, p, "/old?x=1", func(r *http.Request) { r.Host = "one.test" })
	if response.StatusCode != 302 || response.Header.Get("Location") != "http://one.test/new?x=1" {
		t.Errorf("redirected by %d to %s", response.StatusCode, response.Header.Get("Location"))
	}
}
