package twin

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"syscall"

	"slipway.dev/internal/twin/room"
)

var errAddressInUse error = syscall.EADDRINUSE

// Status is what the twin tells of itself at /_slipway/status.
type Status struct {
	Address string `json:"address"`
	Account string `json:"account"`
	Region  string `json:"region"`
	PID     int    `json:"pid"`
	Started string `json:"started"`
	State   string `json:"state"`
	Engine  string `json:"engine"` // "Docker 20.10.24", or why there is none
	// Missing says what containers cannot have of the twin, and why: names of load balancers, their port 80.
	Missing []string `json:"missing,omitempty"`
}

// handler sends a request where it belongs: to a load balancer by its host, to the registry by its path, else to the AWS API.
func (t *Twin) handler() http.Handler {
	own := http.NewServeMux()
	own.HandleFunc("GET /_slipway/status", t.serveStatus)
	own.HandleFunc("GET /_slipway/audit", t.serveAudit)
	own.HandleFunc("GET /_slipway/coverage", t.serveCoverage)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, room := range t.rooms {
			if room.Handler != nil && room.Handler.Takes(r) {
				room.Handler.ServeHTTP(w, r)
				return
			}
		}
		if strings.HasPrefix(r.URL.Path, "/_slipway/") && local(r.Host) {
			own.ServeHTTP(w, r)
			return
		}
		t.gateway.ServeHTTP(w, r)
	})
}

func local(host string) bool {
	name, _, _ := strings.Cut(host, ":")
	return name == "127.0.0.1" || name == "localhost" || strings.HasPrefix(host, "[::1]")
}

func (t *Twin) serveStatus(w http.ResponseWriter, r *http.Request) {
	status := Status{Address: t.Address(), Account: Account, Region: t.options.Region, PID: os.Getpid(), Started: t.started.Format("2006-01-02T15:04:05Z"),
		State: t.options.Dir, Engine: t.engineName(r), Missing: t.network.Missing()}
	answer(w, status)
}

func (t *Twin) engineName(r *http.Request) string {
	if t.options.Engine == nil {
		return "none"
	}
	e, err := t.options.Engine(r.Context())
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return first
	}
	info, err := e.Info(r.Context())
	if err != nil {
		return err.Error()
	}
	return info.Name + " " + info.Version
}

func (t *Twin) serveAudit(w http.ResponseWriter, r *http.Request) {
	rows, err := t.audit.recent(r.Context(), 200)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, rows)
}

func (t *Twin) serveCoverage(w http.ResponseWriter, r *http.Request) { answer(w, Coverage(t.rooms)) }

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Write(append(b, '\n'))
}

// Covered is one row of the coverage table.
type Covered struct {
	Service  string   `json:"service"`
	Kind     string   `json:"kind"` // "operation" or "resource"
	Name     string   `json:"name"`
	Fidelity string   `json:"fidelity"` // "runs", "recorded"
	Inert    []string `json:"inert,omitempty"`
}

// Coverage is the coverage table, made from the services themselves.
func Coverage(rooms []room.Room) (rows []Covered) {
	for _, r := range rooms {
		for _, op := range r.Service.Operations {
			rows = append(rows, Covered{r.Service.API.Name, "operation", op.Name, string(op.Fidelity), op.Inert})
		}
		for _, t := range r.Resources {
			rows = append(rows, Covered{r.Service.API.Name, "resource", t.Name, string(t.Fidelity), t.Inert})
		}
	}
	return rows
}

// Rooms builds the services without state, for what can be said of them without running: the coverage table.
func Rooms() []room.Room { return rooms(room.House{Changed: room.NewBroadcast()}) }
