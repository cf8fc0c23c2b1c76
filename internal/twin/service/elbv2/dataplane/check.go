package dataplane

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"
)

// checkHealth checks the target until ctx ends.
func (t *target) checkHealth(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	wasHealthy := false
	for attempt := 0; ; attempt++ {
		select {
		case <-ctx.Done():
			return
		case <-t.recheck:
		case <-timer.C:
		}
		check, healthy := t.checkOnce(ctx)
		switch {
		case healthy && !wasHealthy:
			// Spread the regular checks of targets that started together.
			timer.Reset(time.Duration(rand.Int64N(int64(check.Interval))) + 1)
		case healthy || wasHealthy:
			timer.Reset(check.Interval)
		default:
			timer.Reset(nextCheck(attempt, check.Interval))
		}
		wasHealthy = wasHealthy || healthy
	}
}

// checkOnce makes one check and notes what follows.
func (t *target) checkOnce(ctx context.Context) (check HealthCheck, healthy bool) {
	t.group.mu.Lock()
	spec, wanted := t.group.spec, t.spec
	t.group.mu.Unlock()
	check = spec.HealthCheck.withDefaults(&spec)
	found := probe(ctx, t.group.plane.dial, check, spec.ProtocolVersion, wanted)
	if ctx.Err() != nil {
		return check, false
	}
	return check, t.note(found, check)
}

// note takes over what a check found and tells whether the target is healthy now.
func (t *target) note(found outcome, check HealthCheck) bool {
	g := t.group
	g.mu.Lock()
	defer g.mu.Unlock()
	before := t.health
	t.health = before.after(found, check, time.Now())
	if before.state != t.health.state {
		t.healthySince = time.Now()
		g.reselect()
	}
	if before.state != t.health.state || before.reason != t.health.reason || before.description != t.health.description {
		g.plane.changed()
	}
	return t.health.state == StateHealthy
}

// probe sends one health check as AWS does: on a connection of its own, with the address as Host.
func probe(ctx context.Context, dial dialer, check HealthCheck, version string, t Target) outcome {
	ctx, cancel := context.WithTimeout(ctx, check.Timeout)
	defer cancel()
	address := checkAddress(check, t)
	transport := &http.Transport{
		DialContext:            func(ctx context.Context, network, _ string) (net.Conn, error) { return dial(ctx, network, address) },
		DisableKeepAlives:      version == "" || version == "HTTP1",
		MaxResponseHeaderBytes: maxResponseHead,
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: true},
		Protocols:              protocolsOf(version),
	}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(checkRequest(ctx, check, version, address))
	if err != nil {
		return failureOf(ctx, err)
	}
	defer response.Body.Close()
	code := response.StatusCode
	if version == "GRPC" {
		if code, err = grpcStatus(response); err != nil {
			return failureOf(ctx, err)
		}
	}
	expected, err := parseMatcher(check.Matcher)
	if err != nil || !expected.has(code) {
		return outcome{reason: ReasonResponseCodeMismatch, code: code}
	}
	return outcome{}
}

func checkAddress(check HealthCheck, t Target) string {
	if check.Port == "traffic-port" || check.Port == strconv.Itoa(t.Port) {
		return t.Address
	}
	if t.HealthAddress != "" {
		return t.HealthAddress
	}
	host, _, err := net.SplitHostPort(t.Address)
	if err != nil {
		return t.Address
	}
	return net.JoinHostPort(host, check.Port)
}

func checkRequest(ctx context.Context, check HealthCheck, version, address string) *http.Request {
	method, body := http.MethodGet, io.Reader(nil)
	if version == "GRPC" {
		method, body = http.MethodPost, bytes.NewReader(make([]byte, 5)) // an empty message
	}
	scheme := "http"
	if check.Protocol == "HTTPS" {
		scheme = "https"
	}
	// The path was checked by Apply.
	request, _ := http.NewRequestWithContext(ctx, method, scheme+"://"+address+check.Path, body)
	request.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
	request.Header.Set("Accept-Encoding", "gzip, compressed")
	if version == "GRPC" {
		request.Header.Set("Content-Type", "application/grpc")
		request.Header.Set("TE", "trailers")
	}
	return request
}

// grpcStatus reads the status from the trailer, or from the header of a response without a message.
func grpcStatus(response *http.Response) (int, error) {
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20)); err != nil {
		return 0, err
	}
	return strconv.Atoi(cmp.Or(response.Trailer.Get("Grpc-Status"), response.Header.Get("Grpc-Status")))
}

func failureOf(ctx context.Context, err error) outcome {
	if ctx.Err() != nil || isTimeout(err) {
		return outcome{reason: ReasonTimeout}
	}
	return outcome{reason: ReasonFailedHealthChecks}
}

// protocolsOf are the protocols spoken to targets of a protocol version: HTTP/2 without TLS begins at once, by prior
// knowledge.
func protocolsOf(version string) *http.Protocols {
	var protocols http.Protocols
	if version == "HTTP2" || version == "GRPC" {
		protocols.SetHTTP2(true)
		protocols.SetUnencryptedHTTP2(true)
	} else {
		protocols.SetHTTP1(true)
	}
	return &protocols
}
