package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/signal"
	"runtime/pprof"
	"strings"
	"time"

	"slipway.dev/internal/twin/service/elbv2/dataplane"
)

// serveBackend answers every request with 1 KiB, as cheaply as can be: what is measured should be the proxies.
func serveBackend(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024))
	for {
		nc, err := l.Accept()
		if err != nil {
			return nil // interrupted
		}
		go answerAll(nc, answer)
	}
}

// answerAll takes every blank line for the end of a request.
func answerAll(nc net.Conn, answer []byte) {
	defer nc.Close()
	buffer, filled := make([]byte, 16<<10), 0
	for {
		n, err := nc.Read(buffer[filled:])
		if err != nil {
			return
		}
		filled += n
		if !bytes.HasSuffix(buffer[:filled], []byte("\r\n\r\n")) {
			continue
		}
		filled = 0
		if _, err := nc.Write(answer); err != nil {
			return
		}
	}
}

// serveDataPlane is the contender slipway; addresses are "backend,own".
func serveDataPlane(addresses, profile string) error {
	backend, own, _ := strings.Cut(addresses, ",")
	p := dataplane.New(dataplane.Options{})
	err := p.Apply(dataplane.Config{
		LoadBalancers: []dataplane.LoadBalancer{{ID: "lb", Listeners: []dataplane.Listener{{
			ID: "listener", Port: 80, Protocol: "HTTP", Bind: own, Rules: []dataplane.Rule{
				{Conditions: []dataplane.Condition{{Field: dataplane.FieldPath, Values: []string{"/api/*"}}}, Actions: forward()},
				{Actions: forward()},
			},
		}}}},
		TargetGroups: []dataplane.TargetGroup{{
			ID: "group", Protocol: "HTTP", Targets: []dataplane.Target{{ID: backend, Port: 80, Address: backend}},
		}},
	})
	if err != nil {
		return err
	}
	if profile != "" {
		file, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	return interrupted(p)
}

func forward() []dataplane.Action {
	return []dataplane.Action{{Type: dataplane.ActionForward, Forward: dataplane.Forward{
		TargetGroups: []dataplane.WeightedTargetGroup{{ID: "group", Weight: 1}},
	}}}
}

// interrupted serves until the program is told to end.
func interrupted(p *dataplane.Plane) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return p.Close(ctx)
}
