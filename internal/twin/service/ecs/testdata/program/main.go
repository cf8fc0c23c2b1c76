// Program is what the containers of the tests run. Its first argument says how it behaves.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	args := append(os.Args[1:], "serve")
	switch args[0] {
	case "serve":
		terminate := make(chan os.Signal, 1)
		signal.Notify(terminate, syscall.SIGTERM)
		go serve()
		<-terminate
		fmt.Println("terminated")
	case "stubborn": // does not heed SIGTERM
		signal.Ignore(syscall.SIGTERM)
		serve()
	case "fail": // CODE
		fmt.Println("cannot find my configuration")
		code, _ := strconv.Atoi(args[1])
		os.Exit(code)
	case "check": // exits with 0 where the server is well
		answer, err := http.Get("http://127.0.0.1:" + port() + "/health")
		if err != nil || answer.StatusCode != http.StatusOK {
			fmt.Println("not well:", err)
			os.Exit(1)
		}
	case "fetch": // URL
		answer, err := http.Get(args[1])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(answer.Status)
		io.Copy(os.Stdout, answer.Body)
	case "print": // TEXT
		fmt.Println(args[1])
	case "count": // N lines, then waits
		terminate := make(chan os.Signal, 1)
		signal.Notify(terminate, syscall.SIGTERM)
		n, _ := strconv.Atoi(args[1])
		for i := range n {
			fmt.Println("line", i)
			time.Sleep(5 * time.Millisecond)
		}
		<-terminate
	case "echo": // input to output, in capitals of none
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			fmt.Println("heard", lines.Text())
		}
		fmt.Fprintln(os.Stderr, "end")
		os.Exit(7)
	}
}

func port() string {
	if p := os.Getenv("PORT"); p != "" {
		return p
	}
	return "8080"
}

func serve() {
	fmt.Println("serving on", port())
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv("GREETING")) })
	http.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) {
		if code, err := strconv.Atoi(os.Getenv("HEALTH")); err == nil {
			w.WriteHeader(code)
		}
	})
	fmt.Println(http.ListenAndServe(":"+port(), nil))
}
