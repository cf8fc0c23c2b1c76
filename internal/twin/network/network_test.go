package network

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"slipway.dev/internal/engine"
	"slipway.dev/internal/twin/store"
)

func open(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.TempDir(), Tables...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestBindings(t *testing.T) {
	t.Parallel()
	s := open(t)
	err := s.Update(t.Context(), func(_ context.Context, tx *store.Tx) error {
		return errors.Join(
			Bind(tx, "1", "r", Binding{VPC: "vpc-a", ID: "10.0.0.4", Port: 80, Address: "127.0.0.1:1000", Owner: "task-1"}),
			Bind(tx, "1", "r", Binding{VPC: "vpc-b", ID: "10.0.0.4", Port: 80, Address: "127.0.0.1:2000", Owner: "task-2"}),
			Bind(tx, "1", "r", Binding{ID: "i-1", Port: 32768, Address: "127.0.0.1:32768", Owner: "task-3"}),
			Bind(tx, "2", "r", Binding{VPC: "vpc-a", ID: "10.0.0.4", Port: 81, Address: "127.0.0.1:3000", Owner: "task-1"}),
			Bind(tx, "1", "r", Binding{VPC: "vpc-b", ID: "10.0.0.5", Port: 80, Address: "127.0.0.1:4000", Owner: "task-4"}),
			Unbind(tx, "1", "r", "task-4"),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		account, vpc, id string
		port             int
		want             string
	}{
		{"1", "vpc-a", "10.0.0.4", 80, "127.0.0.1:1000"},
		{"1", "vpc-b", "10.0.0.4", 80, "127.0.0.1:2000"},
		{"1", "vpc-a", "i-1", 32768, "127.0.0.1:32768"},
		{"1", "vpc-a", "10.0.0.4", 81, ""},
		{"2", "vpc-a", "10.0.0.4", 81, "127.0.0.1:3000"},
		{"1", "vpc-c", "10.0.0.4", 80, ""},
		{"1", "vpc-b", "10.0.0.5", 80, ""},
	} {
		err := s.View(t.Context(), func(_ context.Context, tx *store.Tx) error {
			got, ok, err := Lookup(tx, c.account, "r", c.vpc, c.id, c.port)
			if got != c.want || ok != (c.want != "") {
				t.Errorf("%+v is %q", c, got)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestIdentityStays(t *testing.T) {
	t.Parallel()
	s := open(t)
	first, err := Identity(t.Context(), s)
	if err != nil || len(first) != 12 {
		t.Fatalf("%q, %v", first, err)
	}
	if again, err := Identity(t.Context(), s); again != first || err != nil {
		t.Errorf("%q became %q, %v", first, again, err)
	}
}

var loopback = guard{subnet: netip.MustParsePrefix("127.0.0.0/8"), gateway: netip.MustParseAddr("127.0.0.1")}

func TestOnlyPeersOfTheNetworkAreServed(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	stop, err := serveFront(loopback, address, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "welcome") }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	for from, want := range map[string]string{"127.0.0.3": "welcome", "127.0.0.1": ""} {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
		body := ""
		if answer, err := client.Get("http://" + address); err == nil {
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			body = string(text)
		}
		if body != want {
			t.Errorf("from %s the answer is %q, want %q", from, body, want)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	upstream := &dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := new(dns.Msg).SetReply(q)
		rr, _ := dns.NewRR(q.Question[0].Name + " 60 IN A 192.0.2.7")
		answer.Answer = []dns.RR{rr}
		w.WriteMsg(answer)
	})}
	go upstream.ActivateAndServe()
	t.Cleanup(func() { upstream.Shutdown() })
	n := names{guard: loopback, resolvers: []string{packets.LocalAddr().String()}}
	for _, c := range []struct {
		name string
		kind uint16
		want string
	}{
		{"web-1.us-east-1.elb.localhost.", dns.TypeA, "127.0.0.1"},
		{"WEB-1.US-EAST-1.ELB.localhost.", dns.TypeA, "127.0.0.1"},
		{"web-1.us-east-1.elb.localhost.", dns.TypeAAAA, ""},
		{"example.com.", dns.TypeA, "192.0.2.7"},
	} {
		answer := n.answer(new(dns.Msg).SetQuestion(c.name, c.kind), "udp")
		got := ""
		for _, rr := range answer.Answer {
			got = rr.(*dns.A).A.String()
		}
		if got != c.want || answer.Rcode != dns.RcodeSuccess {
			t.Errorf("%s is %q (%d), want %q", c.name, got, answer.Rcode, c.want)
		}
	}
	nobody := names{guard: loopback}
	if got := nobody.answer(new(dns.Msg).SetQuestion("example.com.", dns.TypeA), "udp").Rcode; got != dns.RcodeServerFailure {
		t.Errorf("without a resolver: %d", got)
	}
}

// TestWhatCannotBeOfferedIsSaid has the ports of the gateway taken by another.
func TestWhatCannotBeOfferedIsSaid(t *testing.T) {
	t.Parallel()
	docker, err := engine.Find(t.Context())
	if err != nil && os.Getenv("SLIPWAY_REQUIRE_ENGINE") == "1" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip("needs a container engine: ", err)
	}
	var log bytes.Buffer
	s := open(t)
	made := func() *Network {
		return New(Options{Store: s, Engine: func(context.Context) (*engine.Engine, error) { return docker, nil },
			Log: slog.New(slog.NewTextHandler(&log, nil)), Front: http.NotFoundHandler(), Port: 4566})
	}
	first, second := made(), made()
	joined, err := first.Join(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		first.Forget()
		second.Forget()
		if err := docker.RemoveNetwork(context.Background(), joined.ID); err != nil {
			t.Error(err)
		}
	})
	if os.Geteuid() == 0 && (len(first.Missing()) != 0 || len(joined.DNS) != 1) {
		t.Fatalf("missing %q, names from %v", first.Missing(), joined.DNS)
	}
	poorer, err := second.Join(t.Context())
	if err != nil || poorer.ID != joined.ID || len(poorer.DNS) != 0 {
		t.Errorf("%+v, %v", poorer, err)
	}
	said := strings.Join(second.Missing(), "\n")
	for _, want := range []string{"names of load balancers do not resolve inside containers", "load balancers do not answer containers on port 80", "on port 4566"} {
		if !strings.Contains(said, want) || !strings.Contains(log.String(), want) {
			t.Errorf("%q is not said in %q", want, said)
		}
	}
}
