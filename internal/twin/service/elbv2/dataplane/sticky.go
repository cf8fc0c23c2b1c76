package dataplane

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"
)

// The cookies by which an Application Load Balancer binds a client. The CORS twins carry SameSite=None.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/sticky-sessions.html
const (
	targetCookie = "AWSALB"
	groupCookie  = "AWSALBTG"
	appCookie    = "AWSALBAPP-0"
)

// token is the opaque value by which a cookie names a target or a group. It is derived from the name alone, so that
// clients stay bound when the data plane is started again.
func token(name string) string {
	sum := sha256.Sum256([]byte("slipway stickiness\x00" + name))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}

// cookie finds a cookie in the request.
func cookie(headers headerSource, name string) (value string) {
	headers.any("cookie", func(line []byte) bool {
		for len(line) > 0 {
			var pair []byte
			pair, line, _ = bytes.Cut(line, []byte{';'})
			key, v, ok := bytes.Cut(trimBlanks(pair), []byte{'='})
			if ok && string(key) == name {
				value = string(v)
				return true
			}
		}
		return false
	})
	return value
}

// cookies are the Set-Cookie values for a response.
func (r *route) cookies(now time.Time, targetSet func(name string) bool) []string {
	var set []string
	if r.bindGroup > 0 {
		set = appendPair(set, groupCookie, r.share.token, now.Add(r.bindGroup))
	}
	switch {
	case r.bindTarget == 0 || r.target == nil:
	case r.appCookie == "":
		set = appendPair(set, targetCookie, r.target.token, now.Add(r.bindTarget))
	case targetSet(r.appCookie):
		set = append(set, setCookie(appCookie, r.target.token, now.Add(r.bindTarget)))
	}
	return set
}

func appendPair(set []string, name, value string, expires time.Time) []string {
	return append(set, setCookie(name, value, expires), setCookie(name+"CORS", value, expires)+"; SameSite=None")
}

func setCookie(name, value string, expires time.Time) string {
	return name + "=" + value + "; Expires=" + expires.UTC().Format(http.TimeFormat) + "; Path=/"
}

// setsCookie says whether a Set-Cookie value sets the cookie of that name.
func setsCookie(value []byte, name string) bool {
	key, _, _ := bytes.Cut(value, []byte{'='})
	return string(trimBlanks(key)) == name
}
