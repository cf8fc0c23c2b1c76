package dataplane

// State is the health of a target, in the API's words.
type State string

// The states of TargetHealth in the ELBv2 API.
const (
	StateInitial     State = "initial"
	StateHealthy     State = "healthy"
	StateUnhealthy   State = "unhealthy"
	StateDraining    State = "draining"
	StateUnused      State = "unused"
	StateUnavailable State = "unavailable"
)

// Reason says why a target is not healthy, in the API's words.
type Reason string

// The reasons of TargetHealth in the ELBv2 API.
const (
	ReasonRegistrationInProgress   Reason = "Elb.RegistrationInProgress"
	ReasonInitialHealthChecking    Reason = "Elb.InitialHealthChecking"
	ReasonInternalError            Reason = "Elb.InternalError"
	ReasonResponseCodeMismatch     Reason = "Target.ResponseCodeMismatch"
	ReasonTimeout                  Reason = "Target.Timeout"
	ReasonFailedHealthChecks       Reason = "Target.FailedHealthChecks"
	ReasonNotRegistered            Reason = "Target.NotRegistered"
	ReasonNotInUse                 Reason = "Target.NotInUse"
	ReasonDeregistrationInProgress Reason = "Target.DeregistrationInProgress"
	ReasonHealthCheckDisabled      Reason = "Target.HealthCheckDisabled"
)

// TargetHealth is the state of one target.
type TargetHealth struct {
	Target      Target
	State       State
	Reason      Reason // "" when healthy
	Description string // AWS's sentence for the reason
	InFlight    int    // requests and tunnels under way
	// Drained says that a draining target has nothing in flight any more, or has used up its deregistration delay:
	// it may be removed and stopped. AWS then forgets the target too.
	Drained bool
}
