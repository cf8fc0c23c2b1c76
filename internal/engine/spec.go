package engine

import (
	"io"
	"time"
)

// Spec is a container to be. The zero value of a field leaves the choice to the image or the engine.
type Spec struct {
	Name       string // unique on the engine, and what makes Create idempotent
	Image      string
	Entrypoint []string
	Command    []string
	Env        []string // NAME=value
	Labels     map[string]string
	User       string
	WorkingDir string
	Hostname   string

	CPUShares            int64 // relative weight, 1024 is one vCPU in ECS
	NanoCPUs             int64 // hard limit, in 1e-9 of a CPU
	MemoryMiB            int64 // hard limit; swap is not given on top, as on Fargate
	MemoryReservationMiB int64
	PidsLimit            int64
	ShmSizeMiB           int64

	Network          string   // a network's name or id; "none" and "host" as Docker means them
	NetworkContainer string   // join this container's network namespace instead; excludes Network, Ports, Hostname, DNS
	Aliases          []string // further names on Network
	DNS              []string
	DNSSearch        []string
	ExtraHosts       []string // name:address
	Ports            []Port

	Mounts         []Mount
	Tmpfs          map[string]string // path → mount options, "size=64m"
	Ulimits        []Ulimit
	Sysctls        map[string]string
	ReadonlyRootFS bool
	Privileged     bool
	CapAdd         []string
	CapDrop        []string
	Init           bool // run the engine's init as process 1
	TTY            bool
	OpenStdin      bool

	StopSignal  string
	StopTimeout time.Duration // what the engine grants at its own shutdown; Stop takes its own
	HealthCheck *HealthCheck
	LogMaxSize  int64  // bytes kept of the container's output in each of two files; 0 is unlimited
	Platform    string // "linux/arm64"; empty is the engine's own
}

// Port publishes a port of a container on the machine. On a network that is Internal nothing is published.
type Port struct {
	Container int
	Protocol  string // "tcp" (default), "udp" or "sctp"
	HostIP    string // default 127.0.0.1
	Host      int    // 0 takes any free port, see State.Ports
}

// Mount puts a directory of the machine (Bind) or a named volume into a container.
type Mount struct {
	Bind     string // absolute path on the machine; it must exist
	Volume   string // name of a volume, see EnsureVolume
	Target   string
	ReadOnly bool
}

// Ulimit is a resource limit of a container's processes; the names are those of setrlimit without RLIMIT_, lower case.
type Ulimit struct {
	Name       string
	Soft, Hard int64
}

// HealthCheck runs a command in the container. Command starts with "CMD", "CMD-SHELL" or, to switch off the image's,
// is the one word "NONE". Podman runs health checks by systemd's timers: without systemd they stay HealthStarting.
type HealthCheck struct {
	Command     []string
	Interval    time.Duration
	Timeout     time.Duration
	StartPeriod time.Duration
	Retries     int
}

// State is a container as the engine sees it at one moment.
type State struct {
	ID          string
	Name        string
	Image       string // as asked for
	ImageID     string // sha256 of the image's configuration
	ImageDigest string // sha256 of its manifest in the repository Image names; empty for one that was never pulled or pushed
	Status      Status
	ExitCode    int    // of an exited container
	OOMKilled   bool   // Docker 20.10 may miss it; EventOOM comes all the same
	Error       string // why it could not be started
	Pid         int
	CreatedAt   time.Time
	StartedAt   time.Time // zero before the first start
	FinishedAt  time.Time // zero before the first exit
	Health      Health
	Networks    map[string]string // network name → IPv4 address, while running
	Ports       []PublishedPort   // while running
	Labels      map[string]string // the image's among them
	TTY         bool
}

// Running says whether the container's process lives.
func (s State) Running() bool { return s.Status == StatusRunning || s.Status == StatusPaused }

// HostPort finds where a container port is published on the machine.
func (s State) HostPort(container int, protocol string) (PublishedPort, bool) {
	for _, port := range s.Ports {
		if port.Container == container && port.Protocol == protocol {
			return port, true
		}
	}
	return PublishedPort{}, false
}

// Status is where a container is in its life.
type Status string

// The statuses of a container. Paused, restarting and removing do not come about through this package.
const (
	StatusCreated    Status = "created"
	StatusRunning    Status = "running"
	StatusPaused     Status = "paused"
	StatusRestarting Status = "restarting"
	StatusRemoving   Status = "removing"
	StatusExited     Status = "exited"
	StatusDead       Status = "dead"
)

// Health is what a container's own health check says.
type Health struct {
	Status        HealthStatus
	FailingStreak int
	ExitCode      int    // of the last probe
	Output        string // of the last probe
}

// HealthStatus is the verdict of a health check.
type HealthStatus string

// The verdicts of a health check; HealthNone is a container that has none.
const (
	HealthNone      HealthStatus = "none"
	HealthStarting  HealthStatus = "starting"
	HealthHealthy   HealthStatus = "healthy"
	HealthUnhealthy HealthStatus = "unhealthy"
)

// PublishedPort is a container port as it is reachable from the machine.
type PublishedPort struct {
	Container int
	Protocol  string
	HostIP    string
	Host      int
}

// Summary is a container in a list.
type Summary struct {
	ID        string
	Name      string
	Image     string
	ImageID   string
	Status    Status
	Labels    map[string]string
	CreatedAt time.Time
}

// EventKind is what happened to a container.
type EventKind string

// The kinds of events. EventReconnected is this package's own: the stream was broken and stands again, so something may
// have happened in between and the consumer has to look (List, Inspect) to know.
const (
	EventStart       EventKind = "start"
	EventDie         EventKind = "die"
	EventOOM         EventKind = "oom"
	EventHealth      EventKind = "health_status"
	EventDestroy     EventKind = "destroy"
	EventReconnected EventKind = "reconnected"
)

// Event is something that happened to a container.
type Event struct {
	Kind     EventKind
	ID       string // of the container
	Name     string
	Labels   map[string]string
	ExitCode int          // of EventDie
	Health   HealthStatus // of EventHealth
	Time     time.Time    // by the engine's clock
}

// Stream names which output of a container a line came from.
type Stream string

// The outputs of a container. One with a TTY has only standard output.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// LogPosition is a place in a container's output, fit to be stored: Time is the engine's timestamp of the last entry
// read, Entries how many entries of exactly that timestamp had been read. The zero value is the beginning.
type LogPosition struct {
	Time    time.Time
	Entries int
}

// LogLine is one line of a container's output, without its line end. Reading on from After neither loses nor doubles
// a line.
type LogLine struct {
	Time   time.Time
	Stream Stream
	Text   string
	After  LogPosition
}

// Usage is what a container has used, at the time of asking.
type Usage struct {
	CPUNanos         uint64 // CPU time since its start, all CPUs together
	OnlineCPUs       int
	MemoryBytes      uint64 // in use, without file cache the kernel can take back
	MemoryLimitBytes uint64
	Pids             uint64
	NetworkRxBytes   uint64
	NetworkTxBytes   uint64
	ReadAt           time.Time // two of these, and their CPUNanos, give a utilisation
}

// Exec is a command to run in a running container.
type Exec struct {
	Command    []string
	Env        []string
	User       string
	WorkingDir string
	Stdin      io.Reader // nil gives it none
	Stdout     io.Writer // nil drops it
	Stderr     io.Writer // nil drops it; with TTY everything is on Stdout
	TTY        bool
	Size       WindowSize        // at the start, with TTY
	Resize     <-chan WindowSize // later sizes, with TTY
}

// WindowSize is the size of a terminal in characters.
type WindowSize struct{ Rows, Columns uint }

// NetworkSpec is a network to be.
type NetworkSpec struct {
	Name     string
	Labels   map[string]string
	Internal bool   // no way out, and no published ports
	Subnet   string // CIDR; empty lets the engine choose
}

// Network is a network of the engine.
type Network struct {
	ID      string
	Name    string
	Gateway string // address of the machine on it
	Subnet  string // CIDR
	Labels  map[string]string
}
