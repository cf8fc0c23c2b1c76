package ecs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	api "slipway.dev/internal/twin/api/ecs"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// serving makes a service with its deployments, the primary one first.
func serving(desired, low, high int, deployments ...deployment) service {
	return service{Name: "web", Cluster: "demo", Status: active, Desired: desired, Deployments: deployments,
		Rules: api.DeploymentConfiguration{MinimumHealthyPercent: &low, MaximumPercent: &high}}
}

func withBreaker(v service, rollback bool) service {
	v.Rules.DeploymentCircuitBreaker = &api.DeploymentCircuitBreaker{Enable: true, Rollback: rollback}
	return v
}

func rollingOut(id string) deployment {
	return deployment{ID: id, State: inProgress, Record: "record-" + id, Created: noon}
}
func done(id string) deployment { return deployment{ID: id, State: completed, Record: "record-" + id} }

// some makes n tasks of a deployment in a status.
func some(n int, deployment, last string) (tasks []task) {
	for i := range n {
		t := task{ID: fmt.Sprintf("%s-%s-%d", deployment, strings.ToLower(last), i), Deployment: deployment, Desired: taskRunning, Last: last, Created: noon.Add(time.Duration(i) * time.Second)}
		if last == taskRunning {
			t.Started = noon.Add(-time.Hour)
		}
		tasks = append(tasks, t)
	}
	return tasks
}

func ended(n int, deployment, code string, started time.Time) []task {
	tasks := some(n, deployment, taskStopped)
	for i := range tasks {
		t := &tasks[i]
		t.ID = fmt.Sprintf("%s-%s-%d", deployment, strings.ToLower(code), i)
		t.Desired, t.StopCode, t.Started, t.Reason = taskStopped, code, started, "Essential container in task exited"
		t.Stopping = noon
	}
	return tasks
}

func judged(tasks []task) []task {
	for i := range tasks {
		tasks[i].Judged = true
	}
	return tasks
}

func sick(n int, deployment string) []task {
	tasks := some(n, deployment, taskRunning)
	for i := range tasks {
		tasks[i].ID += "-sick"
		tasks[i].Health, tasks[i].Checked = unhealthy, true
	}
	return tasks
}

func TestDecideStartsAndStops(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		service service
		tasks   []task
		start   int
		stop    int      // of tasks
		stops   []string // their ids, where that matters
		event   string
	}{
		"the first deployment starts all":             {service: serving(3, 100, 200, rollingOut("a")), start: 3},
		"pending tasks count":                         {service: serving(3, 100, 200, rollingOut("a")), tasks: some(2, "a", taskPending), start: 1},
		"enough is enough":                            {service: serving(2, 100, 200, done("a")), tasks: some(2, "a", taskRunning)},
		"scale out goes beyond the maximum of before": {service: serving(9, 100, 100, done("a")), tasks: some(2, "a", taskRunning), start: 7},
		"scale in stops the youngest":                 {service: serving(1, 100, 200, done("a")), tasks: some(3, "a", taskRunning), stop: 2, stops: []string{"a-running-2", "a-running-1"}, event: "has stopped 2 running tasks: (task a-running-2) (task a-running-1)."},
		"scale in stops what is on its way first":     {service: serving(1, 100, 200, done("a")), tasks: append(some(1, "a", taskRunning), some(1, "a", taskPending)...), stop: 1, stops: []string{"a-pending-0"}},
		"scale to none":                               {service: serving(0, 100, 200, done("a")), tasks: some(2, "a", taskRunning), stop: 2},
		"a new deployment doubles up":                 {service: serving(4, 100, 200, rollingOut("b"), done("a")), tasks: some(4, "a", taskRunning), start: 4},
		"maximum rounds down":                         {service: serving(3, 50, 150, rollingOut("b"), done("a")), tasks: some(3, "a", taskRunning), start: 2, stop: 1},
		"minimum rounds up":                           {service: serving(3, 50, 100, rollingOut("b"), done("a")), tasks: some(3, "a", taskRunning), start: 1, stop: 1},
		"4 at 50 to 100 makes room for two":           {service: serving(4, 50, 100, rollingOut("b"), done("a")), tasks: some(4, "a", taskRunning), start: 2, stop: 2},
		"one at 0 to 100 stops before it starts":      {service: serving(1, 0, 100, rollingOut("b"), done("a")), tasks: some(1, "a", taskRunning), start: 1, stop: 1},
		"3 at 125 is stuck, and says so":              {service: serving(3, 100, 125, rollingOut("b"), done("a")), tasks: some(3, "a", taskRunning), event: "was unable to stop or start tasks during a deployment because of the service deployment configuration."},
		"old ones stay until new ones serve":          {service: serving(2, 100, 200, rollingOut("b"), done("a")), tasks: append(some(2, "a", taskRunning), some(2, "b", taskPending)...)},
		"one new one frees one old one":               {service: serving(2, 100, 200, rollingOut("b"), done("a")), tasks: slices.Concat(some(2, "a", taskRunning), some(1, "b", taskRunning), some(1, "b", taskPending)), stop: 1},
		"all new ones free all old ones":              {service: serving(2, 100, 200, rollingOut("b"), done("a")), tasks: append(some(2, "a", taskRunning), some(2, "b", taskRunning)...), stop: 2, event: "has stopped 2 running tasks"},
		"old ones that never served go at once":       {service: serving(2, 100, 200, rollingOut("b"), rollingOut("a")), tasks: some(2, "a", taskPending), start: 2, stop: 2},
		"a failed deployment starts nothing":          {service: serving(2, 100, 200, deployment{ID: "b", State: failed}, done("a")), tasks: some(2, "a", taskRunning)},
		"an ill task of a deployment goes at once":    {service: serving(1, 100, 200, rollingOut("a")), tasks: sick(1, "a"), start: 1, stop: 1},
		"in a steady state a replacement comes first": {service: serving(2, 100, 200, done("a")), tasks: append(some(1, "a", taskRunning), sick(1, "a")...), start: 1},
		"its successor on its way, an ill one stays":  {service: serving(2, 100, 200, done("a")), tasks: slices.Concat(some(1, "a", taskRunning), sick(1, "a"), some(1, "a", taskPending))},
		"its successor serving, an ill one goes":      {service: serving(2, 100, 200, done("a")), tasks: append(some(2, "a", taskRunning), sick(1, "a")...), stop: 1},
		"without room an ill one goes first":          {service: serving(2, 0, 100, done("a")), tasks: append(some(1, "a", taskRunning), sick(1, "a")...), start: 1, stop: 1},
		"ill successors do not pile up":               {service: serving(1, 100, 200, done("a")), tasks: sick(2, "a"), start: 1, stop: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := decide(situation{Service: c.service, Tasks: c.tasks, Now: noon})
			var stopped []string
			for _, s := range p.Stop {
				stopped = append(stopped, s.Task)
			}
			if p.Start != c.start || len(stopped) != c.stop {
				t.Errorf("start %d, stop %v; want %d, %d", p.Start, stopped, c.start, c.stop)
			}
			if c.stops != nil && !slices.Equal(stopped, c.stops) {
				t.Errorf("stop %v, want %v", stopped, c.stops)
			}
			if c.event != "" && !slices.ContainsFunc(p.Service.Events, func(e event) bool { return strings.HasPrefix(e.Message, "(service web) "+c.event) }) {
				t.Errorf("no event %q in %v", c.event, p.Service.Events)
			}
			if c.start+c.stop > 0 && !p.Changed {
				t.Error("a plan that nobody would carry out")
			}
		})
	}
}

func TestTheLoadBalancersVerdictCounts(t *testing.T) {
	t.Parallel()
	young := some(1, "b", taskRunning)
	young[0].Started = noon.Add(-30 * time.Second)
	for name, c := range map[string]struct {
		state string
		grace int
		stop  []string
	}{
		"not yet healthy is waited for":        {state: "initial"},
		"healthy frees the old one":            {state: "healthy", stop: []string{"a-running-0"}},
		"unhealthy is stopped":                 {state: "unhealthy", stop: []string{"b-running-0"}},
		"unhealthy in its grace is waited for": {state: "unhealthy", grace: 31},
		"unhealthy after its grace is stopped": {state: "unhealthy", grace: 30, stop: []string{"b-running-0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := serving(1, 100, 200, rollingOut("b"), done("a"))
			v.Grace = c.grace
			health := map[string]verdict{"b-running-0": {State: c.state, Group: "group", Port: 80, Reason: "Health checks failed with these codes: [500]"}, "a-running-0": {State: "healthy"}}
			p := decide(situation{Service: v, Tasks: append(some(1, "a", taskRunning), young...), Health: health, Now: noon})
			var stopped []string
			for _, s := range p.Stop {
				stopped = append(stopped, s.Task)
				if strings.HasPrefix(s.Task, "b") && s.Reason != "Task failed ELB health checks in (target-group group)" {
					t.Errorf("reason %q", s.Reason)
				}
			}
			if !slices.Equal(stopped, c.stop) {
				t.Errorf("stop %v, want %v", stopped, c.stop)
			}
			if c.grace == 31 && !p.Wake.Equal(noon.Add(time.Second)) {
				t.Errorf("wakes at %v, not when the grace period ends", p.Wake)
			}
		})
	}
}

func TestCircuitBreaker(t *testing.T) {
	t.Parallel()
	good := done("a")
	for name, c := range map[string]struct {
		desired, before, now int
		code                 string
		rollback             bool
		state                string
		primary              string
		sum                  int
	}{
		"two are not enough":             {desired: 2, now: 2, code: notStarted, state: inProgress, primary: "b", sum: 2},
		"three are":                      {desired: 2, before: 1, now: 2, code: notStarted, state: failed, primary: "b", sum: 3},
		"exits count as well":            {desired: 1, before: 2, now: 1, code: exited, state: failed, primary: "b", sum: 3},
		"what a user stops does not":     {desired: 1, before: 2, now: 1, code: byUser, state: inProgress, primary: "b", sum: 2},
		"what the scheduler stops nor":   {desired: 1, before: 2, now: 1, code: byScheduler, state: inProgress, primary: "b", sum: 2},
		"half of ten, rounded up":        {desired: 9, before: 3, now: 1, code: notStarted, state: inProgress, primary: "b", sum: 4},
		"five of nine":                   {desired: 9, before: 4, now: 1, code: notStarted, state: failed, primary: "b", sum: 5},
		"the last good one comes back":   {desired: 2, now: 3, code: notStarted, rollback: true, state: completed, primary: "a"},
		"at most two hundred are needed": {desired: 1000, before: 199, now: 1, code: notStarted, state: failed, primary: "b", sum: 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := withBreaker(serving(c.desired, 100, 200, rollingOut("b"), good), c.rollback)
			v.Completed = &good
			v.Deployments[0].Failed = c.before
			p := decide(situation{Service: v, Tasks: append(some(c.desired, "a", taskRunning), ended(c.now, "b", c.code, time.Time{})...), Now: noon})
			primary := p.Service.Deployments[0]
			if primary.ID != c.primary || primary.State != c.state || primary.Failed != c.sum {
				t.Errorf("primary %s is %s after %d failures; want %s %s %d", primary.ID, primary.State, primary.Failed, c.primary, c.state, c.sum)
			}
			if len(p.Judged) != c.now {
				t.Errorf("judged %v", p.Judged)
			}
		})
	}
}

func TestRollback(t *testing.T) {
	t.Parallel()
	good := done("a")
	v := withBreaker(serving(2, 100, 200, rollingOut("b"), good), true)
	v.Completed = &good
	tasks := append(some(2, "a", taskRunning), ended(3, "b", exited, noon.Add(-time.Second))...)
	p := decide(situation{Service: v, Tasks: tasks, Now: noon})
	var said []string
	for _, e := range slices.Backward(p.Service.Events) {
		said = append(said, e.Message)
	}
	text := strings.Join(said, "\n")
	for _, want := range []string{"(service web) (deployment b) deployment failed: tasks failed to start.", "(service web) rolling back to deployment a.", "failed: Essential container in task exited"} {
		if !strings.Contains(text, want) {
			t.Errorf("no event %q in\n%s", want, text)
		}
	}
	if got := p.Service.Deployments[0]; got.Reason != "ECS deployment a completed." || got.State != completed || got.Undoes != "record-b" {
		// The old tasks all serve still: the rollback is complete at once.
		t.Errorf("rolled back to %+v", got)
	}
}

func TestWithoutALastGoodOneTheBreakerOnlyStops(t *testing.T) {
	t.Parallel()
	v := withBreaker(serving(1, 100, 200, rollingOut("a")), true)
	p := decide(situation{Service: v, Tasks: ended(3, "a", notStarted, time.Time{}), Now: noon})
	if got := p.Service.Deployments[0]; got.State != failed || got.Reason != "ECS deployment circuit breaker: tasks failed to start." || p.Start != 0 {
		t.Errorf("%+v, start %d", got, p.Start)
	}
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	for streak, want := range map[int]time.Duration{0: 0, 3: 0, 4: time.Second, 5: 2 * time.Second, 8: 16 * time.Second, 13: 512 * time.Second, 14: 15 * time.Minute, 99: 15 * time.Minute} {
		if got := backoff(streak); got != want {
			t.Errorf("after %d failures %v, want %v", streak, got, want)
		}
	}
	v := serving(1, 100, 200, rollingOut("a"))
	v.Deployments[0].Streak = 3
	p := decide(situation{Service: v, Tasks: ended(1, "a", notStarted, time.Time{}), Now: noon})
	if p.Start != 0 || !p.Wake.Equal(noon.Add(time.Second)) {
		t.Errorf("start %d, wake %v", p.Start, p.Wake)
	}
	if !strings.Contains(fmt.Sprint(p.Service.Events), "(service web) is unable to consistently start tasks successfully.") {
		t.Errorf("nothing said: %v", p.Service.Events)
	}
	later := decide(situation{Service: p.Service, Tasks: judged(ended(1, "a", notStarted, time.Time{})), Now: noon.Add(time.Second)})
	if later.Start != 1 {
		t.Errorf("after the wait: start %d", later.Start)
	}
	running := some(1, "a", taskRunning)
	running[0].Started = noon.Add(time.Second)
	well := decide(situation{Service: later.Service, Tasks: running, Now: noon.Add(12 * time.Second)})
	if got := well.Service.Deployments[0]; got.Streak != 0 || !got.NotBefore.IsZero() {
		t.Errorf("a task that runs ends the throttle: %+v", got)
	}
}

func TestATaskThatRanForAWhileDoesNotThrottle(t *testing.T) {
	t.Parallel()
	v := serving(1, 100, 200, done("a"))
	v.Deployments[0].Streak = 2
	p := decide(situation{Service: v, Tasks: ended(1, "a", exited, noon.Add(-time.Minute)), Now: noon})
	if got := p.Service.Deployments[0]; got.Streak != 2 || p.Start != 1 {
		t.Errorf("streak %d, start %d", got.Streak, p.Start)
	}
	p = decide(situation{Service: v, Tasks: ended(1, "a", exited, noon.Add(-time.Second)), Now: noon})
	if got := p.Service.Deployments[0]; got.Streak != 3 {
		t.Errorf("one that ended at once: streak %d", got.Streak)
	}
}

func TestSteadyStateIsSaidOnce(t *testing.T) {
	t.Parallel()
	v := serving(2, 100, 200, rollingOut("a"))
	p := decide(situation{Service: v, Tasks: some(2, "a", taskRunning), Now: noon})
	if got := p.Service.Deployments[0]; got.State != completed || p.Service.Completed == nil || !p.Service.Steady || len(p.Service.Events) != 2 {
		t.Errorf("%+v, events %v", got, p.Service.Events)
	}
	again := decide(situation{Service: p.Service, Tasks: some(2, "a", taskRunning), Now: noon})
	if again.Changed || len(again.Service.Events) != 2 {
		t.Errorf("said again: %v", again.Service.Events)
	}
}

func TestADeploymentIsCompleteWhenTheOldTasksHaveDrained(t *testing.T) {
	t.Parallel()
	for last, want := range map[string]string{taskRunning: inProgress, taskDeactivating: inProgress, taskStopping: completed, taskStopped: completed} {
		old := some(1, "a", last)
		old[0].Desired, old[0].StopCode, old[0].Judged = taskStopped, byScheduler, true
		p := decide(situation{Service: serving(1, 100, 200, rollingOut("b"), done("a")), Tasks: append(old, some(1, "b", taskRunning)...), Now: noon})
		if got := p.Service.Deployments[0].State; got != want {
			t.Errorf("with an old task %s it is %s, want %s", last, got, want)
		}
	}
}

func TestDeletion(t *testing.T) {
	t.Parallel()
	v := serving(0, 100, 200, done("a"))
	v.Status = draining
	p := decide(situation{Service: v, Tasks: some(2, "a", taskRunning), Now: noon})
	if len(p.Stop) != 2 || p.Service.Status != draining {
		t.Errorf("stops %v, is %s", p.Stop, p.Service.Status)
	}
	p = decide(situation{Service: v, Tasks: ended(2, "a", byScheduler, noon), Now: noon})
	if p.Service.Status != inactive || len(p.Service.Deployments) != 0 {
		t.Errorf("is %s", p.Service.Status)
	}
}

func TestATaskThatNobodyChecksIsOnProbation(t *testing.T) {
	t.Parallel()
	for age, want := range map[time.Duration]string{0: inProgress, 999 * time.Millisecond: inProgress, time.Second: completed} {
		tasks := some(1, "a", taskRunning)
		tasks[0].Started = noon.Add(-age)
		p := decide(situation{Service: serving(1, 100, 200, rollingOut("a")), Tasks: tasks, Now: noon})
		if got := p.Service.Deployments[0].State; got != want {
			t.Errorf("after %v it is %s, want %s", age, got, want)
		}
		if want == inProgress && !p.Wake.Equal(noon.Add(time.Second-age)) {
			t.Errorf("after %v it wakes at %v", age, p.Wake)
		}
	}
}

// TestARollingDeploymentKeepsItsBounds runs whole deployments of many sizes, tasks taking their time, and looks after each step.
func TestARollingDeploymentKeepsItsBounds(t *testing.T) {
	t.Parallel()
	for _, bounds := range [][2]int{{100, 200}, {50, 100}, {0, 100}, {50, 150}, {100, 150}, {75, 125}, {100, 134}} {
		for desired := range 12 {
			v := serving(desired, bounds[0], bounds[1], rollingOut("b"), done("a"))
			stuckExpected := v.minimum() >= desired && v.maximum() <= desired && desired > 0
			tasks := some(desired, "a", taskRunning)
			now := noon
			for range 200 {
				now = now.Add(time.Second)
				p := decide(situation{Service: v, Tasks: tasks, Now: now})
				v, tasks = p.Service, carryOut(t, p, tasks, now)
				checkBounds(t, v, tasks, desired)
			}
			if got := v.Deployments[0].State; (got == completed) == stuckExpected {
				t.Errorf("%d tasks at %v: %s", desired, bounds, got)
			}
		}
	}
}

// carryOut does what a plan says and moves every other task one status on.
func carryOut(t *testing.T, p plan, tasks []task, now time.Time) []task {
	t.Helper()
	for _, stop := range p.Stop {
		i := slices.IndexFunc(tasks, func(t task) bool { return t.ID == stop.Task })
		tasks[i].end(now, stop.Code, stop.Reason)
	}
	for i := range tasks {
		x := &tasks[i]
		x.Judged = x.Judged || slices.Contains(p.Judged, x.ID)
		switch next := lifecycle[min(slices.Index(lifecycle, x.Last)+1, len(lifecycle)-1)]; {
		case x.Desired == taskStopped:
			x.Last = lifecycle[max(slices.Index(lifecycle, taskDeactivating), slices.Index(lifecycle, next))]
		case x.Last != taskRunning:
			x.Last = next
			if next == taskRunning {
				x.Started = now
			}
		}
	}
	for range p.Start {
		tasks = append(tasks, task{ID: newTaskID(), Deployment: p.Service.Deployments[0].ID, Desired: taskRunning, Last: taskProvisioning, Created: now})
	}
	return slices.DeleteFunc(tasks, func(t task) bool { return t.Last == taskStopped && t.Judged })
}

func checkBounds(t *testing.T, v service, tasks []task, desired int) {
	t.Helper()
	wanted, serves := 0, 0
	for _, x := range tasks {
		if x.Desired == taskRunning {
			wanted++
			if x.Last == taskRunning {
				serves++
			}
		}
	}
	if low, high := v.minimum(), max(v.maximum(), desired); serves < low || wanted > high {
		t.Fatalf("%d of %d..%d serve, %d are wanted", serves, low, high, wanted)
	}
}
