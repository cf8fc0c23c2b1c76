// Command service is what the stories deploy. What it does is chosen when it is built.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

// kind is good, better, crashing or sick; set by the linker.
var kind string

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 && os.Args[1] == "migrate" {
		log.Print("migrated as ", os.Getenv("STAGE"))
		os.Exit(7)
	}
	log.Print("starting the ", kind, " service")
	if kind == "crashing" {
		log.Print("cannot reach the database")
		os.Exit(3)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: ":8080", Handler: http.HandlerFunc(answer)}
	go server.ListenAndServe()
	<-ctx.Done()
}

func answer(w http.ResponseWriter, r *http.Request) {
	if kind == "sick" {
		w.WriteHeader(http.StatusInternalServerError)
	}
	fmt.Fprintf(w, "the %s service in %s\n", kind, os.Getenv("STAGE"))
}
