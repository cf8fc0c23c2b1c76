// Command bench measures the data plane beside nginx, HAProxy and Caddy: the same backend, the same client (wrk), the same
// machine, one after the other, and prints the ratios that issue-level targets are given in.
//
//	go run ./internal/twin/service/elbv2/dataplane/bench -seconds 5
//
// A program that is not installed is left out and named. With -check the exit code is 1 when a target is missed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"slipway.dev/internal/twin/service/elbv2/dataplane"
)

// goals are the least ratios of our throughput to another's.
var goals = map[string]float64{"caddy": 1, "haproxy": 0.5, "nginx": 0.6}

type options struct {
	seconds, connections, rounds int
	caddy, profile, only         string
	check                        bool
}

func main() {
	var o options
	flag.IntVar(&o.seconds, "seconds", 5, "length of a measurement")
	flag.IntVar(&o.connections, "connections", 64, "keep-alive connections")
	flag.IntVar(&o.rounds, "rounds", 1, "measurements of each; the best counts")
	flag.StringVar(&o.caddy, "caddy", "caddy", "the caddy binary")
	flag.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of our own to this file")
	flag.StringVar(&o.only, "only", "", "measure this one alone: slipway, nginx, haproxy, caddy")
	flag.BoolVar(&o.check, "check", false, "fail when a target is missed")
	// The data plane is measured as a process of its own, as the others are.
	serve := flag.String("serve", "", "serve as the data plane for this backend address, and nothing else")
	flag.Parse()
	var err error
	if *serve != "" {
		err = serveDataPlane(*serve, o.profile)
	} else {
		err = compare(o)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// contender is a proxy to measure.
type contender struct {
	name string
	// start makes it listen on address in front of backend; files it needs go to dir.
	command func(dir, address, backend string) (*exec.Cmd, error)
}

func compare(o options) error {
	dir, err := os.MkdirTemp("", "dataplane-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	backend, stop, err := startBackend(dir)
	if err != nil {
		return err
	}
	defer stop()
	results := map[string]float64{}
	for range o.rounds {
		for _, c := range contenders(o) {
			if o.only != "" && o.only != c.name {
				continue
			}
			rate, err := measure(c, filepath.Join(dir, c.name), backend, o)
			if errors.Is(err, exec.ErrNotFound) {
				fmt.Printf("%-8s not installed\n", c.name)
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			results[c.name] = max(results[c.name], rate)
		}
	}
	return report(results, o)
}

func report(results map[string]float64, o options) error {
	own, missed := results["slipway"], false
	for _, name := range []string{"slipway", "nginx", "haproxy", "caddy"} {
		rate := results[name]
		if rate == 0 {
			continue
		}
		fmt.Printf("%-8s %8.0f requests/s", name, rate)
		if goal := goals[name]; goal > 0 && own > 0 {
			fmt.Printf("   slipway/%s = %.2f (wanted: %.2f)", name, own/rate, goal)
			missed = missed || own/rate < goal
		}
		fmt.Println()
	}
	if missed && o.check {
		return errors.New("a target is missed")
	}
	return nil
}

func contenders(o options) []contender {
	return []contender{
		{"slipway", func(_, address, backend string) (*exec.Cmd, error) {
			self, err := os.Executable()
			return exec.Command(self, "-serve", backend+","+address, "-cpuprofile", o.profile), err
		}},
		{"nginx", nginx},
		{"haproxy", haproxy},
		{"caddy", func(dir, address, backend string) (*exec.Cmd, error) { return caddy(o.caddy, dir, address, backend) }},
	}
}

// startBackend runs nginx with a 1 KiB file as the target: what is measured should be the proxies.
func startBackend(dir string) (address string, stop func(), err error) {
	if address, err = freeAddress(); err != nil {
		return "", nil, err
	}
	root := filepath.Join(dir, "backend")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", nil, err
	}
	config := nginxHead(root) + `http { access_log off; keepalive_requests 100000000; keepalive_timeout 600; server { listen ` +
		address + ` backlog=1024; location / { default_type text/plain; return 200 "` + strings.Repeat("x", 1024) + `"; } } }`
	cmd, err := run("nginx", root, config)
	if err != nil {
		return "", nil, err
	}
	return address, launch(cmd), wait(address)
}

func nginxHead(dir string) string {
	return "daemon off; master_process off; pid " + dir + "/pid; error_log " + dir + "/error.log;\n" +
		"worker_processes 1; events { worker_connections 4096; }\n"
}

func nginx(dir, address, backend string) (*exec.Cmd, error) {
	config := strings.Replace(nginxHead(dir), "master_process off; ", "", 1)
	config = strings.Replace(config, "worker_processes 1", "worker_processes auto", 1) + `http { access_log off;
		keepalive_requests 100000000;
		upstream b { server ` + backend + `; keepalive 128; keepalive_requests 100000000; }
		server { listen ` + address + ` backlog=1024; location / { proxy_pass http://b; proxy_http_version 1.1;
			proxy_set_header Connection ""; proxy_set_header Host $http_host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
			proxy_set_header X-Forwarded-Port $server_port; } } }`
	return run("nginx", dir, config)
}

// run writes a configuration and makes the command that serves it.
func run(program, dir, config string) (*exec.Cmd, error) {
	file := filepath.Join(dir, "config")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return nil, err
	}
	path, err := exec.LookPath(program)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + program); err != nil {
			return nil, err
		}
	}
	if program == "nginx" {
		return exec.Command(path, "-c", file, "-e", dir+"/error.log"), nil
	}
	return exec.Command(path, "-f", file), nil
}

func haproxy(dir, address, backend string) (*exec.Cmd, error) {
	return run("haproxy", dir, "global\n maxconn 4096\ndefaults\n mode http\n timeout connect 5s\n timeout client 60s\n"+
		" timeout server 60s\n option forwardfor\n http-reuse always\nfrontend f\n bind "+address+
		"\n http-request set-header X-Forwarded-Proto http\n http-request set-header X-Forwarded-Port 80\n"+
		" default_backend b\nbackend b\n server s "+backend+"\n")
}

func caddy(binary, dir, address, backend string) (*exec.Cmd, error) {
	path, err := exec.LookPath(binary)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "Caddyfile")
	config := "{\n admin off\n auto_https off\n}\nhttp://" + address + " {\n reverse_proxy " + backend + "\n}\n"
	cmd := exec.Command(path, "run", "--config", file, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	return cmd, os.WriteFile(file, []byte(config), 0o644)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// launch starts a program and returns how to end it.
func launch(cmd *exec.Cmd) (stop func()) {
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	return func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}
}

// wait waits until a server answers.
func wait(address string) error {
	for range 200 {
		response, err := http.Get("http://" + address + "/")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == 200 {
				return nil
			}
		}
		time.Sleep(25 * time.Millisecond)
	}
	return fmt.Errorf("nothing answers on %s", address)
}

var rateLine = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)

// measure runs one contender under wrk and returns requests a second.
func measure(c contender, dir, backend string, o options) (float64, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	address, err := freeAddress()
	if err != nil {
		return 0, err
	}
	cmd, err := c.command(dir, address, backend)
	if err != nil {
		return 0, err
	}
	defer launch(cmd)()
	if err := wait(address); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(o.seconds+20)*time.Second)
	defer cancel()
	args := []string{"-t1", "-c" + strconv.Itoa(o.connections), "-d" + strconv.Itoa(o.seconds) + "s", "--latency"}
	out, err := exec.CommandContext(ctx, "wrk", append(args, "http://"+address+"/")...).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("wrk: %w: %s", err, out)
	}
	if strings.Contains(string(out), "Non-2xx") || strings.Contains(string(out), "Socket errors") {
		return 0, fmt.Errorf("requests failed: %s", out)
	}
	found := rateLine.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("wrk said %s", out)
	}
	return strconv.ParseFloat(string(found[1]), 64)
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
