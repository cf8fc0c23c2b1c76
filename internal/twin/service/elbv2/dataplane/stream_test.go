package dataplane

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// echo answers with what it was sent, as it comes.
func echo(w http.ResponseWriter, r *http.Request) {
	controller := http.NewResponseController(w)
	if err := controller.EnableFullDuplex(); err != nil {
		http.Error(w, err.Error(), 500)
		return
	}
	w.Header().Set("Trailer", "X-Sum")
	buffer, sum := make([]byte, 4096), 0
	for {
		n, err := r.Body.Read(buffer)
		sum += n
		w.Write(buffer[:n])
		controller.Flush()
		if err != nil {
			break
		}
	}
	w.Header().Set("X-Sum", fmt.Sprint(sum))
}

func TestStreamsBodiesOfAnySizeBothWays(t *testing.T) {
	t.Parallel()
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", backend(t, echo))))
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	for _, size := range []int{0, 1, 1000, 10_000, 1 << 20} {
		for _, known := range []bool{true, false} {
			sent := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			body := io.Reader(bytes.NewReader(sent))
			if !known {
				body = io.MultiReader(body)
			}
			response, err := client.Post(base(p)+"/", "text/plain", body)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || !bytes.Equal(got, sent) || response.Trailer.Get("X-Sum") != fmt.Sprint(size) {
				t.Fatalf("size %d, known %v: %d bytes back, trailer %v, %v", size, known, len(got), response.Trailer, err)
			}
		}
	}
}

func TestLargeResponseArrivesWhole(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.Write(content)
	}))))
	if _, body := get(t, p, "/"); body != string(content) {
		t.Errorf("got %d bytes of %d", len(body), len(content))
	}
}

func TestRequestBodyReachesTheTargetBeforeItIsComplete(t *testing.T) {
	t.Parallel()
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", backend(t, echo))))
	nc, r := dial(t, p)
	io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 3)
	if _, err := io.ReadFull(response.Body, first); err != nil || string(first) != "one" {
		t.Fatalf("echo of the first chunk: %q %v", first, err)
	}
	io.WriteString(nc, "3\r\ntwo\r\n0\r\n\r\n")
	if rest, err := io.ReadAll(response.Body); err != nil || string(rest) != "two" {
		t.Fatalf("echo of the rest: %q %v", rest, err)
	}
	io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if response, err = http.ReadResponse(r, nil); err != nil || response.StatusCode != 200 {
		t.Fatalf("the connection is of no use afterwards: %v", err)
	}
}

func TestEventsArriveOneByOne(t *testing.T) {
	t.Parallel()
	next := make(chan string)
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", backend(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.UserAgent(), "ELB") {
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for event := range next {
			fmt.Fprintf(w, "data: %s\n\n", event)
			w.(http.Flusher).Flush()
		}
	}))))
	nc, r := dial(t, p)
	io.WriteString(nc, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
	next <- "a"
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(response.Body)
	for _, event := range []string{"a", "b", "c"} {
		if event != "a" {
			next <- event
		}
		if line, err := lines.ReadString('\n'); err != nil || line != "data: "+event+"\n" {
			t.Fatalf("got %q %v", line, err)
		}
		lines.ReadString('\n')
	}
	close(next)
}

func TestContinueComesFromTheTarget(t *testing.T) {
	t.Parallel()
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(413)
			return
		}
		io.Copy(w, r.Body)
	}))))
	nc, r := dial(t, p)
	io.WriteString(nc, "POST /yes HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	if line, _ := r.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q", line)
	}
	r.ReadString('\n')
	io.WriteString(nc, "hello")
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(response.Body); string(body) != "hello" {
		t.Fatalf("got %q", body)
	}
	io.WriteString(nc, "POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	if response, err = http.ReadResponse(r, nil); err != nil || response.StatusCode != 413 || !response.Close {
		t.Fatalf("got %v %v", response, err)
	}
}

func TestAnswerDuringAnUploadIsDelivered(t *testing.T) {
	t.Parallel()
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", rawBackend(t, func(nc net.Conn, r *bufio.Reader) {
		if readRequest(nc, r) != nil {
			io.WriteString(nc, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
		}
	}))))
	answer := talk(t, p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"+strings.Repeat("x", 20_000))
	if !strings.HasPrefix(answer, "HTTP/1.1 413 ") || !strings.HasSuffix(answer, "big") {
		t.Errorf("got %q", answer)
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	p := start(t)
	apply(t, p, single([]Rule{
		fixed("fixed", Condition{Field: FieldPath, Values: []string{"/fixed"}}), forwardTo("g"),
	}, groupOf("g", backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
		io.WriteString(w, r.URL.Path)
	}))))
	nc, r := dial(t, p)
	io.WriteString(nc, "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /fixed HTTP/1.1\r\nHost: a\r\n\r\n"+
		"POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"+
		"POST /fixed HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nskipGET /3 HTTP/1.1\r\nHost: a\r\n\r\n")
	for _, want := range []string{"abc/1", "fixed", "x/2", "fixed", "/3"} {
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(response.Body); string(body) != want {
			t.Fatalf("got %q, want %q", body, want)
		}
	}
}

func TestResponsesWithoutABody(t *testing.T) {
	t.Parallel()
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.WriteHeader(304)
		default:
			w.Header().Set("Content-Length", "1000")
		}
	}))))
	nc, r := dial(t, p)
	for _, test := range []struct {
		method, path string
		status       int
	}{{"GET", "/204", 204}, {"GET", "/304", 304}, {"HEAD", "/", 200}, {"GET", "/204", 204}} {
		fmt.Fprintf(nc, "%s %s HTTP/1.1\r\nHost: a\r\n\r\n", test.method, test.path)
		request, _ := http.NewRequest(test.method, "/", nil)
		response, err := http.ReadResponse(r, request)
		if err != nil || response.StatusCode != test.status {
			t.Fatalf("%s %s: %v %v", test.method, test.path, response, err)
		}
	}
}

func TestHTTP10ClientGetsAPlainBody(t *testing.T) {
	t.Parallel()
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chunked" {
			w.(http.Flusher).Flush()
		}
		io.WriteString(w, strings.Repeat("x", 5))
	}))))
	if answer := talk(t, p, "GET /chunked HTTP/1.0\r\n\r\n"); !strings.HasSuffix(answer, "\r\n\r\nxxxxx") || strings.Contains(answer, "chunked") {
		t.Errorf("got %q", answer)
	}
	answer := talk(t, p, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n")
	if strings.Count(answer, "xxxxx") != 2 || !strings.Contains(answer, "Connection: keep-alive") {
		t.Errorf("got %q", answer)
	}
}

func TestBodyUntilCloseEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", rawBackend(t, answerRaw("HTTP/1.0 200 OK\r\n\r\nall of it")))))
	answer := talk(t, p, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if !strings.HasSuffix(answer, "\r\n\r\nall of it") || !strings.Contains(answer, "Connection: close") {
		t.Errorf("got %q", answer)
	}
}

func TestBrokenOffResponseIsSeenAsBroken(t *testing.T) {
	t.Parallel()
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", rawBackend(t, answerRaw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")))))
	nc, r := dial(t, p)
	io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("took %q for the whole", body)
	}
}

func TestWebSocketTunnel(t *testing.T) {
	t.Parallel()
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", rawBackend(t, func(nc net.Conn, r *bufio.Reader) {
		request := readRequest(nc, r)
		if request == nil {
			return
		}
		if request.Header.Get("Upgrade") != "websocket" || request.Header.Get("Sec-Websocket-Key") != "k" {
			io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
			return
		}
		io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhi")
		io.Copy(nc, r)
		io.WriteString(nc, "bye")
	}))))
	nc, r := dial(t, p)
	io.WriteString(nc, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\nearly")
	response, err := http.ReadResponse(r, nil)
	if err != nil || response.StatusCode != 101 || response.Header.Get("Upgrade") != "websocket" {
		t.Fatalf("got %v %v", response, err)
	}
	heard := make([]byte, len("hiearly"))
	if _, err := io.ReadFull(r, heard); err != nil || string(heard) != "hiearly" {
		t.Fatalf("heard %q %v", heard, err)
	}
	io.WriteString(nc, "more")
	nc.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "morebye" {
		t.Fatalf("heard %q %v", rest, err)
	}
	if m := p.Metrics().LoadBalancers["lb"]; m.UpgradedConnections != 1 {
		t.Errorf("counted %d tunnels", m.UpgradedConnections)
	}
}

func TestSmuggledRequestNeverReachesTheTarget(t *testing.T) {
	t.Parallel()
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", backend(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/admin" {
			t.Error("a smuggled request arrived")
		}
	}))))
	const inner = "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
	for name, attack := range map[string]string{
		"CL.TE":          "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
		"TE.TE":          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + inner,
		"bare LF chunk":  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\n\n" + inner,
		"chunk overflow": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n" + inner,
		"space colon":    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 0\r\n\r\n" + inner,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := talk(t, p, attack)
			if !strings.HasPrefix(answer, "HTTP/1.1 400 ") && !strings.HasPrefix(answer, "HTTP/1.1 501 ") || strings.Count(answer, "HTTP/1.1") != 1 {
				t.Errorf("answered %q", answer)
			}
		})
	}
}

func TestConnectionStaysOpenAfterAStreamedBody(t *testing.T) {
	t.Parallel()
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
	}))))
	nc, r := dial(t, p)
	for i := range 200 {
		for _, part := range []string{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n", "abc", "def"} {
			io.WriteString(nc, part)
		}
		response, err := http.ReadResponse(r, nil)
		if err != nil || response.StatusCode != 200 || response.Close {
			t.Fatalf("request %d: %v %v", i, response, err)
		}
	}
}
