// Command bench measures the data plane beside nginx, HAProxy and Caddy: the same backend, the same client (wrk), the same
// machine, one after the other, and prints the ratios that issue-level targets are given in.
//
//	go run ./internal/twin/service/elbv2/dataplane/bench -seconds 5
//
// A program that is not installed is left out and named. With -check the exit code is 1 when a target is missed.
package main

import (
	"bytes"
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
	"strconv"
	"strings"
	"time"
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
	target := flag.String("backend", "", "serve as the backend on this address, and nothing else")
	flag.Parse()
	var err error
	switch {
	case *target != "":
		err = serveBackend(*target)
	case *serve != "":
		err = serveDataPlane(*serve, o.profile)
	default:
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
	backend, stop, err := startBackend()
	if err != nil {
		return err
	}
	defer stop()
	results := map[string]result{}
	for range o.rounds {
		for _, c := range contenders(o) {
			if o.only != "" && o.only != c.name {
				continue
			}
			found, err := measure(c, filepath.Join(dir, c.name), backend, o)
			if errors.Is(err, exec.ErrNotFound) {
				fmt.Printf("%-8s not installed\n", c.name)
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if found.rate > results[c.name].rate {
				results[c.name] = found
			}
		}
	}
	return report(results, o)
}

func report(results map[string]result, o options) error {
	own, missed := results["slipway"].rate, false
	for _, name := range []string{"slipway", "nginx", "haproxy", "caddy"} {
		found, ok := results[name]
		if !ok {
			continue
		}
		fmt.Printf("%-8s %8.0f requests/s %6.1f µs of processor time each", name, found.rate, float64(found.cpu)/1000)
		if goal := goals[name]; goal > 0 && own > 0 {
			fmt.Printf("   slipway/%s = %.2f (wanted: %.2f)", name, own/found.rate, goal)
			missed = missed || own/found.rate < goal
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

// startBackend runs this program as the target, in a process of its own.
func startBackend() (address string, stop func(), err error) {
	if address, err = freeAddress(); err != nil {
		return "", nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	end, err := launch(exec.Command(self, "-backend", address))
	if err != nil {
		return "", nil, err
	}
	return address, func() { end() }, wait(address)
}

func nginxHead(dir string) string {
	return "daemon off; pid " + dir + "/pid; error_log " + dir + "/error.log;\n" +
		"worker_processes auto; events { worker_connections 4096; }\n"
}

func nginx(dir, address, backend string) (*exec.Cmd, error) {
	config := nginxHead(dir) + `http { access_log off;
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

// launch starts a program; ending it returns the processor time it took, children included.
func launch(cmd *exec.Cmd) (end func() time.Duration, err error) {
	cmd.Stderr = new(bytes.Buffer)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() time.Duration {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // they end with the signal
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}, nil
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

// result is what one measurement found.
type result struct {
	rate float64       // requests a second
	cpu  time.Duration // a request
}

var (
	rateLine  = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	countLine = regexp.MustCompile(`([0-9]+) requests in`)
)

// measure runs one contender under wrk.
func measure(c contender, dir, backend string, o options) (result, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return result{}, err
	}
	address, err := freeAddress()
	if err != nil {
		return result{}, err
	}
	cmd, err := c.command(dir, address, backend)
	if err != nil {
		return result{}, err
	}
	end, err := launch(cmd)
	if err != nil {
		return result{}, err
	}
	var out string
	if err = wait(address); err == nil {
		out, err = wrk(address, o)
	}
	cpu := end()
	if err != nil {
		return result{}, fmt.Errorf("%w: %s", err, cmd.Stderr)
	}
	rate, err := strconv.ParseFloat(submatch(rateLine, out), 64)
	if err != nil {
		return result{}, fmt.Errorf("wrk said %s", out)
	}
	count, err := strconv.Atoi(submatch(countLine, out))
	if err != nil || count == 0 {
		return result{}, fmt.Errorf("wrk said %s", out)
	}
	return result{rate, cpu / time.Duration(count)}, nil
}

func submatch(pattern *regexp.Regexp, text string) string {
	if found := pattern.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}

// wrk is the client. A request that fails spoils the measurement.
func wrk(address string, o options) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(o.seconds+20)*time.Second)
	defer cancel()
	args := []string{"-t1", "-c" + strconv.Itoa(o.connections), "-d" + strconv.Itoa(o.seconds) + "s", "--latency"}
	out, err := exec.CommandContext(ctx, "wrk", append(args, "http://"+address+"/")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("wrk: %w: %s", err, out)
	}
	if strings.Contains(string(out), "Non-2xx") || strings.Contains(string(out), "Socket errors") {
		return "", fmt.Errorf("requests failed: %s", out)
	}
	return string(out), nil
}
