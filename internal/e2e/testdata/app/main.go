// Command app is the service that the tests ship. VERSION is what it answers with, MODE how it misbehaves.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	for i, argument := range os.Args[1:] {
		if argument == "say" {
			fmt.Println("said:", strings.Join(os.Args[i+2:], " "))
			os.Exit(7)
		}
	}
	log.Print("starting version ", os.Getenv("VERSION"))
	if os.Getenv("MODE") == "exits" {
		log.Print("cannot open /etc/app.conf")
		os.Exit(3)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: ":8080", Handler: http.HandlerFunc(serve), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Shutdown(ending)
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-ctx.Done()
}

func serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/health" {
		switch os.Getenv("MODE") {
		case "sick":
			http.Error(w, "the database is away", http.StatusInternalServerError)
			return
		case "silent":
			<-r.Context().Done()
			return
		}
	}
	fmt.Fprintf(w, "version %s\n", os.Getenv("VERSION"))
}
