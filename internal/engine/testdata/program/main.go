// Program is what the tests run in containers: it does what its arguments say, one after the other.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	for _, arg := range os.Args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		if !run(name, value) {
			fmt.Fprintln(os.Stderr, "unknown action", name)
			os.Exit(64)
		}
	}
}

func run(name, value string) bool {
	switch name {
	case "out":
		fmt.Println(value)
	case "err":
		fmt.Fprintln(os.Stderr, value)
	case "lines":
		n, _ := strconv.Atoi(value)
		for i := range n {
			fmt.Println("line", i)
		}
	case "long":
		n, _ := strconv.Atoi(value)
		fmt.Println(strings.Repeat("x", n))
	case "unended":
		fmt.Print(value)
	case "exit":
		n, _ := strconv.Atoi(value)
		os.Exit(n)
	case "term": // waits for SIGTERM
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		fmt.Println("ready")
		<-c
		fmt.Println("terminated")
	case "deaf": // lives until SIGKILL
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		for {
			_ = syscall.Pause()
		}
	case "serve":
		_ = http.ListenAndServe(":"+value, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host, _ := os.Hostname()
			fmt.Fprintf(w, "hello from %s", host)
		}))
	case "get":
		response, err := http.Get(value)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_, _ = io.Copy(os.Stdout, response.Body)
	case "eat": // memory, in MiB
		n, _ := strconv.Atoi(value)
		var all [][]byte
		for range n {
			block := make([]byte, 1<<20)
			for i := range block {
				block[i] = 1
			}
			all = append(all, block)
		}
		fmt.Println("ate", len(all))
	case "burn": // CPU, forever
		for i := 0; ; i++ {
			if i == 0 {
				fmt.Println("ready")
			}
		}
	case "cat":
		_, _ = io.Copy(os.Stdout, os.Stdin)
	case "env":
		fmt.Println(os.Getenv(value))
	case "exists":
		if _, err := os.Stat(value); err != nil {
			fmt.Println("no", value)
			os.Exit(1)
		}
	case "size": // of the terminal, each time a line is read
		scanner := bufio.NewScanner(os.Stdin)
		for scanner.Scan() {
			printSize()
			if scanner.Text() == "end" {
				return true
			}
		}
	default:
		return false
	}
	return true
}
