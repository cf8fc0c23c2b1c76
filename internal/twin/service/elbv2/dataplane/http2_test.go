package dataplane

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// grpcBackend is a target that speaks HTTP/2 without TLS and answers as a gRPC service does: messages, then a status in
// the trailer. Its health check answers "not implemented" (12).
func grpcBackend(t *testing.T) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		status := "0"
		if r.URL.Path == "/AWS.ALB/healthcheck" {
			status = "12"
		}
		buffer := make([]byte, 1024)
		for {
			n, err := r.Body.Read(buffer)
			w.Write(buffer[:n])
			w.(http.Flusher).Flush()
			if err != nil {
				break
			}
		}
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", status)
	}))
	s.Config.Protocols = protocolsOf("GRPC")
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func plainHTTP2(t *testing.T) *http.Client {
	transport := &http.Transport{Protocols: protocolsOf("HTTP2")}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestGRPCCallsFlowBothWaysWithTrailers(t *testing.T) {
	t.Parallel()
	group := groupOf("g", grpcBackend(t))
	group.ProtocolVersion = "GRPC"
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	await(t, p, "g", allHealthy)
	messages, send := io.Pipe()
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, base(p)+"/shop.Cart/Watch", messages)
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	go io.WriteString(send, "one")
	response, err := plainHTTP2(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for _, message := range []string{"one", "two"} {
		if message != "one" {
			io.WriteString(send, message)
		}
		got := make([]byte, 3)
		if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != message {
			t.Fatalf("got %q %v", got, err)
		}
	}
	send.Close()
	if rest, err := io.ReadAll(response.Body); err != nil || len(rest) > 0 || response.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("ended with %q, trailer %v, %v", rest, response.Trailer, err)
	}
}

func TestProtocolsThatDoNotFitAreRefusedWith464(t *testing.T) {
	t.Parallel()
	grpc, plain := groupOf("grpc", grpcBackend(t)), groupOf("plain", says(t, "plain"))
	grpc.ProtocolVersion = "GRPC"
	p := start(t)
	apply(t, p, single([]Rule{
		{Conditions: []Condition{{Field: FieldPath, Values: []string{"/grpc"}}}, Actions: forwardTo("grpc").Actions}, forwardTo("plain"),
	}, grpc, plain))
	if response, _ := get(t, p, "/grpc"); response.StatusCode != 464 {
		t.Errorf("HTTP/1.1 to gRPC: %d", response.StatusCode)
	}
	client := plainHTTP2(t)
	for _, test := range []struct {
		path, contentType string
		status            int
	}{{"/", "application/grpc", 464}, {"/", "text/plain", 200}, {"/grpc", "application/grpc", 200}} {
		response, err := client.Post(base(p)+test.path, test.contentType, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode != test.status {
			t.Errorf("HTTP/2 %s to %s: %d", test.contentType, test.path, response.StatusCode)
		}
	}
}

func TestTLSListenerSpeaksBothVersions(t *testing.T) {
	t.Parallel()
	config, roots := certificate(t)
	seen := make(chan http.Header, 10)
	address := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.UserAgent(), "ELB") {
			seen <- r.Header
			echo(w, r)
		}
	})
	c := single([]Rule{forwardTo("g")}, groupOf("g", address))
	l := &c.LoadBalancers[0].Listeners[0]
	l.Protocol, l.Port, l.TLS = "HTTPS", 443, config
	p := start(t)
	apply(t, p, c)
	for _, major := range []int{1, 2} {
		var protocols http.Protocols
		protocols.SetHTTP1(major == 1)
		protocols.SetHTTP2(major == 2)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, Protocols: &protocols}
		t.Cleanup(transport.CloseIdleConnections)
		sent := bytes.Repeat([]byte("x"), 100_000)
		response, err := (&http.Client{Transport: transport}).Post("https://"+p.Addr("listener")+"/", "text/plain", bytes.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !bytes.Equal(body, sent) || response.ProtoMajor != major {
			t.Errorf("HTTP/%d: %s, %d bytes, %v", major, response.Proto, len(body), err)
		}
		if h := <-seen; h.Get("X-Forwarded-Proto") != "https" || h.Get("X-Forwarded-Port") != "443" {
			t.Errorf("HTTP/%d: target told %v", major, h)
		}
	}
}

// certificate makes a certificate for 127.0.0.1 and the pool that trusts it.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

// What the connection loop does, the way through net/http does too.
func TestWayThroughAnotherServer(t *testing.T) {
	t.Parallel()
	seen := make(chan *http.Request, 10)
	group := groupOf("g", backend(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.UserAgent(), "ELB") {
			return
		}
		seen <- r
		if r.URL.Path == "/broken" {
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		echo(w, r)
	}))
	group.Stickiness = Stickiness{Enabled: true, Type: "lb_cookie", Duration: time.Hour}
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	front := httptest.NewServer(p)
	t.Cleanup(front.Close)
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, front.URL+"/a%2Fb?x=1", io.MultiReader(strings.NewReader("hello")))
	request.Host = "web.elb.localhost"
	request.Header.Set("X-Forwarded-For", "198.51.100.7")
	response, body := send(t, request)
	r := <-seen
	if body != "hello" || response.Trailer.Get("X-Sum") != "5" || !strings.Contains(cookiesOf(response), "AWSALB=") {
		t.Errorf("answered %q %v %v", body, response.Header, response.Trailer)
	}
	if r.Host != "web.elb.localhost" || r.RequestURI != "/a%2Fb?x=1" || r.Header.Get("X-Forwarded-For") != "198.51.100.7, 127.0.0.1" ||
		!strings.HasPrefix(r.Header.Get("X-Amzn-Trace-Id"), "Root=1-") {
		t.Errorf("target got %s %s %v", r.Host, r.RequestURI, r.Header)
	}
	request, _ = http.NewRequestWithContext(t.Context(), http.MethodGet, front.URL+"/broken", nil)
	request.Host = "web.elb.localhost"
	broken, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer broken.Body.Close()
	if body, err := io.ReadAll(broken.Body); err == nil {
		t.Errorf("took %q for the whole", body)
	}
}

func TestRemovedListenerLetsStreamsFinish(t *testing.T) {
	t.Parallel()
	group := groupOf("g", grpcBackend(t))
	group.ProtocolVersion = "GRPC"
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	messages, send := io.Pipe()
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, base(p)+"/", messages)
	request.Header.Set("Content-Type", "application/grpc")
	go io.WriteString(send, "one")
	response, err := plainHTTP2(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got := make([]byte, 3)
	if _, err := io.ReadFull(response.Body, got); err != nil {
		t.Fatal(err)
	}
	apply(t, p, Config{})
	go func() {
		io.WriteString(send, "two")
		send.Close()
	}()
	rest, err := io.ReadAll(response.Body)
	if err != nil || string(rest) != "two" || response.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("ended with %q, trailer %v, %v", rest, response.Trailer, err)
	}
}
