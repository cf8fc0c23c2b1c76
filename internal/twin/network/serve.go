package network

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// guard tells peers of the container network from all others. The gateway's address is this machine's own.
type guard struct {
	subnet  netip.Prefix
	gateway netip.Addr
}

func (g guard) admits(peer net.Addr) bool {
	at, err := netip.ParseAddrPort(peer.String())
	if err != nil {
		return false
	}
	address := at.Addr().Unmap()
	return g.subnet.Contains(address) && address != g.gateway
}

// guarded is a listener that hangs up on strangers.
type guarded struct {
	net.Listener
	guard guard
}

func (l guarded) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || l.guard.admits(conn.RemoteAddr()) {
			return conn, err
		}
		conn.Close()
	}
}

func serveFront(g guard, address string, front http.Handler) (stop func(), err error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: front, ReadHeaderTimeout: 30 * time.Second, Protocols: protocols}
	go func() { _ = server.Serve(guarded{listener, g}) }() // it ends when it is closed, and says so
	return func() { _ = server.Close() }, nil
}

// domain holds the names of the twin's load balancers.
const domain = "elb.localhost."

// nameTTL is short: a container may outlive the network it was told of.
const nameTTL = 5

// names answers for load balancers itself and asks the machine's own resolvers for the rest.
type names struct {
	guard     guard
	resolvers []string // host:port
}

// serveNames serves DNS (RFC 1035) on port 53 of the gateway, over UDP and TCP.
func serveNames(g guard, resolvers []string) (stop func(), err error) {
	address := net.JoinHostPort(g.gateway.String(), "53")
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, errors.Join(err, packets.Close())
	}
	handler := names{guard: g, resolvers: resolvers}
	udp := &dns.Server{PacketConn: packets, Handler: handler}
	tcp := &dns.Server{Listener: listener, Handler: handler}
	for _, server := range []*dns.Server{udp, tcp} {
		go func() { _ = server.ActivateAndServe() }() // it ends when its socket is closed, and says so
	}
	return func() { _, _ = packets.Close(), listener.Close() }, nil
}

func (n names) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	if !n.guard.admits(w.RemoteAddr()) {
		_ = w.Close() // a stranger is told nothing
		return
	}
	answer := n.answer(query, w.RemoteAddr().Network())
	if w.RemoteAddr().Network() == "udp" {
		size := dns.MinMsgSize
		if option := query.IsEdns0(); option != nil {
			size = max(size, int(option.UDPSize()))
		}
		answer.Truncate(size)
	}
	_ = w.WriteMsg(answer) // who asked may be gone
}

func (n names) answer(query *dns.Msg, transport string) *dns.Msg {
	if len(query.Question) == 1 && isLoadBalancer(query.Question[0].Name) {
		return n.own(query)
	}
	client := dns.Client{Net: transport, Timeout: 2 * time.Second}
	for _, resolver := range n.resolvers {
		if answer, _, err := client.Exchange(query, resolver); err == nil {
			return answer
		}
	}
	return new(dns.Msg).SetRcode(query, dns.RcodeServerFailure)
}

func isLoadBalancer(name string) bool {
	return strings.HasSuffix(strings.ToLower(name), "."+domain)
}

// own answers with the gateway's address. There is no IPv6 one, which is not to say that there is no such name.
func (n names) own(query *dns.Msg) *dns.Msg {
	answer := new(dns.Msg).SetReply(query)
	answer.Authoritative = true
	question := query.Question[0]
	if question.Qtype == dns.TypeA || question.Qtype == dns.TypeANY {
		answer.Answer = []dns.RR{&dns.A{
			Hdr: dns.RR_Header{Name: question.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: nameTTL},
			A:   n.guard.gateway.AsSlice(),
		}}
	}
	return answer
}

// systemResolvers are the machine's own (resolv.conf(5)); a local one is fine, for it is this process that asks.
func systemResolvers() []string {
	file, err := os.Open("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	defer file.Close()
	var found []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == "nameserver" {
			found = append(found, net.JoinHostPort(fields[1], fmt.Sprint(53)))
		}
	}
	return found
}
